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
        // Asked first: a miss must not copy shared nodes.
        let slot = self.slot_ending_after(start)?;
        if slot.leaf.starts.get(slot.index) != start {
            return None;
        }
        let entry = remove_below(&mut self.root, start);
        self.len -= 1;
        while let Node::Inner(root) = &self.root
            && let [only] = &root.kids[..]
        {
            self.root = only.clone();
        }
        Some(entry)
    }
}

/// Removes the entry at `start`, which is there.
fn remove_below<V: Entry>(node: &mut Node<V>, start: VirtAddr) -> V {
    match node {
        Node::Leaf(leaf) => {
            let index = leaf.ends.count_at_most(start);
            Arc::make_mut(leaf).remove(index)
        }
        Node::Inner(inner) => {
            let inner = Arc::make_mut(inner);
            let index = inner.lasts.count_at_most(start);
            let entry = remove_below(&mut inner.kids[index], start);
            settle(inner, index);
            entry
        }
    }
}

/// Puts a node in order after its child at `index` has shrunk.
fn settle<V: Entry>(inner: &mut Inner<V>, index: usize) {
    let width = inner.kids[index].width();
    if width == 0 {
        inner.remove(index);
        return;
    }
    inner.refresh(index);
    let capacity = match &inner.kids[index] {
        Node::Leaf(_) => LEAF,
        Node::Inner(_) => INNER,
    };
    if width >= capacity / 4 {
        return;
    }
    let fits = |neighbour: usize| {
        inner.kids.get(neighbour).is_some_and(|kid| kid.width() + width <= capacity - capacity / 4)
    };
    if index > 0 && fits(index - 1) {
        inner.join_children(index - 1);
    } else if fits(index + 1) {
        inner.join_children(index);
    }
}
