//! An inner node: children with what a search must know of each.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::keys::Keys;
use super::node::{Node, Summary, split_point};
use crate::set::Entry;

/// How many children an inner node holds at most.
pub(super) const INNER: usize = 32;

/// Children in the order of their addresses, all of the same height.
pub(super) struct Inner<V> {
    /// The first address below each child.
    pub(super) firsts: Keys<INNER>,
    /// The last end below each child.
    pub(super) lasts: Keys<INNER>,
    /// The longest gap between two entries below each child, in bytes; 0 at unused places.
    pub(super) gaps: [u64; INNER],
    /// The longest gap between two entries below the node, in bytes.
    gap: u64,
    /// The children.
    pub(super) kids: Vec<Node<V>>,
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

    /// Returns what the parent keeps.
    pub(super) fn summary(&self) -> Summary {
        Summary { first: self.firsts.get(0), last: self.lasts.get(self.len() - 1), gap: self.gap }
    }

    /// Returns what is kept of the child at `index`.
    pub(super) fn kept(&self, index: usize) -> Summary {
        Summary { first: self.firsts.get(index), last: self.lasts.get(index), gap: self.gaps[index] }
    }

    /// Takes over what has changed in the child at `index`.
    pub(super) fn refresh(&mut self, index: usize) {
        let summary = self.kids[index].summary();
        if summary != self.kept(index) {
            self.keep(index, summary);
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
        self.firsts.remove(index);
        self.lasts.remove(index);
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
                Arc::make_mut(left).join(Arc::unwrap_or_clone(right));
            }
            (Node::Inner(left), Node::Inner(right)) => {
                Arc::make_mut(left).join(Arc::unwrap_or_clone(right));
            }
            _ => unreachable!("siblings have one height"),
        }
        self.refresh(index);
    }

    /// Computes the longest gap below the node from what is kept of the children.
    pub(super) fn longest_gap(&self) -> u64 {
        let between = self.firsts.longest_distance(&self.lasts, self.len());
        self.gaps[..self.len()].iter().fold(between, |longest, gap| longest.max(*gap))
    }

    fn empty() -> Self {
        Self {
            firsts: Keys::EMPTY,
            lasts: Keys::EMPTY,
            gaps: [0; INNER],
            gap: 0,
            kids: Vec::with_capacity(INNER),
        }
    }

    fn join(&mut self, right: Self) {
        let (len, more) = (self.len(), right.len());
        self.firsts.append(len, &right.firsts, more);
        self.lasts.append(len, &right.lasts, more);
        self.gaps[len..len + more].copy_from_slice(&right.gaps[..more]);
        self.kids.extend(right.kids);
        self.measure();
    }

    fn put(&mut self, index: usize, kid: Node<V>) {
        let summary = kid.summary();
        self.firsts.insert(index, summary.first);
        self.lasts.insert(index, summary.last);
        self.gaps.copy_within(index..INNER - 1, index + 1);
        self.gaps[index] = summary.gap;
        self.kids.insert(index, kid);
        self.measure();
    }

    fn keep(&mut self, index: usize, summary: Summary) {
        self.firsts.set(index, summary.first);
        self.lasts.set(index, summary.last);
        self.gaps[index] = summary.gap;
    }

    fn split_off(&mut self, at: usize) -> Self {
        let mut right = Self::empty();
        right.firsts = self.firsts.split_off(at);
        right.lasts = self.lasts.split_off(at);
        right.gaps[..INNER - at].copy_from_slice(&self.gaps[at..]);
        self.gaps[at..].fill(0);
        right.kids.extend(self.kids.drain(at..));
        self.measure();
        right.measure();
        right
    }

    fn measure(&mut self) {
        self.gap = self.longest_gap();
    }
}

impl<V> Clone for Inner<V> {
    /// Copies the node with room for as many children as a new one has; the children are shared.
    fn clone(&self) -> Self {
        let mut kids = Vec::with_capacity(INNER);
        kids.extend_from_slice(&self.kids);
        Self { firsts: self.firsts, lasts: self.lasts, gaps: self.gaps, gap: self.gap, kids }
    }
}
