//! The columns of `pmap -x` from procps, for eyes and scripts that know them.

use abi::AddrRange;

use super::{Line, Role};
use crate::map::{MapView, MappingLine};

/// What of the table is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PmapOptions {
    /// How files are named.
    pub paths: Paths,
    /// Whether heading and total are there.
    pub frame: Frame,
    /// The mappings that overlap this range; `None` for all.
    pub within: Option<AddrRange>,
}

/// How files are named.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Paths {
    /// By the last part of their path.
    Short,
    /// By their whole path.
    Full,
}

/// Whether a table has its heading and total.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Frame {
    /// It has.
    Framed,
    /// It has not.
    Bare,
}

/// Lays the mappings out as `pmap -x` does. Sizes are in KiB; what is not known is a dash.
pub fn pmap(view: &MapView, options: PmapOptions) -> Vec<Line> {
    let name = if view.program.is_empty() { &view.target } else { &view.program };
    let pid = view.pid.map_or_else(String::new, |pid| format!("{pid}:   "));
    let mut lines = vec![Line::of(Role::Strong, format!("{pid}{name}"))];
    if options.frame == Frame::Framed {
        lines.push(Line::of(Role::Faint, "Address           Kbytes     RSS   Dirty Mode  Mapping"));
    }
    let mut sums = [Some(0); 3];
    let wanted = |mapping: &&MappingLine| options.within.is_none_or(|range| range.overlaps(mapping.range));
    for mapping in view.mappings.iter().filter(wanted) {
        let sizes = [Some(mapping.sums.size), mapping.sums.rss, mapping.sums.dirty];
        let kib = sizes.map(|bytes| bytes.map(|bytes| bytes / 1024));
        for (sum, kib) in sums.iter_mut().zip(kib) {
            *sum = sum.zip(kib).map(|(sum, kib)| sum + kib);
        }
        let [size, rss, dirty] = kib.map(cell);
        let (start, mode) = (mapping.range.start.0, mode(&mapping.permissions));
        let name = name_of(mapping, options.paths);
        lines
            .push(Line::of(Role::Plain, format!("{start:016x} {size:>7} {rss:>7} {dirty:>7} {mode} {name}")));
    }
    if options.frame == Frame::Framed {
        let [size, rss, dirty] = sums.map(cell);
        lines.push(Line::of(Role::Faint, "---------------- ------- ------- ------- "));
        lines.push(Line::of(Role::Strong, format!("total kB         {size:>7} {rss:>7} {dirty:>7}")));
    }
    lines
}

/// Lays the mappings out as `pmap -d` does: with offset and device.
pub fn pmap_devices(view: &MapView, options: PmapOptions) -> Vec<Line> {
    let name = if view.program.is_empty() { &view.target } else { &view.program };
    let pid = view.pid.map_or_else(String::new, |pid| format!("{pid}:   "));
    let mut lines = vec![Line::of(Role::Strong, format!("{pid}{name}"))];
    if options.frame == Frame::Framed {
        lines
            .push(Line::of(Role::Faint, "Address           Kbytes Mode  Offset           Device    Mapping"));
    }
    let [mut mapped, mut private, mut shared] = [0; 3];
    let wanted = |mapping: &&MappingLine| options.within.is_none_or(|range| range.overlaps(mapping.range));
    for mapping in view.mappings.iter().filter(wanted) {
        let kib = mapping.sums.size / 1024;
        mapped += kib;
        match mapping.permissions.as_bytes() {
            [.., b's'] => shared += kib,
            [_, b'w', ..] => private += kib,
            _ => {}
        }
        let (start, mode) = (mapping.range.start.0, mode(&mapping.permissions));
        let (major, minor) = mapping.device.split_once(':').unwrap_or(("0", "0"));
        let head = format!("{start:016x} {kib:>7} {mode} {:016x} {major:0>3}:{minor:0>5}", mapping.offset);
        lines.push(Line::of(Role::Plain, format!("{head} {}", name_of(mapping, options.paths))));
    }
    if options.frame == Frame::Framed {
        let total = format!("mapped: {mapped}K    writeable/private: {private}K    shared: {shared}K");
        lines.push(Line::of(Role::Strong, total));
    }
    lines
}

fn cell(kib: Option<u64>) -> String {
    kib.map_or_else(|| "-".to_owned(), |kib| kib.to_string())
}

/// The permissions as pmap writes them: `s` where the mapping is shared, and a last place that is never used.
fn mode(permissions: &str) -> String {
    permissions.replace('p', "-") + "-"
}

fn name_of(mapping: &MappingLine, paths: Paths) -> &str {
    match mapping.name.as_str() {
        "[stack]" => "  [ stack ]",
        path if path.starts_with('/') && paths == Paths::Short => path.rsplit('/').next().unwrap_or(path),
        path if path.starts_with('/') => path,
        _ => "  [ anon ]",
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use abi::Pid;

    use super::pmap as pmap_extended;
    use super::*;
    use crate::map::{Detail, MapFacts};

    #[test]
    fn the_tables_are_those_of_pmap() {
        let mut child = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().expect("sleep");
        // Let it reach its wait: the map stands still from then on.
        std::thread::sleep(std::time::Duration::from_millis(200));
        let pmap = |flag: &str| Command::new("pmap").arg(flag).arg(child.id().to_string()).output();
        let theirs = [pmap("-x"), pmap("-d")];
        let live = snapshot::read_live(Pid(child.id() as i32));
        child.kill().expect("our own child");
        child.wait().expect("our own child");
        let view =
            MapView::new(MapFacts::default(), &live.expect("our own child").snapshot, Detail::Mappings);
        let options = PmapOptions { paths: Paths::Short, frame: Frame::Framed, within: None };
        for (ours, theirs) in [pmap_extended(&view, options), pmap_devices(&view, options)].iter().zip(theirs)
        {
            assert!(ours.len() > 10);
            // A machine without procps has nothing to compare with.
            let Ok(theirs) = theirs else { return };
            let theirs = String::from_utf8_lossy(&theirs.stdout).into_owned();
            let ours: Vec<String> = ours.iter().skip(1).map(Line::plain).collect();
            assert_eq!(ours, theirs.lines().skip(1).map(str::trim_end).collect::<Vec<_>>());
        }
    }
}
