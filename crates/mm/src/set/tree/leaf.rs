//! A leaf: entries with their starts and ends in arrays of their own.

use abi::{AddrRange, VirtAddr};

use super::node::{Summary, split_point};
use super::places::Places;
use super::ranges::Ranges;
use crate::set::Entry;

/// How many entries a leaf holds at most.
pub(super) const LEAF: usize = 32;

/// In how many parts an entry can be divided at once, less one.
pub(super) const PARTS_MOST: usize = 2;

/// Entries in the order of their addresses.
pub(super) struct Leaf<V> {
    /// The range of each entry.
    pub(super) ranges: Ranges<LEAF>,
    /// The longest gap between two entries, in bytes.
    gap: u64,
    /// The entries.
    pub(super) values: Places<V>,
}

impl<V: Clone> Clone for Leaf<V> {
    /// Copies a leaf that others share: rare, and kept out of the way of changes.
    #[cold]
    #[inline(never)]
    fn clone(&self) -> Self {
        let Self { ranges, gap, values } = self;
        Self { ranges: *ranges, gap: *gap, values: values.clone() }
    }
}

impl<V: Entry> Leaf<V> {
    /// Makes a leaf without entries.
    pub(super) fn new() -> Self {
        Self { ranges: Ranges::EMPTY, gap: 0, values: Places::new() }
    }

    /// Returns the number of entries.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// Returns the longest gap between two entries, in bytes.
    pub(super) fn gap(&self) -> u64 {
        self.gap
    }

    /// Tells whether the leaf has so many entries that it need not join another.
    pub(super) fn is_wide(&self) -> bool {
        self.len() >= LEAF / 4
    }

    /// Returns what the parent keeps. Of a leaf without entries it means nothing.
    pub(super) fn summary(&self) -> Summary {
        Summary {
            first: self.ranges.start(0),
            last: self.ranges.end(self.len().saturating_sub(1)),
            gap: self.gap,
        }
    }

    /// Inserts an entry at `index`.
    ///
    /// # Preconditions
    /// The leaf is not full.
    pub(super) fn insert(&mut self, index: usize, value: V) {
        let before = self.gaps_beside(index, index);
        let range = value.range();
        debug_assert!(!range.is_empty(), "an entry occupies something");
        self.ranges.insert(index, range);
        self.values.insert(index, value);
        self.replace_gaps(before, self.gaps_beside(index, index + 1));
    }

    /// Returns the index of the first entry that ends after `addr`; `hint` is tried first.
    #[inline]
    pub(super) fn index_for(&self, addr: VirtAddr, hint: usize) -> usize {
        if self.ranges.is_count_ending_at_most(addr, hint) {
            hint
        } else {
            self.ranges.count_ending_at_most(addr)
        }
    }

    /// Tells whether an entry with this index starts at `start`.
    #[inline]
    pub(super) fn starts_at(&self, index: usize, start: VirtAddr) -> bool {
        index < LEAF && self.ranges.start(index) == start
    }

    /// Returns the index of the entry that starts at `start`, if it is `hint` or one beside it.
    #[inline]
    pub(super) fn index_of(&self, start: VirtAddr, hint: usize) -> Option<usize> {
        let near = [hint, hint.wrapping_sub(1), hint + 1];
        near.into_iter().find(|index| self.starts_at(*index, start))
    }

    /// Tells whether an entry with this index contains `addr`: by one comparison, as on which side of it `addr` lies can't be
    /// guessed.
    #[inline]
    pub(super) fn holds(&self, index: usize, addr: VirtAddr) -> bool {
        let inside = |range: AddrRange| addr.0.wrapping_sub(range.start.0) < range.len();
        index < LEAF && inside(self.ranges.get(index))
    }

    /// Divides the entry at `index` in `parts`: `upper` makes each but the lowest, by its number, from the entry, and `cut`
    /// leaves the lowest of it.
    ///
    /// # Preconditions
    /// The leaf has room for [`PARTS_MOST`] more; the parts occupy what the entry did.
    #[inline]
    pub(super) fn divide(
        &mut self,
        index: usize,
        parts: usize,
        mut upper: impl FnMut(usize, &V) -> V,
        cut: impl FnOnce(&mut V),
    ) {
        let whole = self.ranges.get(index);
        self.ranges.open(index + 1, parts - 1);
        self.values.open(index + 1, parts - 1);
        for part in 1..parts {
            let range = self.values.derive(index, index + part, |whole| upper(part, whole)).range();
            self.ranges.set(index + part, range);
        }
        let lowest = self.values.get_mut(index);
        cut(lowest);
        self.ranges.set(index, lowest.range());
        debug_assert!(self.ranges.touch(index..index + parts), "the parts of {whole} touch");
        debug_assert_eq!(whole.start, self.ranges.start(index), "the parts are all of {whole}");
        debug_assert_eq!(whole.end, self.ranges.end(index + parts - 1), "the parts are all of {whole}");
    }

    /// Lets the entry at `index` grow to `end` over those that follow; returns how many went.
    pub(super) fn absorb(
        &mut self,
        index: usize,
        end: VirtAddr,
        grow: impl Fn(&mut V),
        mut gone: impl FnMut(&V),
    ) -> usize {
        let last = self.ranges.end_of_run(index + 1, end);
        let count = last - index - 1;
        let no_gaps = self.ranges.touch(index..last) && self.ranges.end(last - 1) == end;
        let before = if no_gaps { 0 } else { self.gaps_beside(index, last) };
        self.ranges.remove(index + 1, count);
        self.values.remove_run(index + 1, count, &mut gone);
        let value = self.values.get_mut(index);
        grow(value);
        let range = value.range();
        self.ranges.set(index, range);
        if !no_gaps {
            self.replace_gaps(before, self.gaps_beside(index, index + 1));
        }
        count
    }

    /// Removes the entry at `index` after it has been looked at.
    pub(super) fn remove<R>(&mut self, index: usize, look: impl FnOnce(&V) -> R) -> R {
        let before = self.gaps_beside(index, index + 1);
        self.ranges.remove(index, 1);
        let result = self.values.remove(index, look);
        self.replace_gaps(before, self.gaps_beside(index, index));
        result
    }

    /// Changes the entry at `index`, whose range may change as long as it stays clear of its neighbours.
    pub(super) fn update<R>(&mut self, index: usize, change: impl FnOnce(&mut V) -> R) -> R {
        let value = self.values.get_mut(index);
        let result = change(value);
        let range = value.range();
        debug_assert!(!range.is_empty(), "an entry occupies something");
        if range != self.ranges.get(index) {
            let before = self.gaps_beside(index, index + 1);
            self.ranges.set(index, range);
            self.replace_gaps(before, self.gaps_beside(index, index + 1));
        }
        result
    }

    /// Appends the entries of the leaf to the right.
    pub(super) fn join(&mut self, right: Self) {
        let len = self.len();
        self.ranges.append(len, &right.ranges, right.len());
        self.values.append(right.values);
        self.gap = self.longest_gap();
    }

    /// Splits and returns the right part; where is up to the place of `addr`, where something comes in next.
    pub(super) fn split(&mut self, addr: VirtAddr) -> Self {
        let at = split_point(self.ranges.count_ending_at_most(addr), LEAF);
        let mut right = Self { ranges: self.ranges.split_off(at), gap: 0, values: self.values.split_off(at) };
        self.gap = self.longest_gap();
        right.gap = right.longest_gap();
        right
    }

    /// Computes the longest gap between two entries.
    pub(super) fn longest_gap(&self) -> u64 {
        self.ranges.longest_gap(1..self.len(), u64::MAX)
    }

    /// Returns the longest gap between any two neighbours of which one is from `first..end`, or of the two that
    /// meet at `first` where that is empty.
    fn gaps_beside(&self, first: usize, end: usize) -> u64 {
        self.ranges.longest_gap(first.max(1)..(end + 1).min(self.len()), u64::MAX)
    }

    /// Keeps the longest gap up to date where gaps up to `before` gave way to gaps up to `after`.
    fn replace_gaps(&mut self, before: u64, after: u64) {
        if after >= self.gap {
            self.gap = after;
        } else if before == self.gap {
            self.gap = self.ranges.longest_gap(1..self.len(), self.gap);
        }
    }
}
