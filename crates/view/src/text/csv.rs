//! The mappings as comma-separated values (RFC 4180), sizes in bytes.

use std::io::{self, Write};

use crate::map::{MapView, MappingLine};

/// Writes the mappings with a heading. What is not known is empty.
///
/// # Errors
/// If writing fails.
pub fn csv(view: &MapView, mut out: impl Write) -> io::Result<()> {
    out.write_all(
        b"pid,start,end,permissions,offset,device,inode,size,in_core,rss,pss,uss,dirty,anonymous,swap,huge,locked,kinds,owner,name\r\n",
    )?;
    for mapping in &view.mappings {
        writeln_crlf(&mut out, &row(view, mapping))?;
    }
    Ok(())
}

fn row(view: &MapView, mapping: &MappingLine) -> Vec<String> {
    let number = |value: Option<u64>| value.map_or_else(String::new, |value| value.to_string());
    let sums = &mapping.sums;
    let mut kinds: Vec<&str> = mapping.leaves.iter().map(|leaf| leaf.kind).collect();
    kinds.dedup();
    let owner = mapping.leaves.iter().find(|leaf| !leaf.owner.is_empty()).map(|leaf| leaf.owner.clone());
    let mut cells = vec![
        view.pid.map_or_else(String::new, |pid| pid.to_string()),
        mapping.start.clone(),
        mapping.end.clone(),
        mapping.permissions.clone(),
        mapping.offset.to_string(),
        mapping.device.clone(),
        mapping.inode.to_string(),
        sums.size.to_string(),
    ];
    let sums = [
        sums.in_core,
        sums.rss,
        sums.pss,
        sums.uss,
        sums.dirty,
        sums.anonymous,
        sums.swap,
        sums.huge,
        sums.locked,
    ];
    cells.extend(sums.map(number));
    cells.extend([kinds.join("+"), owner.unwrap_or_default(), mapping.name.clone()]);
    cells
}

fn writeln_crlf(out: &mut impl Write, cells: &[String]) -> io::Result<()> {
    let cells: Vec<String> = cells.iter().map(|cell| quoted(cell)).collect();
    out.write_all(cells.join(",").as_bytes())?;
    out.write_all(b"\r\n")
}

/// A cell, quoted where it must be; one that a spreadsheet would take for a formula begins with an apostrophe.
fn quoted(cell: &str) -> String {
    let cell = if cell.starts_with(['=', '+', '@']) { format!("'{cell}") } else { cell.to_owned() };
    if cell.contains([',', '"', '\r', '\n']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}

#[cfg(test)]
mod tests {
    use snapshot::Snapshot;

    use super::*;
    use crate::map::{Detail, MapFacts};

    #[test]
    fn names_with_commas_and_quotes_survive() {
        let text = b"1000-2000 rw-s 0 8:1 7 /a,b\"c\nRss: 4 kB\n";
        let snapshot = Snapshot::from_maps_text(text).expect("good text");
        let view = MapView::new(MapFacts::default(), &snapshot, Detail::Mappings);
        let mut out = Vec::new();
        csv(&view, &mut out).expect("a Vec takes everything");
        let text = String::from_utf8(out).expect("UTF-8");
        let [head, row] = text.split_terminator("\r\n").collect::<Vec<_>>()[..] else { panic!("two lines") };
        assert_eq!(row, ",0x1000,0x2000,rw-s,0,08:01,7,4096,,4096,,,,,,,,shared_file,,\"/a,b\"\"c\"");
        assert_eq!(head.split(',').count(), 20);
        assert_eq!(quoted("=1"), "'=1");
    }
}
