//! How much of the huge pages holds nothing but zeros: memory that is resident only because it came in one piece.

use abi::{AddrRange, PAGE_SIZE, VirtAddr};

use crate::memory::Memory;
use crate::pages::PageRun;

/// The size of a huge page on x86-64.
const HUGE_BYTES: u64 = 2 << 20;
/// How many are looked at, spread evenly: reading them takes about ten milliseconds.
const SAMPLES: usize = 16;

/// What a look at some huge pages found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct HugeSample {
    /// Anonymous huge pages in bytes.
    pub huge: u64,
    /// How much of them was looked at, in bytes.
    pub looked_at: u64,
    /// Of what was looked at: pages of 4 KiB that hold only zeros, in bytes.
    pub zeros: u64,
}

impl HugeSample {
    /// Looks at some of the anonymous huge pages among `runs`; `None` if there is none that can be read.
    pub(crate) fn of(runs: &[PageRun], memory: &dyn Memory) -> Option<Self> {
        let is_huge =
            |run: &&PageRun| run.state.huge && run.state.present && !run.state.file && !run.state.zero;
        let ranges = runs.iter().filter(is_huge).filter_map(|run| whole(run.range));
        let pages: Vec<VirtAddr> = ranges
            .flat_map(|range| (range.start.0..range.end.0).step_by(HUGE_BYTES as usize).map(VirtAddr))
            .collect();
        let mut sample = Self { huge: pages.len() as u64 * HUGE_BYTES, ..Self::default() };
        let mut buffer = vec![0; HUGE_BYTES as usize];
        for page in pages.iter().step_by(pages.len().div_ceil(SAMPLES).max(1)) {
            let got = memory.read(*page, &mut buffer);
            let pages = buffer[..got].chunks_exact(PAGE_SIZE as usize);
            sample.looked_at += pages.len() as u64 * PAGE_SIZE;
            sample.zeros +=
                pages.filter(|page| page.iter().all(|byte| *byte == 0)).count() as u64 * PAGE_SIZE;
        }
        (sample.looked_at > 0).then_some(sample)
    }

    /// How much of all huge pages holds only zeros, judged by the part that was looked at.
    pub fn zeros_of_all(&self) -> u64 {
        (u128::from(self.huge) * u128::from(self.zeros) / u128::from(self.looked_at.max(1))) as u64
    }
}

/// The whole huge pages of a range.
fn whole(range: AddrRange) -> Option<AddrRange> {
    let start = range.start.0.checked_next_multiple_of(HUGE_BYTES)?;
    let end = range.end.0 & !(HUGE_BYTES - 1);
    (start < end).then(|| AddrRange::new(VirtAddr(start), VirtAddr(end)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::PageState;

    /// Every eighth page holds something.
    struct Sparse;

    impl Memory for Sparse {
        fn read(&self, at: VirtAddr, buffer: &mut [u8]) -> usize {
            for (place, page) in buffer.chunks_mut(PAGE_SIZE as usize).enumerate() {
                page.fill(u8::from((at.0 / PAGE_SIZE + place as u64).is_multiple_of(8)));
            }
            buffer.len()
        }

        fn resident(&self, _: AddrRange) -> Option<u64> {
            None
        }
    }

    #[test]
    fn zeros_are_judged_by_a_part() {
        let state = PageState { present: true, huge: true, ..PageState::default() };
        let run = |first: u64, count: u64, state| PageRun {
            range: AddrRange::new(
                VirtAddr(first * HUGE_BYTES - PAGE_SIZE),
                VirtAddr((first + count) * HUGE_BYTES),
            ),
            state,
        };
        let runs = [run(1, 50, state), run(100, 50, PageState { file: true, ..state }), run(200, 50, state)];
        let sample = HugeSample::of(&runs, &Sparse).expect("there are huge pages");
        assert_eq!(sample.huge, 100 * HUGE_BYTES);
        assert!(sample.looked_at <= SAMPLES as u64 * HUGE_BYTES);
        assert_eq!(sample.zeros_of_all(), 100 * HUGE_BYTES / 8 * 7);
        assert_eq!(HugeSample::of(&runs[1..2], &Sparse), None);
    }
}
