//! A short sorted array of addresses, made for counting.

use core::ops::Range;

use abi::VirtAddr;

/// What unused places hold: no address of a set reaches it.
const UNUSED: VirtAddr = VirtAddr(u64::MAX);

/// How many addresses a search looks at together: those of one cache line.
const GROUP: usize = 8;

/// Up to `N` addresses, a multiple of [`GROUP`], in rising order, unused places at the end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Keys<const N: usize>([VirtAddr; N]);

impl<const N: usize> Keys<N> {
    /// No addresses.
    pub(super) const EMPTY: Self = Self([UNUSED; N]);

    /// Returns the address at `index`; the highest address at an unused place.
    pub(super) fn get(&self, index: usize) -> VirtAddr {
        self.0[index]
    }

    /// Returns the address at `index`; the highest address past the last place too.
    pub(super) fn get_or_end(&self, index: usize) -> VirtAddr {
        self.0.get(index).copied().unwrap_or(UNUSED)
    }

    /// Writes the address at `index`, which keeps the order.
    pub(super) fn set(&mut self, index: usize, key: VirtAddr) {
        self.0[index] = key;
    }

    /// Counts the addresses at or below `addr`.
    pub(super) fn count_at_most(&self, addr: VirtAddr) -> usize {
        self.count(|key| key <= addr)
    }

    /// Tells whether `count` is how many addresses are at or below `addr`; `false` where all in use are.
    #[inline]
    pub(super) fn is_count_at_most(&self, addr: VirtAddr, count: usize) -> bool {
        let above = self.0.get(count).is_some_and(|key| addr < *key && *key != UNUSED);
        above && (count == 0 || self.0[count - 1] <= addr)
    }

    /// Counts the addresses below `addr`.
    pub(super) fn count_below(&self, addr: VirtAddr) -> usize {
        self.count(|key| key < addr)
    }

    /// Counts the addresses that are `low`, all of which come first.
    ///
    /// The last of each group says whether the whole group is low; then one group is looked at. No comparison
    /// waits for another of its step and no branch can be guessed wrong.
    #[inline]
    fn count(&self, low: impl Fn(VirtAddr) -> bool) -> usize {
        let mut group = 0;
        for last in (GROUP - 1..N - 1).step_by(GROUP) {
            group += usize::from(low(self.0[last]));
        }
        let begin = group * GROUP;
        let mut count = begin;
        for key in &self.0[begin..begin + GROUP] {
            count += usize::from(low(*key));
        }
        count
    }

    /// Inserts an address at `index` and shifts those behind it; the place at the end must be unused.
    pub(super) fn insert(&mut self, index: usize, key: VirtAddr) {
        debug_assert!(self.0[N - 1] == UNUSED, "the node has room");
        self.0.copy_within(index..N - 1, index + 1);
        self.0[index] = key;
    }

    /// Removes `count` addresses at `index` and shifts those behind them.
    pub(super) fn remove(&mut self, index: usize, count: usize) {
        self.0.copy_within(index + count.., index);
        self.0[N - count..].fill(UNUSED);
    }

    /// Moves the addresses from `at` on to a new array.
    pub(super) fn split_off(&mut self, at: usize) -> Self {
        let mut right = Self::EMPTY;
        right.0[..N - at].copy_from_slice(&self.0[at..]);
        self.0[at..].fill(UNUSED);
        right
    }

    /// Appends the first `count` addresses of `other` at `len`.
    pub(super) fn append(&mut self, len: usize, other: &Self, count: usize) {
        self.0[len..len + count].copy_from_slice(&other.0[..count]);
    }

    /// Returns the longest distance to one of the starts at `indices` from the end before it; `most` as soon as
    /// one is as long.
    ///
    /// ```text
    /// starts  a   b      c        ends[0]..starts[1], ends[1]..starts[2]
    /// ends     a     b     c
    /// ```
    ///
    /// # Preconditions
    /// Each index is above 0 and in use.
    pub(super) fn longest_distance(&self, ends: &Self, indices: Range<usize>, most: u64) -> u64 {
        let mut longest = 0;
        for index in indices {
            longest = longest.max(self.0[index].0 - ends.0[index - 1].0);
            if longest >= most {
                break;
            }
        }
        longest
    }

    /// Tells whether `len` addresses are in use and in rising order.
    pub(super) fn is_valid(&self, len: usize) -> bool {
        self.0[..len].is_sorted_by(|a, b| a < b)
            && !self.0[..len].contains(&UNUSED)
            && self.0[len..].iter().all(|key| *key == UNUSED)
    }
}
