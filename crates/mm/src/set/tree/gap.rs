//! Search for free gaps, over the longest gaps that inner nodes keep.
//!
//! ```text
//! bounds          [--------------------------)
//! entries    AAAA....BBB......CCCC..........DDDD
//! gaps            ^^^   ^^^^^^    ^^^^^^^^^^^         each cut at the bounds
//!                 lowest                    highest   that is long enough
//! ```
//!
//! A child whose longest gap is too short is passed over unread, and groups of them together. One that is long enough has the gap, except
//! for the at most two children a level that the bounds cut: so a search reads at most two paths.

use abi::{AddrRange, VirtAddr};

use super::Tree;
use super::inner::Inner;
use super::leaf::Leaf;
use super::node::Node;
use super::ranges::GROUP;
use crate::set::Entry;

impl<V: Entry> Tree<V> {
    /// Returns the highest free gap of at least `len` bytes within `bounds`, cut at the bounds.
    ///
    /// Linux: `lib/maple_tree.c: mas_empty_area_rev`.
    ///
    /// # Preconditions
    /// `len > 0`.
    pub fn highest_gap(&self, bounds: AddrRange, len: u64) -> Option<AddrRange> {
        let search = Search { bounds, len };
        if self.is_empty() {
            return search.fit(bounds.start, bounds.end);
        }
        let all = self.root.summary();
        search
            .fit(all.last, bounds.end)
            .or_else(|| search.highest(&self.root))
            .or_else(|| search.fit(bounds.start, all.first))
    }

    /// Returns the lowest free gap of at least `len` bytes within `bounds`, cut at the bounds.
    ///
    /// Linux: `lib/maple_tree.c: mas_empty_area`.
    ///
    /// # Preconditions
    /// `len > 0`.
    pub fn lowest_gap(&self, bounds: AddrRange, len: u64) -> Option<AddrRange> {
        let search = Search { bounds, len };
        if self.is_empty() {
            return search.fit(bounds.start, bounds.end);
        }
        let all = self.root.summary();
        search
            .fit(bounds.start, all.first)
            .or_else(|| search.lowest(&self.root))
            .or_else(|| search.fit(all.last, bounds.end))
    }
}

/// What is asked for.
#[derive(Clone, Copy)]
struct Search {
    bounds: AddrRange,
    len: u64,
}

impl Search {
    /// Cuts the gap `from..to` at the bounds and returns it if it is still long enough.
    fn fit(self, from: VirtAddr, to: VirtAddr) -> Option<AddrRange> {
        let start = from.max(self.bounds.start);
        let end = to.min(self.bounds.end);
        (start < end && end.0 - start.0 >= self.len).then_some(AddrRange { start, end })
    }

    /// Tells whether a gap may be long enough in one of a group of children, or below one of them.
    #[inline]
    fn is_in_group<V: Entry>(self, inner: &Inner<V>, group: usize) -> bool {
        inner.ranges.has_gap_in_group(group, Some(&inner.gaps), self.len)
    }

    fn highest<V: Entry>(self, node: &Node<V>) -> Option<AddrRange> {
        match node {
            Node::Leaf(leaf) => self.highest_in_leaf(leaf),
            Node::Inner(inner) => self.highest_in_inner(inner),
        }
    }

    fn highest_in_leaf<V: Entry>(self, leaf: &Leaf<V>) -> Option<AddrRange> {
        // The gap below the first entry that starts past the bounds may still reach into them.
        let mut index = leaf.ranges.count_starting_below(self.bounds.end).min(leaf.len() - 1);
        while index > 0 && leaf.ranges.start(index) > self.bounds.start {
            if index % GROUP == GROUP - 1 && !leaf.ranges.has_gap_in_group(index / GROUP, None, self.len) {
                index = index.checked_sub(GROUP)?;
                continue;
            }
            let gap = self.fit(leaf.ranges.end(index - 1), leaf.ranges.start(index));
            if gap.is_some() {
                return gap;
            }
            index -= 1;
        }
        None
    }

    fn highest_in_inner<V: Entry>(self, inner: &Inner<V>) -> Option<AddrRange> {
        let mut index = inner.ranges.count_starting_below(self.bounds.end).min(inner.len() - 1);
        loop {
            if index % GROUP == GROUP - 1 && !self.is_in_group(inner, index / GROUP) {
                index = index.checked_sub(GROUP)?;
                continue;
            }
            let first = inner.ranges.start(index);
            if inner.gaps[index] >= self.len
                && first < self.bounds.end
                && let gap @ Some(_) = self.highest(&inner.kids[index])
            {
                return gap;
            }
            if index == 0 || first <= self.bounds.start {
                return None;
            }
            index -= 1;
            if let gap @ Some(_) = self.fit(inner.ranges.end(index), first) {
                return gap;
            }
        }
    }

    fn lowest<V: Entry>(self, node: &Node<V>) -> Option<AddrRange> {
        match node {
            Node::Leaf(leaf) => self.lowest_in_leaf(leaf),
            Node::Inner(inner) => self.lowest_in_inner(inner),
        }
    }

    fn lowest_in_leaf<V: Entry>(self, leaf: &Leaf<V>) -> Option<AddrRange> {
        // The gap above the last entry that ends before the bounds may still reach into them.
        let mut index = leaf.ranges.count_ending_at_most(self.bounds.start).saturating_sub(1);
        while index + 1 < leaf.len() && leaf.ranges.end(index) < self.bounds.end {
            let above = index + 1;
            if above.is_multiple_of(GROUP) && !leaf.ranges.has_gap_in_group(above / GROUP, None, self.len) {
                index += GROUP;
                continue;
            }
            let gap = self.fit(leaf.ranges.end(index), leaf.ranges.start(index + 1));
            if gap.is_some() {
                return gap;
            }
            index += 1;
        }
        None
    }

    fn lowest_in_inner<V: Entry>(self, inner: &Inner<V>) -> Option<AddrRange> {
        let mut index = inner.ranges.count_ending_at_most(self.bounds.start).saturating_sub(1);
        loop {
            if index.is_multiple_of(GROUP) && !self.is_in_group(inner, index / GROUP) {
                index = (index + GROUP).min(inner.len()) - 1;
            }
            let last = inner.ranges.end(index);
            if inner.gaps[index] >= self.len
                && last > self.bounds.start
                && let gap @ Some(_) = self.lowest(&inner.kids[index])
            {
                return gap;
            }
            if index + 1 == inner.len() || last >= self.bounds.end {
                return None;
            }
            index += 1;
            if let gap @ Some(_) = self.fit(last, inner.ranges.start(index)) {
                return gap;
            }
        }
    }
}
