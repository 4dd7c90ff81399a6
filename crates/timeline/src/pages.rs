//! Page runs of checkpoints, summed and translated.

use abi::AddrRange;
use recording::{PageRun, PageState};

/// Bytes of the pages in memory, the shared page of zeros left out, as the kernel counts.
pub(crate) fn resident(runs: &[PageRun]) -> u64 {
    let counts =
        |run: &&PageRun| run.state.contains(PageState::PRESENT) && !run.state.contains(PageState::ZERO);
    runs.iter().filter(counts).map(|run| run.range.len()).sum()
}

/// Ranges of pages that belong to no file: where there is one in a private mapping, it has an `anon_vma`. Zeros of a
/// huge page count, for a fault that maps it prepares for a write even if it reads (`mm/huge_memory.c:
/// do_huge_pmd_anonymous_page`).
pub(crate) fn anonymous(runs: &[PageRun]) -> impl Iterator<Item = AddrRange> {
    let is_anonymous = |run: &&PageRun| {
        let state = run.state;
        let is_there = state.contains(PageState::PRESENT) || state.contains(PageState::SWAPPED);
        let is_own = !state.contains(PageState::ZERO) || state.contains(PageState::HUGE);
        is_there && !state.contains(PageState::FILE) && is_own
    };
    runs.iter().filter(is_anonymous).map(|run| run.range)
}

/// The runs in the words of a snapshot.
pub(crate) fn for_snapshot(runs: &[PageRun]) -> Vec<snapshot::PageRun> {
    let translate = |run: &PageRun| {
        let has = |bit| run.state.contains(bit);
        let state = snapshot::PageState {
            present: has(PageState::PRESENT),
            swapped: has(PageState::SWAPPED),
            file: has(PageState::FILE),
            zero: has(PageState::ZERO),
            huge: has(PageState::HUGE),
        };
        snapshot::PageRun { range: run.range, state }
    };
    runs.iter().map(translate).collect()
}
