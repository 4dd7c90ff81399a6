//! A leaf: entries with their starts and ends in arrays of their own.

use abi::{AddrRange, VirtAddr};

use super::keys::Keys;
use super::node::{Summary, split_point};
use super::places::Places;
use crate::set::Entry;

/// How many entries a leaf holds at most.
pub(super) const LEAF: usize = 32;

/// Entries in the order of their addresses.
#[derive(Clone)]
pub(super) struct Leaf<V> {
    /// The first address of each entry.
    pub(super) starts: Keys<LEAF>,
    /// The end of each entry.
    pub(super) ends: Keys<LEAF>,
    /// The longest gap between two entries, in bytes.
    gap: u64,
    /// The entries.
    pub(super) values: Places<V>,
}

impl<V: Entry> Leaf<V> {
    /// Makes a leaf without entries.
    pub(super) fn new() -> Self {
        Self { starts: Keys::EMPTY, ends: Keys::EMPTY, gap: 0, values: Places::new() }
    }

    /// Returns the number of entries.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// Returns the range of the entry at `index`.
    pub(super) fn range(&self, index: usize) -> AddrRange {
        AddrRange { start: self.starts.get(index), end: self.ends.get(index) }
    }

    /// Tells whether the leaf has so many entries that it need not join another.
    pub(super) fn is_wide(&self) -> bool {
        self.len() >= LEAF / 4
    }

    /// Returns what the parent keeps. Of a leaf without entries it means nothing.
    pub(super) fn summary(&self) -> Summary {
        let last = self.ends.get_or_end(self.len().wrapping_sub(1));
        Summary { first: self.starts.get(0), last, gap: self.gap }
    }

    /// Inserts an entry at `index`.
    ///
    /// # Preconditions
    /// The leaf is not full.
    pub(super) fn insert(&mut self, index: usize, value: V) {
        let before = self.gaps_beside(index, index);
        self.put(index, value);
        self.replace_gaps(before, self.gaps_beside(index, index + 1));
    }

    /// Returns the index of the first entry that ends after `addr`; `hint` is tried first.
    #[inline]
    pub(super) fn index_for(&self, addr: VirtAddr, hint: usize) -> usize {
        if self.ends.is_count_at_most(addr, hint) { hint } else { self.ends.count_at_most(addr) }
    }

    /// Returns the index of the entry that starts at `start`; `hint` is tried first.
    #[inline]
    pub(super) fn index_of(&self, start: VirtAddr, hint: usize) -> Option<usize> {
        let index = self.index_for(start, hint);
        (index < LEAF && self.starts.get(index) == start).then_some(index)
    }

    /// Divides the entry at `index` and returns how many more there are then.
    ///
    /// # Preconditions
    /// The leaf has room for [`Parts::MOST`].
    pub(super) fn divide(&mut self, index: usize, divide: impl FnOnce(&mut V) -> Parts<V>) -> usize {
        let before = self.gaps_beside(index, index + 1);
        let value = self.values.get_mut(index);
        let Parts { next, last } = divide(value);
        let kept = value.range();
        self.starts.set(index, kept.start);
        self.ends.set(index, kept.end);
        let more = 1 + usize::from(last.is_some());
        self.put(index + 1, next);
        if let Some(last) = last {
            self.put(index + 2, last);
        }
        self.replace_gaps(before, self.gaps_beside(index, index + 1 + more));
        more
    }

    /// Lets the entry at `index` grow to `end` over those that follow; returns how many went.
    pub(super) fn absorb(
        &mut self,
        index: usize,
        end: VirtAddr,
        grow: impl FnOnce(&mut V),
        mut gone: impl FnMut(&V),
    ) -> usize {
        let last = self.ends.count_at_most(end).max(index + 1);
        let count = last - index - 1;
        let before = self.gaps_beside(index, last);
        self.starts.remove(index + 1, count);
        self.ends.remove(index + 1, count);
        for _ in 0..count {
            self.values.remove(index + 1, &mut gone);
        }
        let value = self.values.get_mut(index);
        grow(value);
        let range = value.range();
        self.starts.set(index, range.start);
        self.ends.set(index, range.end);
        self.replace_gaps(before, self.gaps_beside(index, index + 1));
        count
    }

    /// Removes the entry at `index` after it has been looked at.
    pub(super) fn remove<R>(&mut self, index: usize, look: impl FnOnce(&V) -> R) -> R {
        let before = self.gaps_beside(index, index + 1);
        self.starts.remove(index, 1);
        self.ends.remove(index, 1);
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
        if range != self.range(index) {
            let before = self.gaps_beside(index, index + 1);
            self.starts.set(index, range.start);
            self.ends.set(index, range.end);
            self.replace_gaps(before, self.gaps_beside(index, index + 1));
        }
        result
    }

    /// Appends the entries of the leaf to the right.
    pub(super) fn join(&mut self, right: Self) {
        let len = self.len();
        self.starts.append(len, &right.starts, right.len());
        self.ends.append(len, &right.ends, right.len());
        self.values.append(right.values);
        self.gap = self.longest_gap();
    }

    /// Splits and returns the right part; where is up to the place of `addr`, where something comes in next.
    pub(super) fn split(&mut self, addr: VirtAddr) -> Self {
        let at = split_point(self.ends.count_at_most(addr), LEAF);
        let mut right = Self {
            starts: self.starts.split_off(at),
            ends: self.ends.split_off(at),
            gap: 0,
            values: self.values.split_off(at),
        };
        self.gap = self.longest_gap();
        right.gap = right.longest_gap();
        right
    }

    /// Computes the longest gap between two entries.
    pub(super) fn longest_gap(&self) -> u64 {
        self.starts.longest_distance(&self.ends, 1..self.len(), u64::MAX)
    }

    fn put(&mut self, index: usize, value: V) {
        let range = value.range();
        debug_assert!(!range.is_empty(), "an entry occupies something");
        self.starts.insert(index, range.start);
        self.ends.insert(index, range.end);
        self.values.insert(index, value);
    }

    /// Returns the longest gap between any two neighbours of which one is from `first..end`, or of the two that
    /// meet at `first` where that is empty.
    fn gaps_beside(&self, first: usize, end: usize) -> u64 {
        self.starts.longest_distance(&self.ends, first.max(1)..(end + 1).min(self.len()), u64::MAX)
    }

    /// Keeps the longest gap up to date where gaps up to `before` gave way to gaps up to `after`.
    fn replace_gaps(&mut self, before: u64, after: u64) {
        if after >= self.gap {
            self.gap = after;
        } else if before == self.gap {
            self.gap = self.starts.longest_distance(&self.ends, 1..self.len(), self.gap);
        }
    }
}

/// What an entry is divided into, besides what stays of it.
pub struct Parts<V> {
    /// What follows it.
    pub next: V,
    /// What follows that.
    pub last: Option<V>,
}

impl<V> Parts<V> {
    /// How many entries more there are at most.
    pub(super) const MOST: usize = 2;
}
