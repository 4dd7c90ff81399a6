//! The tree in shape: full nodes split, narrow ones join, and each node knows what is below it.

use alloc::sync::Arc;

use abi::VirtAddr;

use super::inner::{INNER, Inner};
use super::leaf::LEAF;
use super::node::{Node, own};
use super::path::Steps;
use crate::set::Entry;

/// Splits the leaf for `addr`, and each node above it that has no room for one more; where `node` itself was
/// split, returns the new node to its right.
pub(super) fn split_below<V: Entry>(node: &mut Node<V>, addr: VirtAddr, mut steps: Steps) -> Option<Node<V>> {
    match node {
        Node::Leaf(leaf) => Some(Node::Leaf(Arc::new(own(leaf).split(addr)))),
        Node::Inner(inner) => {
            let inner = own(inner);
            let index = inner.index_for(addr, steps.next());
            let right = split_below(&mut inner.kids[index], addr, steps);
            inner.refresh(index);
            inner.insert(index + 1, right?).map(|right| Node::Inner(Arc::new(right)))
        }
    }
}

/// Takes over what has changed in the leaf for `addr` in all nodes from `node` on.
pub(super) fn balance_below<V: Entry>(node: &mut Node<V>, addr: VirtAddr, mut steps: Steps) {
    if let Node::Inner(inner) = node {
        let inner = own(inner);
        let index = inner.index_for(addr, steps.next());
        balance_below(&mut inner.kids[index], addr, steps);
        inner.settle(index);
    }
}

impl<V: Entry> Inner<V> {
    /// Puts the node in order after its child at `index` has changed.
    fn settle(&mut self, index: usize) {
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
