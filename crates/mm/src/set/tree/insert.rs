//! Insertion of one entry.

use alloc::sync::Arc;

use abi::VirtAddr;

use super::Tree;
use super::inner::Inner;
use super::leaf::Leaf;
use super::node::Node;
use crate::set::Entry;

impl<V: Entry> Tree<V> {
    /// Inserts an entry.
    ///
    /// # Preconditions
    /// Its range is not empty, ends below the highest address and overlaps no entry.
    pub fn insert(&mut self, entry: V) {
        let range = entry.range();
        debug_assert!(!range.is_empty() && range.end < VirtAddr(u64::MAX), "{range} can be an entry");
        debug_assert!(
            self.first_ending_after(range.start).is_none_or(|next| next.range().start >= range.end),
            "{range} is free"
        );
        if let Some(right) = insert_below(&mut self.root, entry, range.start) {
            self.grow_root(right);
        }
        self.len += 1;
    }

    /// Puts a root over the old one and the node that split off it.
    pub(super) fn grow_root(&mut self, right: Node<V>) {
        let left = core::mem::replace(&mut self.root, Node::Leaf(Arc::new(Leaf::new())));
        self.root = Node::Inner(Arc::new(Inner::over(left, right)));
    }
}

/// Inserts below `node`; where it was full, returns the new node to its right.
fn insert_below<V: Entry>(node: &mut Node<V>, entry: V, start: VirtAddr) -> Option<Node<V>> {
    match node {
        Node::Leaf(leaf) => Arc::make_mut(leaf).insert(entry).map(|right| Node::Leaf(Arc::new(right))),
        Node::Inner(inner) => {
            let inner = Arc::make_mut(inner);
            // Between two children, the right one takes it: programs map downwards.
            let index = inner.lasts.count_at_most(start).min(inner.len() - 1);
            let right = insert_below(&mut inner.kids[index], entry, start);
            inner.refresh(index);
            inner.insert(index + 1, right?).map(|right| Node::Inner(Arc::new(right)))
        }
    }
}
