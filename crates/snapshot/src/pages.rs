//! Which pages are there, as runs of the same state.

use abi::AddrRange;

/// A run of pages in the same state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageRun {
    /// The pages.
    pub range: AddrRange,
    /// Their state.
    pub state: PageState,
}

/// What is known of a page. All `false`: nothing is there.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct PageState {
    /// In memory.
    pub present: bool,
    /// In swap.
    pub swapped: bool,
    /// A page of a file or of shared memory.
    pub file: bool,
    /// The shared page of zeros, which resident sizes leave out.
    pub zero: bool,
    /// Part of a huge page.
    pub huge: bool,
    /// What is known of it besides; `None` where nobody followed the memory's pages.
    pub besides: Option<Besides>,
}

/// What a page is known to be besides, by what was done with it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Besides {
    /// Nothing: this memory's alone if it is of no file, and not written to through this memory if it is of one.
    Nothing,
    /// In a forked relative's memory too.
    SharedByFork,
    /// Of a file or of shared memory, and written to through this memory; it may have been written back since.
    Written,
    /// Of a file or of shared memory; whether it was written to is not told.
    MaybeWritten,
}

/// Sums over pages, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PageSums {
    /// In memory (without the shared page of zeros, as the kernel counts).
    pub resident: u64,
    /// The part of `resident` that belongs to no file.
    pub anonymous: u64,
    /// The part of `resident` in huge pages.
    pub huge: u64,
    /// In swap.
    pub swapped: u64,
    /// The part of `anonymous` that a forked relative has too.
    pub shared_by_fork: u64,
    /// Of files and shared memory, written to through this memory.
    pub written: u64,
    /// Of files and shared memory, perhaps written to.
    pub maybe_written: u64,
}

impl PageSums {
    /// Adds up what of the runs lies inside a range. A page that is only partly inside counts by its bytes
    /// there, so the sums over neighbouring ranges add up.
    ///
    /// # Preconditions
    /// `runs` are ascending and disjoint.
    pub fn within(runs: &[PageRun], range: AddrRange) -> Self {
        let first = runs.partition_point(|run| run.range.end <= range.start);
        Self::of_first(&runs[first..], range)
    }

    /// The same where no run lies wholly below the range.
    fn of_first(runs: &[PageRun], range: AddrRange) -> Self {
        let mut sums = Self::default();
        for run in runs.iter().take_while(|run| run.range.start < range.end) {
            let bytes = run.range.intersection(range).map_or(0, AddrRange::len);
            let PageState { present, swapped, file, zero, huge, besides } = run.state;
            if present && !zero {
                match besides {
                    None | Some(Besides::Nothing) => {}
                    Some(Besides::SharedByFork) => sums.shared_by_fork += bytes,
                    Some(Besides::Written) => sums.written += bytes,
                    Some(Besides::MaybeWritten) => sums.maybe_written += bytes,
                }
                sums.resident += bytes;
                sums.anonymous += if file { 0 } else { bytes };
                sums.huge += if huge { bytes } else { 0 };
            }
            sums.swapped += if swapped { bytes } else { 0 };
        }
        sums
    }

    /// Adds another sum to this one.
    pub const fn add(&mut self, other: Self) {
        let Self { resident, anonymous, huge, swapped, shared_by_fork, written, maybe_written } = other;
        self.shared_by_fork += shared_by_fork;
        self.written += written;
        self.maybe_written += maybe_written;
        self.resident += resident;
        self.anonymous += anonymous;
        self.huge += huge;
        self.swapped += swapped;
    }
}

/// Adds up ranges one after the other, ascending, without a search for each.
#[derive(Debug)]
pub(crate) struct PageWalk<'a> {
    rest: &'a [PageRun],
}

impl<'a> PageWalk<'a> {
    /// Begins at the lowest address.
    ///
    /// # Preconditions
    /// `runs` are ascending and disjoint.
    pub(crate) const fn new(runs: &'a [PageRun]) -> Self {
        Self { rest: runs }
    }

    /// As [`PageSums::within`]; no range may begin below the one before.
    pub(crate) fn within(&mut self, range: AddrRange) -> PageSums {
        while let Some((first, rest)) = self.rest.split_first()
            && first.range.end <= range.start
        {
            self.rest = rest;
        }
        PageSums::of_first(self.rest, range)
    }
}

#[cfg(test)]
mod tests {
    use abi::VirtAddr;

    use super::*;

    #[test]
    fn parts_add_up_to_the_whole() {
        let run =
            |start, end, state| PageRun { range: AddrRange::new(VirtAddr(start), VirtAddr(end)), state };
        let present = PageState { present: true, ..Default::default() };
        let runs = [
            run(0x1000, 0x3000, present),
            run(0x3000, 0x4000, PageState { zero: true, ..present }),
            run(0x4000, 0x5000, PageState { file: true, ..present }),
            run(0x8000, 0x9000, PageState { swapped: true, ..Default::default() }),
        ];
        let of = |start, end| PageSums::within(&runs, AddrRange::new(VirtAddr(start), VirtAddr(end)));
        let whole = of(0, 0x10000);
        assert_eq!(
            whole,
            PageSums { resident: 0x3000, anonymous: 0x2000, swapped: 0x1000, ..PageSums::default() }
        );
        let mut sum = of(0, 0x1800);
        sum.add(of(0x1800, 0x10000));
        assert_eq!(sum, whole);
        let mut walk = PageWalk::new(&runs);
        for [start, end] in
            [[0, 0x1800], [0x1800, 0x2000], [0x2000, 0x8800], [0x8800, 0x8800], [0x9000, 0x10000]]
        {
            let range = AddrRange::new(VirtAddr(start), VirtAddr(end));
            assert_eq!(walk.within(range), PageSums::within(&runs, range));
        }
    }
}
