//! Stacks that grow while the kernel's map is being read.
//!
//! A fault is told when it begins, and its stack grows a moment later; the map is read in pieces while threads run on.
//! So a line of the kernel's may begin where the stack began before any of the last faults:
//! ```text
//! events    F1   [reading begins]   F2    F3    [checkpoint]
//! twin        SSSSSSS           SSSSSSSS  SSSSSSSSS
//! kernel    .SSSSSSS, SSSSSSSS or SSSSSSSSS: F1's growth may not be there yet
//! ```

use abi::{AddrRange, Tid, VirtAddr};
use recording::MapRow;

use crate::saved::codec::saved;

/// A mapping that grew downwards.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Grew {
    /// It now.
    pub range: AddrRange,
    /// Where it began before.
    pub former: VirtAddr,
}

/// What may not be in the kernel's word yet.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Grown {
    /// Of threads whose last fault let a stack grow: that growth.
    last: Vec<(Tid, Grew)>,
    /// The growths since a reading began, and the last before; `None` where none is under way.
    noted: Option<Vec<Grew>>,
}

saved! {
    Grew { range, former }
    Grown { last, noted }
}

impl Grown {
    /// A reading begins.
    pub(crate) fn begin(&mut self) {
        self.noted = Some(self.last.iter().map(|(_, grew)| *grew).collect());
    }

    /// A thread is at a fault.
    pub(crate) fn fault(&mut self, tid: Tid, grew: Option<Grew>) {
        self.last.retain(|(of, _)| *of != tid);
        if let Some(grew) = grew {
            self.last.push((tid, grew));
            self.noted.iter_mut().for_each(|noted| noted.push(grew));
        }
    }

    /// A thread has ended.
    pub(crate) fn forget(&mut self, tid: Tid) {
        self.fault(tid, None);
    }

    /// The reading is over: what was noted.
    pub(crate) fn end(&mut self) -> Vec<Grew> {
        self.noted.take().unwrap_or_default()
    }
}

/// The twin's lines as they were when the kernel's were read, as far as stacks have grown since.
pub(crate) fn as_read(mut twin: Vec<MapRow>, kernel: &[MapRow], grown: &[Grew]) -> Vec<MapRow> {
    for Grew { range, former } in grown {
        let Ok(at) = kernel.binary_search_by_key(&range.end, |row| row.range.end) else { continue };
        let Ok(ours) = twin.binary_search_by_key(&range.end, |row| row.range.end) else { continue };
        if kernel[at].range.start == *former {
            twin[ours].range.start = *former;
        }
    }
    twin
}

#[cfg(test)]
mod tests {
    use abi::{FileId, FileOff, Prot};

    use super::*;

    fn row(start: u64, end: u64) -> MapRow {
        let range = AddrRange::new(VirtAddr(start << 12), VirtAddr(end << 12));
        let (prot, offset, file) = (Prot::RW, FileOff(0), FileId::default());
        MapRow { range, prot, shared: false, offset, file, name: Vec::new().into() }
    }

    fn grew(start: u64, end: u64, former: u64) -> Grew {
        Grew { range: row(start, end).range, former: VirtAddr(former << 12) }
    }

    #[test]
    fn a_stack_is_held_against_what_it_was_while_it_was_read() {
        let mut grown = Grown::default();
        grown.fault(Tid(1), Some(grew(85, 90, 86)));
        grown.fault(Tid(1), Some(grew(80, 90, 85)));
        grown.begin();
        grown.fault(Tid(1), None);
        grown.fault(Tid(1), Some(grew(70, 90, 80)));
        let noted = grown.end();
        let seen = |start| as_read(vec![row(1, 2), row(70, 90)], &[row(1, 2), row(start, 90)], &noted);
        for start in [70, 80, 85] {
            assert_eq!(seen(start), [row(1, 2), row(start, 90)]);
        }
        for never in [86, 75, 60] {
            assert_eq!(seen(never), [row(1, 2), row(70, 90)], "it never began there meanwhile");
        }
        assert_eq!(grown.end(), []);
    }
}
