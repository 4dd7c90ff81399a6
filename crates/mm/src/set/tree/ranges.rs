//! A short sorted array of ranges, made for counting.

use core::ops::Range;

use abi::{AddrRange, VirtAddr};

/// What unused places hold: no address of a set reaches it.
const UNUSED: VirtAddr = VirtAddr(u64::MAX);

/// How many addresses a search looks at together: those of one cache line.
pub(super) const GROUP: usize = 8;

/// Up to `N` disjoint ranges, a multiple of [`GROUP`], in the order of their addresses, unused places at the end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ranges<const N: usize> {
    starts: [VirtAddr; N],
    ends: [VirtAddr; N],
}

impl<const N: usize> Ranges<N> {
    /// No ranges.
    pub(super) const EMPTY: Self = Self { starts: [UNUSED; N], ends: [UNUSED; N] };

    /// Returns the range at `index`; at an unused place, one at the highest address.
    pub(super) fn get(&self, index: usize) -> AddrRange {
        AddrRange { start: self.starts[index], end: self.ends[index] }
    }

    /// Returns the first address of the range at `index`.
    pub(super) fn start(&self, index: usize) -> VirtAddr {
        self.starts[index]
    }

    /// Returns the end of the range at `index`.
    pub(super) fn end(&self, index: usize) -> VirtAddr {
        self.ends[index]
    }

    /// Writes the range at `index`, which keeps the order.
    pub(super) fn set(&mut self, index: usize, range: AddrRange) {
        self.starts[index] = range.start;
        self.ends[index] = range.end;
    }

    /// Counts the ranges that end at or below `addr`.
    pub(super) fn count_ending_at_most(&self, addr: VirtAddr) -> usize {
        count(&self.ends, |end| end <= addr)
    }

    /// Tells whether `count` ranges end at or below `addr`; `false` where all in use do.
    #[inline]
    pub(super) fn is_count_ending_at_most(&self, addr: VirtAddr, count: usize) -> bool {
        let above = self.ends.get(count).is_some_and(|end| addr < *end && *end != UNUSED);
        above && (count == 0 || self.ends[count - 1] <= addr)
    }

    /// Counts the ranges that start below `addr`.
    pub(super) fn count_starting_below(&self, addr: VirtAddr) -> usize {
        count(&self.starts, |start| start < addr)
    }

    /// Returns the index past the ranges from `index` on that end at or below `addr`: made for few.
    #[inline]
    pub(super) fn end_of_run(&self, index: usize, addr: VirtAddr) -> usize {
        let run = self.ends[index..].iter().take_while(|end| **end <= addr);
        index + run.count()
    }

    /// Tells whether each range starts where the one before it ends.
    #[inline]
    pub(super) fn touch(&self, indices: Range<usize>) -> bool {
        (indices.start + 1..indices.end).all(|index| self.ends[index - 1] == self.starts[index])
    }

    /// Inserts a range at `index` and shifts those behind it; the place at the end must be unused.
    pub(super) fn insert(&mut self, index: usize, range: AddrRange) {
        self.open(index, 1);
        self.set(index, range);
    }

    /// Shifts the ranges from `index` on by `count` places, which are to be set next; as many at the end must be
    /// unused.
    #[inline]
    pub(super) fn open(&mut self, index: usize, count: usize) {
        debug_assert!(self.ends[N - count] == UNUSED, "the node has room for {count} more");
        self.starts.copy_within(index..N - count, index + count);
        self.ends.copy_within(index..N - count, index + count);
    }

    /// Removes `count` ranges at `index` and shifts those behind them.
    pub(super) fn remove(&mut self, index: usize, count: usize) {
        for addrs in [&mut self.starts, &mut self.ends] {
            addrs.copy_within(index + count.., index);
            addrs[N - count..].fill(UNUSED);
        }
    }

    /// Moves the ranges from `at` on to a new array.
    pub(super) fn split_off(&mut self, at: usize) -> Self {
        let mut right = Self::EMPTY;
        for (addrs, right) in [(&mut self.starts, &mut right.starts), (&mut self.ends, &mut right.ends)] {
            right[..N - at].copy_from_slice(&addrs[at..]);
            addrs[at..].fill(UNUSED);
        }
        right
    }

    /// Appends the first `count` ranges of `other` at `len`.
    pub(super) fn append(&mut self, len: usize, other: &Self, count: usize) {
        self.starts[len..len + count].copy_from_slice(&other.starts[..count]);
        self.ends[len..len + count].copy_from_slice(&other.ends[..count]);
    }

    /// Returns the longest gap below one of the ranges at `indices`; `most` or more as soon as one is as long.
    ///
    /// # Preconditions
    /// Each index is above 0 and in use.
    pub(super) fn longest_gap(&self, indices: Range<usize>, most: u64) -> u64 {
        let mut longest = 0;
        for index in indices {
            longest = longest.max(self.starts[index].0 - self.ends[index - 1].0);
            if longest >= most {
                break;
            }
        }
        longest
    }

    /// Tells whether a gap below one of [`GROUP`] ranges, or one of as many `gaps` beside them, is as long as `len`. No
    /// comparison waits for another.
    #[inline]
    pub(super) fn has_gap_in_group(&self, group: usize, gaps: Option<&[u64; N]>, len: u64) -> bool {
        let begin = group * GROUP;
        let mut is_long = begin > 0 && self.starts[begin].0 - self.ends[begin - 1].0 >= len;
        for index in begin + 1..begin + GROUP {
            is_long |= self.starts[index].0 - self.ends[index - 1].0 >= len;
        }
        if let Some(gaps) = gaps {
            for gap in &gaps[begin..begin + GROUP] {
                is_long |= *gap >= len;
            }
        }
        is_long
    }

    /// Tells whether `len` ranges are in use and in order.
    pub(super) fn is_valid(&self, len: usize) -> bool {
        let rising = (0..len)
            .all(|index| self.starts[index] < self.ends[index] && self.ends[index] != UNUSED)
            && (1..len).all(|index| self.ends[index - 1] <= self.starts[index]);
        let unused = self.starts[len..].iter().chain(&self.ends[len..]).all(|addr| *addr == UNUSED);
        rising && unused
    }
}

/// Counts the addresses that are `low`, all of which come first.
///
/// The last of each group says whether the whole group is low; then one group is looked at. No comparison waits
/// for another of its step and no branch can be guessed wrong.
#[inline]
fn count<const N: usize>(addrs: &[VirtAddr; N], low: impl Fn(VirtAddr) -> bool) -> usize {
    let mut group = 0;
    for last in (GROUP - 1..N - 1).step_by(GROUP) {
        group += usize::from(low(addrs[last]));
    }
    let begin = group * GROUP;
    let mut count = begin;
    for addr in &addrs[begin..begin + GROUP] {
        count += usize::from(low(*addr));
    }
    count
}
