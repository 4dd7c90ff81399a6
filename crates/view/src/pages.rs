//! The pages of a range as a picture: one cell for each page, or for so many.

use abi::{AddrRange, PAGE_SIZE, VirtAddr};
use snapshot::{PageRun, PageSums, Snapshot};

/// The pages of a range.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PagesView {
    /// The range drawn: whole cells, from the first mapping in the range asked for to the last.
    pub range: AddrRange,
    /// How many bytes a cell stands for: a page, or twice as many until the picture fits.
    pub cell_bytes: u64,
    /// The cells, ascending.
    pub cells: Vec<Cell>,
    /// What is there, in bytes.
    pub sums: PageSums,
}

/// What a cell shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cell {
    /// Nothing is mapped.
    Unmapped,
    /// Mapped, and no page is there.
    Absent,
    /// Pages of no file, all of the cell.
    Anonymous,
    /// Pages of no file, some of the cell.
    SomeAnonymous,
    /// Pages of a file or of shared memory, all of the cell.
    File,
    /// Pages of a file or of shared memory, some of the cell.
    SomeFile,
    /// Pages of both sorts.
    Mixed,
    /// Pages in swap, whatever else there is.
    Swapped,
}

impl PagesView {
    /// Draws the pages of a range in at most `cells_max` cells.
    pub fn new(snapshot: &Snapshot, runs: &[PageRun], wanted: AddrRange, cells_max: usize) -> Self {
        let range = mapped_part(snapshot, wanted);
        let mut cell_bytes = PAGE_SIZE;
        while range.len().div_ceil(cell_bytes) > cells_max.max(1) as u64 {
            cell_bytes *= 2;
        }
        let starts = (0..range.len().div_ceil(cell_bytes)).map(|at| range.start.0 + at * cell_bytes);
        let cell_at = |start: u64| {
            let end = VirtAddr((start + cell_bytes).min(range.end.0));
            cell(snapshot, runs, AddrRange::new(VirtAddr(start), end))
        };
        Self { range, cell_bytes, cells: starts.map(cell_at).collect(), sums: PageSums::within(runs, range) }
    }
}

/// The pages from the first mapped address to the last inside the range asked for.
fn mapped_part(snapshot: &Snapshot, wanted: AddrRange) -> AddrRange {
    let mut inside = snapshot.mappings.iter().filter_map(|mapping| mapping.range.intersection(wanted));
    let first = inside.next();
    let last = inside.next_back().or(first);
    match (first, last) {
        (Some(first), Some(last)) => AddrRange::new(first.start.page_down(), last.end.page_up_wrapping()),
        _ => AddrRange::new(wanted.start.page_down(), wanted.start.page_down()),
    }
}

fn cell(snapshot: &Snapshot, runs: &[PageRun], range: AddrRange) -> Cell {
    let at = snapshot.mappings.partition_point(|mapping| mapping.range.end <= range.start);
    if snapshot.mappings.get(at).is_none_or(|mapping| !mapping.range.overlaps(range)) {
        return Cell::Unmapped;
    }
    let PageSums { resident, anonymous, swapped, .. } = PageSums::within(runs, range);
    match (anonymous, resident - anonymous) {
        _ if swapped > 0 => Cell::Swapped,
        (0, 0) => Cell::Absent,
        (some, 0) if some == range.len() => Cell::Anonymous,
        (_, 0) => Cell::SomeAnonymous,
        (0, some) if some == range.len() => Cell::File,
        (0, _) => Cell::SomeFile,
        _ => Cell::Mixed,
    }
}

#[cfg(test)]
mod tests {
    use snapshot::PageState;

    use super::*;

    fn range(start: u64, end: u64) -> AddrRange {
        AddrRange::new(VirtAddr(start), VirtAddr(end))
    }

    #[test]
    fn cells_show_what_is_there() {
        let text = b"1000-5000 rw-p 0 0:0 0\n6000-8000 r--p 0 8:1 7 /f\n";
        let snapshot = Snapshot::from_maps_text(text).expect("good text");
        let present = PageState { present: true, ..PageState::default() };
        let swapped = PageState { swapped: true, ..PageState::default() };
        let runs = [
            PageRun { range: range(0x1000, 0x3000), state: present },
            PageRun { range: range(0x4000, 0x5000), state: swapped },
            PageRun { range: range(0x7000, 0x8000), state: PageState { file: true, ..present } },
        ];
        use Cell::*;
        let all = PagesView::new(&snapshot, &runs, range(0, u64::MAX), 100);
        assert_eq!(all.cells, [Anonymous, Anonymous, Absent, Swapped, Unmapped, Absent, File]);
        let coarse = PagesView::new(&snapshot, &runs, range(0, u64::MAX), 4);
        assert_eq!(coarse.cells, [Anonymous, Swapped, Absent, File]);
        assert_eq!(PagesView::new(&snapshot, &runs, range(0x9000, 0xa000), 4).cells, []);
    }
}
