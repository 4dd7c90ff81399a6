//! A leaf: entries with their starts and ends in arrays of their own.

use alloc::vec::Vec;

use abi::{AddrRange, VirtAddr};

use super::keys::Keys;
use super::node::{Summary, split_point};
use crate::set::Entry;

/// How many entries a leaf holds at most.
pub(super) const LEAF: usize = 32;

/// Entries in the order of their addresses.
pub(super) struct Leaf<V> {
    /// The first address of each entry.
    pub(super) starts: Keys<LEAF>,
    /// The end of each entry.
    pub(super) ends: Keys<LEAF>,
    /// The longest gap between two entries, in bytes.
    gap: u64,
    /// The entries.
    pub(super) values: Vec<V>,
}

impl<V: Entry> Leaf<V> {
    /// Makes a leaf without entries.
    pub(super) fn new() -> Self {
        Self { starts: Keys::EMPTY, ends: Keys::EMPTY, gap: 0, values: Vec::with_capacity(LEAF) }
    }

    /// Returns the number of entries.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// Returns the range of the entry at `index`.
    pub(super) fn range(&self, index: usize) -> AddrRange {
        AddrRange { start: self.starts.get(index), end: self.ends.get(index) }
    }

    /// Returns what the parent keeps.
    ///
    /// # Preconditions
    /// There is an entry.
    pub(super) fn summary(&self) -> Summary {
        Summary { first: self.starts.get(0), last: self.ends.get(self.len() - 1), gap: self.gap }
    }

    /// Inserts an entry; a full leaf splits and its new right part is returned.
    pub(super) fn insert(&mut self, value: V) -> Option<Self> {
        let index = self.starts.count_below(value.range().start);
        if self.len() < LEAF {
            self.put(index, value);
            return None;
        }
        let at = split_point(index, LEAF);
        let mut right = self.split_off(at);
        if index <= at {
            self.put(index, value);
        } else {
            right.put(index - at, value);
        }
        Some(right)
    }

    /// Returns the index of the entry that starts at `start`.
    pub(super) fn index_of(&self, start: VirtAddr) -> Option<usize> {
        let index = self.ends.count_at_most(start);
        (index < LEAF && self.starts.get(index) == start).then_some(index)
    }

    /// Divides the entry at `index` in two; a full leaf splits and its new right part is returned.
    pub(super) fn divide(&mut self, index: usize, divide: impl FnOnce(&mut V) -> V) -> Option<Self> {
        if self.len() < LEAF {
            self.divide_here(index, divide);
            return None;
        }
        let at = split_point(index, LEAF);
        let mut right = self.split_off(at);
        if index < at {
            self.divide_here(index, divide);
        } else {
            right.divide_here(index - at, divide);
        }
        Some(right)
    }

    fn divide_here(&mut self, index: usize, divide: impl FnOnce(&mut V) -> V) {
        let old = self.range(index);
        let value = &mut self.values[index];
        let other = divide(value);
        let (kept, new) = (value.range(), other.range());
        debug_assert!(!kept.is_empty() && !new.is_empty() && kept.end <= new.start, "{kept} then {new}");
        self.starts.set(index, kept.start);
        self.ends.set(index, kept.end);
        self.starts.insert(index + 1, new.start);
        self.ends.insert(index + 1, new.end);
        self.values.insert(index + 1, other);
        if kept.start != old.start || kept.end != new.start || new.end != old.end {
            self.measure();
        }
    }

    /// Lets the entry at `index` grow to `end` over those that follow; returns how many went.
    pub(super) fn absorb(
        &mut self,
        index: usize,
        end: VirtAddr,
        grow: impl FnOnce(&mut V),
        gone: &mut impl FnMut(V),
    ) -> usize {
        let last = self.ends.count_at_most(end).max(index + 1);
        let count = last - index - 1;
        // Entries without a gap between them leave none, nor do they fill one.
        let solid = (index + 1..last).all(|next| self.ends.get(next - 1) == self.starts.get(next))
            && self.ends.get(last - 1) == end;
        let start = self.starts.get(index);
        for _ in 0..count {
            self.starts.remove(index + 1);
            self.ends.remove(index + 1);
        }
        self.values.drain(index + 1..last).for_each(gone);
        grow(&mut self.values[index]);
        let range = self.values[index].range();
        self.starts.set(index, range.start);
        self.ends.set(index, range.end);
        if !solid || range != (AddrRange { start, end }) {
            self.measure();
        }
        count
    }

    /// Removes and returns the entry at `index`.
    pub(super) fn remove(&mut self, index: usize) -> V {
        self.starts.remove(index);
        self.ends.remove(index);
        let value = self.values.remove(index);
        self.measure();
        value
    }

    /// Changes the entry at `index`, whose range may change as long as it stays clear of its neighbours.
    pub(super) fn update<R>(&mut self, index: usize, change: impl FnOnce(&mut V) -> R) -> R {
        let value = &mut self.values[index];
        let result = change(value);
        let range = value.range();
        debug_assert!(!range.is_empty(), "an entry occupies something");
        if range != self.range(index) {
            self.starts.set(index, range.start);
            self.ends.set(index, range.end);
            self.measure();
        }
        result
    }

    /// Appends the entries of the leaf to the right.
    pub(super) fn join(&mut self, right: Self) {
        let len = self.len();
        self.starts.append(len, &right.starts, right.len());
        self.ends.append(len, &right.ends, right.len());
        self.values.extend(right.values);
        self.measure();
    }

    /// Computes the longest gap between two entries.
    pub(super) fn longest_gap(&self) -> u64 {
        self.starts.longest_distance(&self.ends, self.len())
    }

    fn put(&mut self, index: usize, value: V) {
        let range = value.range();
        self.starts.insert(index, range.start);
        self.ends.insert(index, range.end);
        self.values.insert(index, value);
        self.measure();
    }

    fn split_off(&mut self, at: usize) -> Self {
        let mut values = Vec::with_capacity(LEAF);
        values.extend(self.values.drain(at..));
        let mut right =
            Self { starts: self.starts.split_off(at), ends: self.ends.split_off(at), gap: 0, values };
        self.measure();
        right.measure();
        right
    }

    fn measure(&mut self) {
        self.gap = self.longest_gap();
    }
}

impl<V: Clone> Clone for Leaf<V> {
    /// Copies the leaf with room for as many entries as a new one has.
    fn clone(&self) -> Self {
        let mut values = Vec::with_capacity(LEAF);
        values.extend_from_slice(&self.values);
        Self { starts: self.starts, ends: self.ends, gap: self.gap, values }
    }
}
