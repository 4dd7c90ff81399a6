//! What a ledger comes to.

use std::collections::HashMap;

use abi::{AddrRange, PAGE_SIZE, VirtAddr};
use mm::{AddressSpace, VmFlags};
use recording::{Counters, PageRun, PageState, TimeNs};

use super::reading::{Within, cut};
use super::{How, Kind, Ledger, May, Stretch, Toucher};

/// First touchers listed.
const LISTED_MAX: usize = 32;
const HUGE_BYTES: u64 = 512 * PAGE_SIZE;

/// The bytes of one memory's pages.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PageSums {
    /// Anonymous, in memory.
    pub anonymous: u64,
    /// Of files and shared memory, in memory.
    pub file: u64,
    /// In swap.
    pub swapped: u64,
    /// Of huge pages.
    pub huge: u64,
    /// Of pages that are there because a huge page came with another one: whether they were used raises no fault.
    pub huge_beside: u64,
    /// Mapped to be written to by this memory alone, never touched.
    pub untouched: u64,
    /// Of blocks the size of a huge page in which one page alone is there: what a huge page there would waste.
    pub lonely: u64,
    /// `RssAnon + RssFile + RssShmem` of the kernel, less the pages: what the pages do not explain.
    pub residue: i64,
    /// Who touched most first, largest first.
    pub touchers: Vec<FirstToucher>,
}

/// Pages that one thread touched first from one place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FirstToucher {
    /// Who, from where and how.
    pub who: Toucher,
    /// How much of it is there.
    pub bytes: u64,
    /// When the first of it came.
    pub first: TimeNs,
    /// When the last of it came.
    pub last: TimeNs,
}

/// What is resident by the ledger.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Totals {
    /// Bytes of anonymous pages.
    pub anonymous: u64,
    /// Bytes of pages of files and shared memory.
    pub file: u64,
    /// Bytes of pages that may be either, or not be there.
    pub unsure: u64,
}

/// Totals beside the kernel's counters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Beside {
    /// `RssAnon` and `RssFile + RssShmem` are what the pages come to.
    Same,
    /// They are not, by so many bytes beyond what is not sure.
    Off(u64),
}

impl Totals {
    /// Holds them against the kernel's.
    #[must_use]
    pub fn beside(self, counters: &Counters) -> Beside {
        let file = counters.rss_file + counters.rss_shmem;
        match self.anonymous.abs_diff(counters.rss_anon) + self.file.abs_diff(file) {
            0 => Beside::Same,
            off => Beside::Off(off.saturating_sub(self.unsure)),
        }
    }
}

impl Ledger {
    /// What is resident.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for (range, stretch) in self.runs.iter() {
            match stretch.may {
                May::ANON => totals.anonymous += range.len(),
                May::FILE => totals.file += range.len(),
                may if may.intersects(May::ANON.or(May::FILE)) => totals.unsure += range.len(),
                _ => {}
            }
        }
        totals
    }

    /// What is there, in the words of a checkpoint. What the kernel alone decides is taken to have come and not to have gone: pages
    /// of files beside those touched, pages given up. `huge` is what was of huge pages when they were read.
    pub fn page_runs(&self, huge: &[AddrRange]) -> Vec<PageRun> {
        let mut all = Vec::with_capacity(self.runs.len());
        for (range, stretch) in self.runs.iter() {
            let may = stretch.may;
            let state = if may.contains(May::ANON) {
                PageState::PRESENT
            } else if may.contains(May::FILE) {
                PageState::PRESENT.with(PageState::FILE)
            } else if may == May::ZERO {
                PageState::PRESENT.with(PageState::ZERO)
            } else if may == May::SWAP {
                PageState::SWAPPED
            } else if may == May::GUARD {
                PageState::GUARD
            } else {
                continue;
            };
            if !may.contains(May::ANON) {
                all.push(PageRun { range, state });
                continue;
            }
            all.extend(cut(range, huge).into_iter().map(|(range, in_huge)| {
                let state = if in_huge == Within::Yes { state.with(PageState::HUGE) } else { state };
                PageRun { range, state }
            }));
        }
        all
    }

    /// Sums up a memory whose pages the kernel has just told.
    pub fn sums(&self, space: &AddressSpace, kernel: &[PageRun], counters: &Counters) -> PageSums {
        let mut sums = PageSums { touchers: self.first_touchers(), ..PageSums::default() };
        for run in kernel {
            let bytes = run.range.len();
            match May::told(run.state) {
                May::ANON => sums.anonymous += bytes,
                May::FILE => sums.file += bytes,
                May::SWAP => sums.swapped += bytes,
                _ => {}
            }
            if run.state.contains(PageState::HUGE.with(PageState::PRESENT)) {
                sums.huge += bytes;
            }
        }
        sums.huge_beside = self.huge_beside();
        let rss = counters.rss_anon + counters.rss_file + counters.rss_shmem;
        sums.residue = rss.cast_signed() - (sums.anonymous + sums.file).cast_signed();
        let open = VmFlags::WRITE;
        let of_its_own = |vma: &&mm::Vma| Kind::of(vma) == Kind::Anonymous && vma.flags.contains(open);
        for vma in space.vmas().filter(of_its_own) {
            let runs = within(kernel, vma.range);
            let there: u64 = runs.iter().map(|run| run.len()).sum();
            sums.untouched += vma.range.len() - there.min(vma.range.len());
            sums.lonely += lonely(&runs);
        }
        sums
    }

    /// What came in huge pages beside the pages touched, and is there.
    fn huge_beside(&self) -> u64 {
        let came = |by| self.who(by).is_some_and(|who| who.how == How::Huge);
        let there = self.runs.iter().filter(|(_, run)| run.may == May::ANON && came(run.by));
        there.map(|(range, _)| range.len()).sum()
    }

    /// What of a range is in memory, ascending.
    pub fn there(&self, range: AddrRange) -> Vec<(AddrRange, Stretch)> {
        let mut within = self.runs.within(range);
        within.retain(|(_, stretch)| stretch.is_there());
        within
    }

    /// Who touched most first of what is there now.
    pub fn first_touchers(&self) -> Vec<FirstToucher> {
        let mut by: HashMap<_, FirstToucher> = HashMap::new();
        for (range, stretch) in self.runs.iter().filter(|(_, stretch)| stretch.is_there()) {
            let Some(who) = self.who(stretch.by) else { continue };
            let entry = by.entry(stretch.by).or_insert(FirstToucher {
                who,
                bytes: 0,
                first: stretch.first,
                last: stretch.last,
            });
            entry.bytes += range.len();
            entry.first = entry.first.min(stretch.first);
            entry.last = entry.last.max(stretch.last);
        }
        let mut all: Vec<_> = by.into_iter().collect();
        all.sort_by_key(|(id, toucher)| (std::cmp::Reverse(toucher.bytes), *id));
        all.truncate(LISTED_MAX);
        all.into_iter().map(|(_, toucher)| toucher).collect()
    }
}

/// The pages that are there in a range.
fn within(kernel: &[PageRun], range: AddrRange) -> Vec<AddrRange> {
    let first = kernel.partition_point(|run| run.range.end <= range.start);
    let inside = kernel[first..].iter().take_while(|run| run.range.start < range.end);
    let there = inside.filter(|run| May::told(run.state) != May::ABSENT);
    there.filter_map(|run| run.range.intersection(range)).collect()
}

/// The bytes of blocks of 2 MiB in which one page alone is there.
fn lonely(runs: &[AddrRange]) -> u64 {
    let mut blocks: Vec<(u64, u64)> = Vec::new();
    for run in runs {
        let (first, last) = (run.start.0 / HUGE_BYTES, (run.end.0 - 1) / HUGE_BYTES);
        for block in [first, last].into_iter().take(if first == last { 1 } else { 2 }) {
            let whole = AddrRange::new(VirtAddr(block * HUGE_BYTES), VirtAddr((block + 1) * HUGE_BYTES));
            let pages = run.intersection(whole).map_or(0, AddrRange::pages);
            match blocks.last_mut() {
                Some((last, sum)) if *last == block => *sum += pages,
                _ => blocks.push((block, pages)),
            }
        }
    }
    blocks.iter().filter(|(_, pages)| *pages == 1).count() as u64 * HUGE_BYTES
}
