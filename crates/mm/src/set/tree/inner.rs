//! An inner node: children with what a search must know of each.

use alloc::sync::Arc;

use abi::VirtAddr;

use super::node::{Node, Summary, own, split_point};
use super::ranges::Ranges;
use super::row::Row;
use crate::set::Entry;

/// How many children an inner node holds at most.
pub(super) const INNER: usize = 64;

/// Children in the order of their addresses, all of the same height.
pub(super) struct Inner<V> {
    /// From the first address to the last end below each child.
    pub(super) ranges: Ranges<INNER>,
    /// The longest gap between two entries below each child, in bytes; 0 at unused places.
    pub(super) gaps: [u64; INNER],
    /// The longest gap between two entries below the node, in bytes.
    gap: u64,
    /// The children.
    pub(super) kids: Row<Node<V>, INNER>,
}

impl<V> Clone for Inner<V> {
    /// Copies a node that others share: rare, and kept out of the way of changes.
    #[cold]
    #[inline(never)]
    fn clone(&self) -> Self {
        let Self { ranges, gaps, gap, kids } = self;
        Self { ranges: *ranges, gaps: *gaps, gap: *gap, kids: kids.clone() }
    }
}

impl<V: Entry> Inner<V> {
    /// Makes a node over two children.
    pub(super) fn over(left: Node<V>, right: Node<V>) -> Self {
        let mut inner = Self::empty();
        inner.put(0, left);
        inner.put(1, right);
        inner
    }

    /// Returns the number of children.
    pub(super) fn len(&self) -> usize {
        self.kids.len()
    }

    /// Returns the index of the child for `addr`: the first that ends after it, else the last. Between two
    /// children it is the right one: programs map downwards.
    ///
    /// `hint` is tried first.
    #[inline]
    pub(super) fn index_for(&self, addr: VirtAddr, hint: usize) -> usize {
        if self.ranges.is_count_ending_at_most(addr, hint) {
            return hint;
        }
        self.ranges.count_ending_at_most(addr).min(self.len() - 1)
    }

    /// Returns what the parent keeps.
    pub(super) fn summary(&self) -> Summary {
        Summary { first: self.ranges.start(0), last: self.ranges.end(self.len() - 1), gap: self.gap }
    }

    /// Returns what is kept of the child at `index`.
    pub(super) fn kept(&self, index: usize) -> Summary {
        Summary { first: self.ranges.start(index), last: self.ranges.end(index), gap: self.gaps[index] }
    }

    /// Takes over what has changed in the child at `index`.
    pub(super) fn refresh(&mut self, index: usize) {
        let summary = self.kids[index].summary();
        if summary == self.kept(index) {
            return;
        }
        let before = self.gaps_beside(index);
        self.ranges.set(index, summary.range());
        self.gaps[index] = summary.gap;
        let after = self.gaps_beside(index);
        if after >= self.gap {
            self.gap = after;
        } else if before == self.gap {
            self.measure();
        }
    }

    /// Inserts a child at `index`; a full node splits and its new right part is returned.
    pub(super) fn insert(&mut self, index: usize, kid: Node<V>) -> Option<Self> {
        if self.len() < INNER {
            self.put(index, kid);
            return None;
        }
        let at = split_point(index, INNER);
        let mut right = self.split_off(at);
        if index <= at {
            self.put(index, kid);
        } else {
            right.put(index - at, kid);
        }
        Some(right)
    }

    /// Removes and returns the child at `index`.
    pub(super) fn remove(&mut self, index: usize) -> Node<V> {
        self.ranges.remove(index, 1);
        self.gaps.copy_within(index + 1.., index);
        self.gaps[INNER - 1] = 0;
        let kid = self.kids.remove(index);
        self.measure();
        kid
    }

    /// Joins the child at `index` with the one to its right.
    pub(super) fn join_children(&mut self, index: usize) {
        let right = self.remove(index + 1);
        match (&mut self.kids[index], right) {
            (Node::Leaf(left), Node::Leaf(right)) => {
                own(left).join(Arc::unwrap_or_clone(right));
            }
            (Node::Inner(left), Node::Inner(right)) => {
                own(left).join(Arc::unwrap_or_clone(right));
            }
            _ => unreachable!("siblings have one height"),
        }
        self.refresh(index);
    }

    /// Computes the longest gap below the node from what is kept of the children.
    pub(super) fn longest_gap(&self) -> u64 {
        let between = self.ranges.longest_gap(1..self.len(), u64::MAX);
        self.gaps[..self.len()].iter().fold(between, |longest, gap| longest.max(*gap))
    }

    fn empty() -> Self {
        Self { ranges: Ranges::EMPTY, gaps: [0; INNER], gap: 0, kids: Row::new() }
    }

    fn join(&mut self, right: Self) {
        let (len, more) = (self.len(), right.len());
        self.ranges.append(len, &right.ranges, more);
        self.gaps[len..len + more].copy_from_slice(&right.gaps[..more]);
        self.kids.append(right.kids);
        self.measure();
    }

    fn put(&mut self, index: usize, kid: Node<V>) {
        let summary = kid.summary();
        self.ranges.insert(index, summary.range());
        self.gaps.copy_within(index..INNER - 1, index + 1);
        self.gaps[index] = summary.gap;
        self.kids.insert(index, kid);
        self.measure();
    }

    /// Returns the longest gap below the child at `index` and beside it.
    fn gaps_beside(&self, index: usize) -> u64 {
        let beside = index.max(1)..(index + 2).min(self.len());
        self.ranges.longest_gap(beside, u64::MAX).max(self.gaps[index])
    }

    fn split_off(&mut self, at: usize) -> Self {
        let mut right = Self::empty();
        right.ranges = self.ranges.split_off(at);
        right.gaps[..INNER - at].copy_from_slice(&self.gaps[at..]);
        self.gaps[at..].fill(0);
        right.kids = self.kids.split_off(at);
        self.measure();
        right.measure();
        right
    }

    fn measure(&mut self) {
        self.gap = self.longest_gap();
    }
}
