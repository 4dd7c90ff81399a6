//! Removal of one entry.

use alloc::sync::Arc;

use abi::VirtAddr;

use super::Tree;
use super::inner::{INNER, Inner};
use super::leaf::LEAF;
use super::node::Node;
use crate::set::Entry;

impl<V: Entry> Tree<V> {
    /// Removes and returns the entry that starts at `start`; `None` where no entry does.
    pub fn remove(&mut self, start: VirtAddr) -> Option<V> {
        let entry = remove_below(&mut self.root, start)?;
        self.len -= 1;
        self.shrink_root();
        Some(entry)
    }

    /// Puts a root's only child in its place.
    pub(super) fn shrink_root(&mut self) {
        while let Node::Inner(root) = &self.root
            && let [only] = &root.kids[..]
        {
            self.root = only.clone();
        }
    }
}

/// Removes the entry at `start`, if it is there.
fn remove_below<V: Entry>(node: &mut Node<V>, start: VirtAddr) -> Option<V> {
    match node {
        Node::Leaf(leaf) => {
            let index = leaf.index_of(start)?;
            Some(Arc::make_mut(leaf).remove(index))
        }
        Node::Inner(inner) => {
            let inner = Arc::make_mut(inner);
            let index = inner.lasts.count_at_most(start);
            let entry = remove_below(inner.kids.get_mut(index)?, start)?;
            inner.settle(index);
            Some(entry)
        }
    }
}

impl<V: Entry> Inner<V> {
    /// Puts the node in order after its child at `index` has shrunk.
    pub(super) fn settle(&mut self, index: usize) {
        let width = self.kids[index].width();
        if width == 0 {
            self.remove(index);
            return;
        }
        self.refresh(index);
        let capacity = match &self.kids[index] {
            Node::Leaf(_) => LEAF,
            Node::Inner(_) => INNER,
        };
        if width >= capacity / 4 {
            return;
        }
        let fits = |neighbour: usize| {
            self.kids.get(neighbour).is_some_and(|kid| kid.width() + width <= capacity - capacity / 4)
        };
        if index > 0 && fits(index - 1) {
            self.join_children(index - 1);
        } else if fits(index + 1) {
            self.join_children(index);
        }
    }
}
