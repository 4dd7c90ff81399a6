//! The rectangles of one memory as its map changes.

use std::collections::BTreeMap;

use abi::{AddrRange, PAGE_SIZE, VirtAddr};
use recording::MapRow;
use serde::Serialize;
use snapshot::Kind;

/// A mapping as it was for a while.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Rect {
    /// The memory.
    pub mm: u32,
    /// Its first address.
    pub start: u64,
    /// Its size in bytes.
    pub size: u64,
    /// From when, in nanoseconds.
    pub from_ns: u64,
    /// Until when.
    pub to_ns: u64,
    /// The number of the event that made it so.
    pub made: u64,
    /// The number of the event that ended it; `None` where the run or the memory ended first.
    pub ended: Option<u64>,
    /// What it is: a kind's stable name.
    pub kind: &'static str,
    /// The protection and `p` or `s`, as in maps.
    pub rights: String,
    /// The file offset in bytes.
    pub offset: u64,
    /// Its name, by its place in the atlas's names.
    pub name: u32,
    /// As of page checkpoints, where they changed: the time, resident bytes, and how many of them are of anonymous
    /// pages (the process's own, written to); the others are the page cache's.
    pub resident: Vec<(u64, u64, u64)>,
}

/// The addresses that an event may have changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Window {
    /// All of them.
    Whole,
    /// These and the mappings that touch them.
    Around(AddrRange),
}

impl Window {
    pub(super) fn range(self) -> AddrRange {
        match self {
            Self::Whole => AddrRange::new(VirtAddr::NULL, VirtAddr(u64::MAX)),
            Self::Around(range) => AddrRange::new(
                VirtAddr(range.start.0.saturating_sub(PAGE_SIZE)),
                VirtAddr(range.end.0.saturating_add(PAGE_SIZE)),
            ),
        }
    }
}

/// A rectangle whose end is not known yet.
#[derive(Clone, Debug)]
pub(super) struct Open {
    pub(super) row: MapRow,
    pub(super) from_ns: u64,
    pub(super) made: u64,
    /// `None` until a checkpoint tells.
    pub(super) kind: Option<Kind>,
    pub(super) resident: Vec<(u64, u64, u64)>,
}

/// The open rectangles of one memory, by their first address.
#[derive(Clone, Debug, Default)]
pub(super) struct OpenRects {
    by_start: BTreeMap<VirtAddr, Open>,
    changes: u64,
}

/// A moment in a recording.
#[derive(Clone, Copy, Debug)]
pub(super) struct At {
    pub(super) time_ns: u64,
    pub(super) event: u64,
}

impl OpenRects {
    /// Takes over the lines that share an address with a window; returns the rectangles that ended. `resident`
    /// tells how much of a range was resident at the last page checkpoint, and how much of that anonymous.
    pub(super) fn update(
        &mut self,
        window: Window,
        rows: Vec<MapRow>,
        at: At,
        resident: impl Fn(AddrRange) -> (u64, u64),
    ) -> Vec<Open> {
        let range = window.range();
        let mut ended = Vec::new();
        let mut kept = rows.into_iter().peekable();
        let mut fresh = Vec::new();
        for start in self.starts_in(range) {
            while let Some(row) = kept.next_if(|row| row.range.start < start) {
                fresh.push(row);
            }
            match kept.next_if(|row| row.range.start == start) {
                Some(row) if self.by_start.get(&start).is_some_and(|open| open.row == row) => {}
                other => {
                    ended.extend(self.by_start.remove(&start));
                    fresh.extend(other);
                }
            }
        }
        fresh.extend(kept);
        self.changes += (fresh.len() + ended.len()) as u64;
        for row in fresh {
            let (bytes, anonymous) = resident(row.range);
            let resident = if bytes > 0 { vec![(at.time_ns, bytes, anonymous)] } else { Vec::new() };
            let open = Open { from_ns: at.time_ns, made: at.event, kind: None, resident, row };
            self.by_start.insert(open.row.range.start, open);
        }
        ended
    }

    /// How many rectangles have begun or ended so far.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// The numbers of the events that made those open.
    pub(super) fn made(&self) -> impl Iterator<Item = u64> {
        self.by_start.values().map(|open| open.made)
    }

    /// Ends all.
    pub(super) fn end(self) -> impl Iterator<Item = Open> {
        self.by_start.into_values()
    }

    /// The open rectangles, ascending.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Open> {
        self.by_start.values_mut()
    }

    fn starts_in(&self, range: AddrRange) -> Vec<VirtAddr> {
        let before = self.by_start.range(..range.start).next_back();
        let reaches = before.filter(|(_, open)| open.row.range.end > range.start).map(|(start, _)| *start);
        let inside = self.by_start.range(range.start..range.end).map(|(start, _)| *start);
        reaches.into_iter().chain(inside).collect()
    }
}

#[cfg(test)]
mod tests {
    use abi::{FileId, FileOff, Prot};

    use super::*;

    fn row(from: u64, to: u64) -> MapRow {
        MapRow {
            range: AddrRange::new(VirtAddr(from << 12), VirtAddr(to << 12)),
            prot: Prot::RW,
            shared: false,
            offset: FileOff(0),
            file: FileId::default(),
            name: Vec::new().into(),
        }
    }

    #[test]
    fn a_hole_ends_one_and_begins_two() {
        let mut rects = OpenRects::default();
        let at = |event| At { time_ns: event * 10, event };
        assert!(rects.update(Window::Whole, vec![row(1, 9), row(20, 21)], at(1), |_| (0, 0)).is_empty());
        let window = Window::Around(row(3, 5).range);
        let ended = rects.update(window, vec![row(1, 3), row(5, 9)], at(2), |_| (4096, 0));
        assert_eq!(ended.len(), 1);
        assert_eq!((ended[0].row.range, ended[0].made), (row(1, 9).range, 1));
        assert!(rects.iter_mut().filter(|open| open.made == 2).all(|open| open.resident == [(20, 4096, 0)]));
        let open: Vec<_> = rects.end().map(|open| (open.row.range, open.made)).collect();
        assert_eq!(open, [(row(1, 3).range, 2), (row(5, 9).range, 2), (row(20, 21).range, 1)]);
    }
}
