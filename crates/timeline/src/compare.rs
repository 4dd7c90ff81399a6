//! The kernel's map beside the twin's: which lines are the same, which differ, and where.

use abi::AddrRange;
use recording::MapRow;

/// What a comparison of one checkpoint found.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Comparison {
    /// Lines of the kernel's map that were compared.
    pub compared: u64,
    /// Lines that the twin holds exactly: range, protection, sharing, offset, file, name.
    pub matched: u64,
    /// Lines left out because a call that was under way may or may not have changed them yet.
    pub in_flight: u64,
    /// Lines that are the same but for the path of their file: it was renamed or deleted since.
    pub renamed: u64,
    /// Stretches where the maps differ, ascending.
    pub differences: Vec<Difference>,
}

/// A stretch of addresses where the maps differ: neither map has a line that crosses its ends.
#[derive(Clone, PartialEq, Debug)]
pub struct Difference {
    /// The stretch.
    pub range: AddrRange,
    /// The kernel's lines in it.
    pub kernel: Vec<MapRow>,
    /// The twin's lines in it.
    pub twin: Vec<MapRow>,
}

/// Compares two maps, each ascending and without overlaps; `in_flight` are ranges that calls under way change.
pub fn compare(kernel: &[MapRow], twin: &[MapRow], in_flight: &[AddrRange]) -> Comparison {
    let mut found = Comparison::default();
    let (mut k, mut t) = (0, 0);
    while k < kernel.len() || t < twin.len() {
        if let (Some(line), Some(ours)) = (kernel.get(k), twin.get(t))
            && line.range == ours.range
            && let Some(likeness) = likeness(line, ours)
        {
            found.compared += 1;
            found.matched += 1;
            found.renamed += u64::from(likeness == Likeness::Renamed);
            (k, t) = (k + 1, t + 1);
            continue;
        }
        let (k_end, t_end) = end_of_stretch(&kernel[k..], &twin[t..]);
        let stretch = Difference::of(&kernel[k..k + k_end], &twin[t..t + t_end]);
        if in_flight.iter().any(|range| range.overlaps(stretch.range)) {
            found.in_flight += k_end as u64;
        } else {
            found.compared += k_end as u64;
            found.matched += stretch.kernel.iter().filter(|line| stretch.twin.contains(line)).count() as u64;
            found.differences.push(stretch);
        }
        (k, t) = (k + k_end, t + t_end);
    }
    found
}

impl Difference {
    fn of(kernel: &[MapRow], twin: &[MapRow]) -> Self {
        let all = || kernel.iter().chain(twin).map(|line| line.range);
        let start = all().map(|range| range.start).min().unwrap_or_default();
        let end = all().map(|range| range.end).max().unwrap_or_default();
        Self { range: AddrRange { start, end }, kernel: kernel.to_vec(), twin: twin.to_vec() }
    }
}

/// How many lines of each map the stretch takes that begins with their first lines: up to the first address
/// that no line of either crosses.
///
/// ```text
/// kernel  AAAAAA  BBB CCC
/// twin    AAA  DDDDD  CCC
///         `---stretch-´
/// ```
fn end_of_stretch(kernel: &[MapRow], twin: &[MapRow]) -> (usize, usize) {
    let starts = [kernel.first(), twin.first()];
    let mut end = starts.iter().flatten().map(|line| line.range).min().unwrap_or_default().end;
    let (mut k, mut t) = (0, 0);
    loop {
        let inside = |line: &&MapRow| line.range.start < end;
        if let Some(line) = kernel.get(k).filter(inside) {
            end = end.max(line.range.end);
            k += 1;
        } else if let Some(line) = twin.get(t).filter(inside) {
            end = end.max(line.range.end);
            t += 1;
        } else {
            return (k, t);
        }
    }
}

#[derive(PartialEq)]
enum Likeness {
    Same,
    Renamed,
}

/// Tells whether two lines of the same range say the same.
///
/// A file's path is the kernel's word of the moment and may change without a memory call: device and inode decide.
fn likeness(kernel: &MapRow, twin: &MapRow) -> Option<Likeness> {
    let MapRow { range: _, prot, shared, offset, file, name } = kernel;
    let same = *prot == twin.prot && *shared == twin.shared && *offset == twin.offset && *file == twin.file;
    match same {
        true if *name == twin.name => Some(Likeness::Same),
        true if file.ino != 0 => Some(Likeness::Renamed),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use abi::{FileId, FileOff, PAGE_SIZE, Prot, VirtAddr};

    use super::*;

    /// One letter a page: `AA.B` is a mapping of two pages, a hole, a mapping of one; lower case: read-only.
    fn map(picture: &str) -> Vec<MapRow> {
        let mut rows: Vec<MapRow> = Vec::new();
        let mut last = '.';
        for (page, letter) in picture.chars().enumerate() {
            let start = VirtAddr(page as u64 * PAGE_SIZE);
            let end = VirtAddr(start.0 + PAGE_SIZE);
            match rows.last_mut() {
                Some(row) if letter == last => row.range.end = end,
                _ if letter != '.' => rows.push(MapRow {
                    range: AddrRange { start, end },
                    prot: if letter.is_lowercase() { Prot::READ } else { Prot::RW },
                    shared: false,
                    offset: FileOff(0),
                    file: FileId::default(),
                    name: Vec::new().into(),
                }),
                _ => {}
            }
            last = letter;
        }
        rows
    }

    fn pages(from: u64, to: u64) -> AddrRange {
        AddrRange::new(VirtAddr(from * PAGE_SIZE), VirtAddr(to * PAGE_SIZE))
    }

    #[test]
    fn equal_maps_match_line_by_line() {
        let found = compare(&map("AA.Bcc"), &map("AA.Bcc"), &[]);
        assert_eq!((found.compared, found.matched), (3, 3));
        assert!(found.differences.is_empty());
    }

    #[test]
    fn a_stretch_ends_where_no_line_crosses() {
        let found = compare(&map("AAAA.BBC"), &map("AA.DDD.C"), &[]);
        let stretches: Vec<_> = found.differences.iter().map(|found| found.range).collect();
        assert_eq!(stretches, [pages(0, 7)]);
        assert_eq!((found.compared, found.matched), (3, 1));
    }

    #[test]
    fn a_line_only_one_has_is_a_difference() {
        let missing = compare(&map("A.B"), &map("A"), &[]);
        assert_eq!((missing.compared, missing.matched, missing.differences.len()), (2, 1, 1));
        let extra = compare(&map("A"), &map("A.B"), &[]);
        assert_eq!((extra.compared, extra.matched, extra.differences.len()), (1, 1, 1));
        assert!(extra.differences[0].kernel.is_empty());
    }

    #[test]
    fn what_a_call_under_way_changes_is_counted_apart() {
        let found = compare(&map("AA.b"), &map("AA.B"), &[pages(3, 4)]);
        assert_eq!((found.compared, found.matched, found.in_flight), (1, 1, 1));
        assert!(found.differences.is_empty());
    }

    #[test]
    fn a_renamed_file_still_matches() {
        let mut kernel = map("A");
        kernel[0].file.ino = 7;
        let twin = kernel.clone();
        kernel[0].name = b"/tmp/x (deleted)".as_slice().into();
        let found = compare(&kernel, &twin, &[]);
        assert_eq!((found.matched, found.renamed), (1, 1));
    }
}
