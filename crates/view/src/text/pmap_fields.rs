//! The columns of `pmap -X` and `-XX`: every field that the kernel has in its smaps, in the kernel's order.

use abi::AddrRange;
use proc_text::{MapsRow, TextError};

use super::pmap::{Frame, Paths, PmapOptions};
use super::{Line, Role};
use crate::map::permissions_of;
use crate::words::printable;

/// How many of the fields are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fields {
    /// Those that say most.
    Main,
    /// All.
    All,
}

/// Fields that are left out of the main ones.
const MINOR: [&str; 8] = [
    "KernelPageSize",
    "MMUPageSize",
    "Shared_Clean",
    "Shared_Dirty",
    "Private_Clean",
    "Private_Dirty",
    "AnonHugePages",
    "VmFlags",
];

/// A mapping with its fields as they stand in the text.
struct Row<'a> {
    map: MapsRow<'a>,
    fields: Vec<(&'a str, &'a str)>,
}

/// Lays out a smaps text. `title` is the first line; sizes are in KiB, as in the text.
///
/// # Errors
/// If the text is none of smaps.
pub fn pmap_fields(
    text: &[u8],
    title: &str,
    which: Fields,
    options: PmapOptions,
) -> Result<Vec<Line>, TextError> {
    let rows = rows(text, which)?;
    let wanted = |row: &&Row<'_>| options.within.is_none_or(|range: AddrRange| range.overlaps(row.map.range));
    let rows: Vec<&Row<'_>> = rows.iter().filter(wanted).collect();
    let names: Vec<&str> =
        rows.first().map(|row| row.fields.iter().map(|(name, _)| *name).collect()).unwrap_or_default();
    let sums: Vec<Option<u64>> = names.iter().enumerate().map(|(at, _)| sum(&rows, at)).collect();
    let heads: &[&str] = if options.frame == Frame::Framed { &names } else { &[] };
    let widths: Vec<usize> = (0..names.len()).map(|at| width(&rows, at, heads, &sums)).collect();
    let inode = rows.iter().map(|row| row.map.file.ino.to_string().len()).max().unwrap_or(1);
    let inode = if heads.is_empty() { inode } else { inode.max("Inode".len()) };
    let device = if heads.is_empty() { 5 } else { 6 };

    let mut lines = vec![Line::of(Role::Strong, title)];
    if options.frame == Frame::Framed {
        let head =
            format!("{:>16} Perm {:>8} {:>device$} {:>inode$}", "Address", "Offset", "Device", "Inode");
        lines.push(Line::of(Role::Faint, head + &cells(names.iter().copied(), &widths) + " Mapping"));
    }
    for row in &rows {
        let map = &row.map;
        let (start, mode) = (map.range.start.0, permissions_of(map.prot, map.shared));
        let dev = map.file.dev.to_string();
        let head =
            format!("{start:>16x} {mode} {:08x} {dev:>device$} {:>inode$}", map.offset.0, map.file.ino);
        let values = cells(row.fields.iter().map(|(_, value)| *value), &widths);
        lines.push(Line::of(Role::Plain, format!("{head}{values} {}", name(map.name, options.paths))));
    }
    if options.frame == Frame::Framed {
        let blank = " ".repeat(16 + 1 + 4 + 1 + 8 + 1 + device + 1 + inode);
        let rules: Vec<String> = sums
            .iter()
            .zip(&widths)
            .map(|(sum, width)| if sum.is_some() { "=".repeat(*width) } else { String::new() })
            .collect();
        let totals: Vec<String> =
            sums.iter().map(|sum| sum.map_or_else(String::new, |sum| sum.to_string())).collect();
        lines.push(Line::of(Role::Faint, blank.clone() + &cells(rules.iter().map(String::as_str), &widths)));
        lines
            .push(Line::of(Role::Strong, blank + &cells(totals.iter().map(String::as_str), &widths) + " KB"));
    }
    Ok(lines)
}

fn rows(text: &[u8], which: Fields) -> Result<Vec<Row<'_>>, TextError> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    for (at, line) in text.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
        if line[0].is_ascii_uppercase() {
            let Some(row) = rows.last_mut() else { continue };
            let Some((name, value)) = std::str::from_utf8(line).ok().and_then(|line| line.split_once(':'))
            else {
                continue;
            };
            if which == Fields::All || !MINOR.contains(&name) {
                row.fields.push((name, value.trim().trim_end_matches(" kB")));
            }
        } else if let Some(map) = proc_text::maps(line).next() {
            let map = map.map_err(|error| TextError { line: at + 1, ..error })?;
            rows.push(Row { map, fields: Vec::new() });
        }
    }
    Ok(rows)
}

/// The sum of a field, `None` if it holds words.
fn sum(rows: &[&Row<'_>], at: usize) -> Option<u64> {
    rows.iter().map(|row| row.fields.get(at)?.1.parse::<u64>().ok()).sum()
}

fn width(rows: &[&Row<'_>], at: usize, heads: &[&str], sums: &[Option<u64>]) -> usize {
    let values = rows.iter().filter_map(|row| row.fields.get(at)).map(|(_, value)| value.len());
    let sum = sums.get(at).copied().flatten().map_or(0, |sum| sum.to_string().len());
    values.chain(heads.get(at).map(|head| head.len())).chain([sum]).max().unwrap_or(0)
}

fn cells<'a>(values: impl Iterator<Item = &'a str>, widths: &[usize]) -> String {
    values.zip(widths).map(|(value, width)| format!(" {value:>width$}")).collect()
}

fn name(name: &[u8], paths: Paths) -> String {
    let name = printable(name);
    match paths {
        Paths::Short if name.starts_with('/') => name.rsplit('/').next().unwrap_or(&name).to_owned(),
        Paths::Short | Paths::Full => name,
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    /// Blanks between cells depend on the version of pmap; the cells do not.
    fn squeezed(line: &str) -> String {
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_cells_are_those_of_pmap() {
        let mut child = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().expect("sleep");
        // Let it reach its wait: the map stands still from then on.
        std::thread::sleep(std::time::Duration::from_millis(200));
        let pid = child.id().to_string();
        let pmap = |flag: &str| Command::new("pmap").args([flag, &pid]).output().ok();
        let theirs = [("-X", Fields::Main), ("-XX", Fields::All)].map(|(flag, which)| (pmap(flag), which));
        let text = std::fs::read(format!("/proc/{pid}/smaps"));
        child.kill().expect("our own child");
        child.wait().expect("our own child");
        let text = text.expect("our own child");
        for (theirs, which) in theirs {
            let options = PmapOptions { paths: Paths::Short, frame: Frame::Framed, within: None };
            let ours = pmap_fields(&text, "", which, options).expect("the kernel's text");
            assert!(ours.len() > 10);
            // A machine without procps has nothing to compare with.
            let Some(theirs) = theirs else { continue };
            let theirs = String::from_utf8_lossy(&theirs.stdout).into_owned();
            let is_shared = |line: &str| line.contains("KB");
            let pairs = ours.iter().skip(1).map(Line::plain).zip(theirs.lines().skip(1));
            for (ours, theirs) in pairs.filter(|(ours, _)| !is_shared(ours)) {
                // PSS moves with what other processes map.
                let cells =
                    |line: &str| squeezed(line).split(' ').take(7).map(str::to_owned).collect::<Vec<_>>();
                assert_eq!(cells(&ours), cells(theirs));
                assert_eq!(squeezed(&ours).split(' ').next_back(), squeezed(theirs).split(' ').next_back());
            }
            assert_eq!(ours.len(), theirs.lines().count());
        }
    }

    #[test]
    fn a_text_of_maps_has_no_fields() {
        let options = PmapOptions { paths: Paths::Full, frame: Frame::Bare, within: None };
        let lines =
            pmap_fields(b"1000-2000 rw-p 0 0:0 0 /a/b\n", "x", Fields::All, options).expect("good text");
        assert_eq!(lines[1].plain(), "            1000 rw-p 00000000 00:00 0 /a/b");
        assert!(pmap_fields(b"x\n", "x", Fields::All, options).is_err());
    }
}
