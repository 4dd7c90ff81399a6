//! Change of one entry in place.

use alloc::sync::Arc;

use abi::VirtAddr;

use super::Tree;
use super::node::Node;
use crate::set::Entry;

impl<V: Entry> Tree<V> {
    /// Changes the entry that starts at `start` and returns what `change` returns; `None` where no entry does.
    ///
    /// # Preconditions
    /// The entry's range may grow, shrink or move only within the free space around it, and stays not empty.
    pub fn update<R>(&mut self, start: VirtAddr, change: impl FnOnce(&mut V) -> R) -> Option<R> {
        update_below(&mut self.root, start, change)
    }
}

/// Changes the entry at `start`, if it is there.
fn update_below<V: Entry, R>(
    node: &mut Node<V>,
    start: VirtAddr,
    change: impl FnOnce(&mut V) -> R,
) -> Option<R> {
    match node {
        Node::Leaf(leaf) => {
            let index = leaf.index_of(start)?;
            Some(Arc::make_mut(leaf).update(index, change))
        }
        Node::Inner(inner) => {
            let inner = Arc::make_mut(inner);
            let index = inner.lasts.count_at_most(start);
            let result = update_below(inner.kids.get_mut(index)?, start, change)?;
            inner.refresh(index);
            Some(result)
        }
    }
}
