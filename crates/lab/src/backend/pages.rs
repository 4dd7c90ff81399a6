//! The state of a page, from either side.

use std::fmt;

use abi::{AddrRange, PAGE_SIZE};
use live::PageRun;

/// The state of a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PageState {
    /// There is none: the next access makes or finds one.
    Absent,
    /// The page of zeros that all processes share.
    Zero,
    /// A page of anonymous memory: the process's own, or shared with a forked relative until one of them writes.
    Private,
    /// A page of a file or of shared memory.
    File,
    /// A marker that makes every access fault.
    Guard,
    /// It is in swap.
    Swapped,
}

impl PageState {
    /// Every state with its word.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::Absent, "absent"),
        (Self::Zero, "zero"),
        (Self::Private, "private"),
        (Self::File, "file"),
        (Self::Guard, "guard"),
        (Self::Swapped, "swapped"),
    ];

    /// The state of a page of the twin's.
    pub(super) fn of_twin(kind: mm::PageKind) -> Self {
        match kind {
            mm::PageKind::None => Self::Absent,
            mm::PageKind::Guard => Self::Guard,
            mm::PageKind::Zero => Self::Zero,
            mm::PageKind::Anon | mm::PageKind::Device => Self::Private,
            mm::PageKind::File | mm::PageKind::Shmem => Self::File,
            // The kernel tells them alike (`PAGE_IS_SWAPPED`).
            mm::PageKind::Swapped | mm::PageKind::Poisoned | mm::PageKind::Protected => Self::Swapped,
        }
    }

    fn of_kernel(categories: u64) -> Self {
        const FILE: u64 = 1 << 2;
        const SWAPPED: u64 = 1 << 4;
        const ZERO: u64 = 1 << 5;
        const GUARD: u64 = 1 << 8;
        let has = |bit| categories & bit != 0;
        match () {
            () if has(GUARD) => Self::Guard,
            () if has(SWAPPED) => Self::Swapped,
            () if has(ZERO) => Self::Zero,
            () if has(FILE) => Self::File,
            () => Self::Private,
        }
    }
}

impl fmt::Display for PageState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = Self::ALL.iter().find(|(state, _)| state == self).map_or("", |(_, word)| *word);
        f.write_str(word)
    }
}

/// Pages in the same state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Run {
    /// Their state.
    pub state: PageState,
    /// How many.
    pub pages: u64,
}

/// Makes runs of a range's pages out of the kernel's, which leave out pages that are not there.
pub(crate) fn runs_of_kernel(range: AddrRange, found: &[PageRun]) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut at = range.start;
    for run in found {
        push(&mut runs, PageState::Absent, run.range.start.0.saturating_sub(at.0) / PAGE_SIZE);
        push(&mut runs, PageState::of_kernel(run.categories), run.range.pages());
        at = run.range.end;
    }
    push(&mut runs, PageState::Absent, range.end.0.saturating_sub(at.0) / PAGE_SIZE);
    runs
}

/// Adds pages to runs.
pub(crate) fn push(runs: &mut Vec<Run>, state: PageState, pages: u64) {
    match runs.last_mut() {
        _ if pages == 0 => {}
        Some(last) if last.state == state => last.pages += pages,
        _ => runs.push(Run { state, pages }),
    }
}
