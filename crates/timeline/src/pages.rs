//! Page runs of checkpoints, summed and translated.

use abi::AddrRange;
use recording::{PageRun, PageState};
use snapshot::Besides;

use crate::ledger::Split;

/// Bytes of the pages in memory, the shared page of zeros left out, as the kernel counts.
pub(crate) fn resident(runs: &[PageRun]) -> u64 {
    let counts =
        |run: &&PageRun| run.state.contains(PageState::PRESENT) && !run.state.contains(PageState::ZERO);
    runs.iter().filter(counts).map(|run| run.range.len()).sum()
}

/// Bytes of anonymous huge pages, that of zeros left out.
pub(crate) fn anonymous_huge(runs: &[PageRun]) -> u64 {
    let counts = |run: &&PageRun| {
        run.state.contains(PageState::PRESENT.with(PageState::HUGE))
            && !run.state.contains(PageState::ZERO)
            && !run.state.contains(PageState::FILE)
    };
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

/// The runs in the words of a snapshot, cut at the borders of what they are besides, which ascends and is apart.
pub(crate) fn for_snapshot(runs: &[PageRun], split: Option<&[(AddrRange, Split)]>) -> Vec<snapshot::PageRun> {
    let Some(split) = split else {
        return runs
            .iter()
            .map(|run| snapshot::PageRun { range: run.range, state: state(run.state) })
            .collect();
    };
    let mut all = Vec::with_capacity(runs.len());
    let mut first = 0;
    for run in runs {
        let known = snapshot::PageState { besides: Some(Besides::Nothing), ..state(run.state) };
        let mut at = run.range.start;
        let mut push = |from, to, besides| {
            if from < to {
                let state = snapshot::PageState { besides: Some(besides), ..known };
                all.push(snapshot::PageRun { range: AddrRange::new(from, to), state });
            }
        };
        while split.get(first).is_some_and(|(range, _)| range.end <= at) {
            first += 1;
        }
        for (range, of) in split[first..].iter().take_while(|(range, _)| range.start < run.range.end) {
            let Some(part) = range.intersection(run.range) else { continue };
            push(at, part.start, Besides::Nothing);
            push(part.start, part.end, besides(*of, run.state));
            at = part.end;
        }
        push(at, run.range.end, Besides::Nothing);
    }
    all
}

/// What pages are besides, unless the kernel told that they are others by now.
fn besides(split: Split, state: PageState) -> Besides {
    match (split, state.contains(PageState::FILE)) {
        (Split::SharedByFork, false) => Besides::SharedByFork,
        (Split::Written, true) => Besides::Written,
        (Split::MaybeWritten, true) => Besides::MaybeWritten,
        _ => Besides::Nothing,
    }
}

fn state(state: PageState) -> snapshot::PageState {
    let has = |bit| state.contains(bit);
    snapshot::PageState {
        present: has(PageState::PRESENT),
        swapped: has(PageState::SWAPPED),
        file: has(PageState::FILE),
        zero: has(PageState::ZERO),
        huge: has(PageState::HUGE),
        besides: None,
    }
}

#[cfg(test)]
mod tests {
    use abi::VirtAddr;

    use super::*;

    #[test]
    fn runs_are_cut_at_what_they_are_besides() {
        let range = |from: u64, to: u64| AddrRange::new(VirtAddr(from << 12), VirtAddr(to << 12));
        let file = PageState::PRESENT.with(PageState::FILE);
        let runs = [
            PageRun { range: range(1, 5), state: PageState::PRESENT },
            PageRun { range: range(8, 12), state: file },
        ];
        let split = [
            (range(0, 1), Split::Written),
            (range(2, 3), Split::SharedByFork),
            (range(4, 9), Split::Written),
            (range(11, 14), Split::MaybeWritten),
        ];
        let found = for_snapshot(&runs, Some(&split));
        let found: Vec<_> = found.iter().map(|run| (run.range.start.0 >> 12, run.state.besides)).collect();
        let nothing = Some(Besides::Nothing);
        assert_eq!(
            found,
            [
                (1, nothing),
                (2, Some(Besides::SharedByFork)),
                (3, nothing),
                (4, nothing),
                (8, Some(Besides::Written)),
                (9, nothing),
                (11, Some(Besides::MaybeWritten)),
            ]
        );
        assert!(for_snapshot(&runs, None).iter().all(|run| run.state.besides.is_none()));
    }
}
