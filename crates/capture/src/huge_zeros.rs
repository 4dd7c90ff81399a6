//! How much of a memory's huge pages holds nothing but zeros: resident because it came in one piece.
//!
//! Which pages of a huge page were used raises no fault. Of some pages, spread evenly, it is looked whether they hold only
//! zeros; nothing else of what they hold is kept.

use abi::{PAGE_SIZE, Tid, VirtAddr};
use recording::{HugeZeros, PageRun, PageState};

/// Less in huge pages is not looked at.
const HUGE_BYTES_MIN: u64 = 4 << 20;
/// Pages looked at: half a millisecond.
const SAMPLES: u64 = 256;

/// Looks at some of the huge pages of a memory through one of its threads; `None` where there are few, or none can be read.
pub(crate) fn look(thread: Tid, runs: &[PageRun]) -> Option<HugeZeros> {
    look_with(runs, |page, buffer| {
        sys::memory::read(thread, page, buffer).is_ok_and(|got| got == buffer.len())
    })
}

fn look_with(runs: &[PageRun], read: impl Fn(VirtAddr, &mut [u8]) -> bool) -> Option<HugeZeros> {
    let is_huge = |run: &&PageRun| {
        run.state.contains(PageState::PRESENT.with(PageState::HUGE))
            && !run.state.contains(PageState::ZERO)
            && !run.state.contains(PageState::FILE)
    };
    let huge: Vec<&PageRun> = runs.iter().filter(is_huge).collect();
    let pages: u64 = huge.iter().map(|run| run.range.pages()).sum();
    if pages * PAGE_SIZE < HUGE_BYTES_MIN {
        return None;
    }
    let stride = pages / SAMPLES;
    let mut buffer = [0; PAGE_SIZE as usize];
    let mut found = HugeZeros { looked_at: 0, zeros: 0 };
    let (mut at, mut before) = (huge.into_iter().peekable(), 0);
    for sample in 0..SAMPLES {
        // Not always at the same place of a huge page: programs have their habits there.
        let page = sample * stride + sample.wrapping_mul(40_503) % stride;
        while at.peek().is_some_and(|run| before + run.range.pages() <= page) {
            before += at.next().map_or(0, |run| run.range.pages());
        }
        let Some(run) = at.peek() else { break };
        if read(VirtAddr(run.range.start.0 + (page - before) * PAGE_SIZE), &mut buffer) {
            found.looked_at += PAGE_SIZE;
            found.zeros += if buffer.iter().all(|byte| *byte == 0) { PAGE_SIZE } else { 0 };
        }
    }
    (found.looked_at > 0).then_some(found)
}

#[cfg(test)]
mod tests {
    use abi::AddrRange;

    use super::*;

    fn run(from: u64, to: u64, state: PageState) -> PageRun {
        PageRun { range: AddrRange::new(VirtAddr(from << 20), VirtAddr(to << 20)), state }
    }

    #[test]
    fn zeros_are_judged_by_pages_spread_evenly() {
        let huge = PageState::PRESENT.with(PageState::HUGE);
        let runs = [run(0, 2, PageState::PRESENT), run(2, 66, huge), run(66, 98, huge.with(PageState::ZERO))];
        // The first MiB of each huge page is used.
        let found = look_with(&runs, |page, buffer| {
            assert!(page >= VirtAddr(2 << 20) && page < VirtAddr(66 << 20), "{page} is of no huge page");
            buffer.fill(u8::from((page.0 >> 20).is_multiple_of(2)));
            true
        });
        let HugeZeros { looked_at, zeros } = found.expect("there are huge pages");
        assert_eq!(looked_at, SAMPLES * PAGE_SIZE);
        assert!((90..166).contains(&(zeros / PAGE_SIZE)), "{zeros} of {looked_at}");
        assert_eq!(look_with(&[run(0, 2, huge)], |_, _| true), None, "too few");
        assert_eq!(look_with(&runs, |_, _| false), None, "none can be read");
    }
}
