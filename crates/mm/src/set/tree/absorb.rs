//! Growth of one entry over those that follow it.

use alloc::sync::Arc;

use abi::VirtAddr;

use super::Tree;
use super::node::Node;
use crate::set::Entry;

impl<V: Entry> Tree<V> {
    /// Lets the entry at `start` grow to `end` and gives `gone` each entry that it takes the place of.
    ///
    /// ```text
    /// AAABBBCC.   ->   AAAAAAAA.     `grow` makes A longer, B and C are gone
    /// ```
    ///
    /// In one descent where all of them lie in one leaf.
    ///
    /// # Preconditions
    /// An entry starts at `start`; no entry reaches over `end`; `grow` lets it end at `end`.
    pub fn absorb(
        &mut self,
        start: VirtAddr,
        end: VirtAddr,
        grow: impl FnOnce(&mut V),
        mut gone: impl FnMut(V),
    ) {
        let Some(slot) = self.slot_ending_after(start) else { return };
        let leaf = slot.leaf;
        if leaf.ends.get(leaf.len() - 1) >= end {
            self.len -= absorb_below(&mut self.root, start, end, grow, &mut gone);
            self.shrink_root();
            return;
        }
        let mut at = slot.leaf.ends.get(slot.index);
        while let Some(next) = self.first_ending_after(at).map(Entry::range)
            && next.start < end
        {
            at = next.end;
            self.remove(next.start).into_iter().for_each(&mut gone);
        }
        self.update(start, grow);
    }
}

/// Absorbs in the leaf that holds `start` and returns how many entries went.
fn absorb_below<V: Entry>(
    node: &mut Node<V>,
    start: VirtAddr,
    end: VirtAddr,
    grow: impl FnOnce(&mut V),
    gone: &mut impl FnMut(V),
) -> usize {
    match node {
        Node::Leaf(leaf) => {
            let index = leaf.ends.count_at_most(start);
            Arc::make_mut(leaf).absorb(index, end, grow, gone)
        }
        Node::Inner(inner) => {
            let inner = Arc::make_mut(inner);
            let index = inner.lasts.count_at_most(start);
            let count = absorb_below(&mut inner.kids[index], start, end, grow, gone);
            inner.settle(index);
            count
        }
    }
}
