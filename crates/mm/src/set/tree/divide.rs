//! Division of one entry in two, in one descent: the free space between entries does not change in between.

use alloc::sync::Arc;

use abi::VirtAddr;

use super::Tree;
use super::node::Node;
use crate::set::Entry;

impl<V: Entry> Tree<V> {
    /// Divides the entry that starts at `start` in two and tells whether there was one.
    ///
    /// ```text
    /// AAAAAA  ->  AAABBB     `divide` shortens A and returns B
    /// ```
    ///
    /// # Preconditions
    /// Both parts lie inside what the entry occupied, the returned one behind the one that stays.
    pub fn divide(&mut self, start: VirtAddr, divide: impl FnOnce(&mut V) -> V) -> bool {
        let mut divided = false;
        if let Some(right) = divide_below(&mut self.root, start, divide, &mut divided) {
            self.grow_root(right);
        }
        self.len += usize::from(divided);
        divided
    }
}

/// Divides below `node`; where it was full, returns the new node to its right.
fn divide_below<V: Entry>(
    node: &mut Node<V>,
    start: VirtAddr,
    divide: impl FnOnce(&mut V) -> V,
    divided: &mut bool,
) -> Option<Node<V>> {
    match node {
        Node::Leaf(leaf) => {
            let index = leaf.index_of(start)?;
            *divided = true;
            Arc::make_mut(leaf).divide(index, divide).map(|right| Node::Leaf(Arc::new(right)))
        }
        Node::Inner(inner) => {
            let inner = Arc::make_mut(inner);
            let index = inner.lasts.count_at_most(start);
            let right = divide_below(inner.kids.get_mut(index)?, start, divide, divided);
            inner.refresh(index);
            inner.insert(index + 1, right?).map(|right| Node::Inner(Arc::new(right)))
        }
    }
}
