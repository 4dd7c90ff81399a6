//! Lookup by address, one descent each.

use abi::VirtAddr;

use super::Tree;
use super::leaf::Leaf;
use super::node::Node;
use crate::set::Entry;

/// The place of an entry: its leaf and its index there.
pub(super) struct Slot<'a, V> {
    /// The leaf.
    pub(super) leaf: &'a Leaf<V>,
    /// The index of the entry in the leaf.
    pub(super) index: usize,
}

impl<V: Entry> Tree<V> {
    /// Returns the entry that contains `addr`.
    pub fn find(&self, addr: VirtAddr) -> Option<&V> {
        let slot = self.slot_ending_after(addr)?;
        (slot.leaf.starts.get(slot.index) <= addr).then(|| slot.entry())
    }

    /// Returns the first entry that ends after `addr`: the one that contains it, else the next one up.
    ///
    /// Linux: `mm/mmap.c: find_vma`.
    pub fn first_ending_after(&self, addr: VirtAddr) -> Option<&V> {
        self.slot_ending_after(addr).map(|slot| slot.entry())
    }

    /// Returns the last entry that starts before `addr`.
    pub fn last_starting_before(&self, addr: VirtAddr) -> Option<&V> {
        self.slot_starting_before(addr).map(|slot| slot.entry())
    }

    /// Finds the place of the first entry that ends after `addr`.
    pub(super) fn slot_ending_after(&self, addr: VirtAddr) -> Option<Slot<'_, V>> {
        let mut node = &self.root;
        loop {
            match node {
                Node::Inner(inner) => node = inner.kids.get(inner.lasts.count_at_most(addr))?,
                Node::Leaf(leaf) => {
                    let index = leaf.ends.count_at_most(addr);
                    return (index < leaf.len()).then_some(Slot { leaf, index });
                }
            }
        }
    }

    /// Finds the place of the last entry that starts before `addr`.
    pub(super) fn slot_starting_before(&self, addr: VirtAddr) -> Option<Slot<'_, V>> {
        let mut node = &self.root;
        loop {
            match node {
                Node::Inner(inner) => {
                    node = inner.kids.get(inner.firsts.count_below(addr).checked_sub(1)?)?
                }
                Node::Leaf(leaf) => {
                    let index = leaf.starts.count_below(addr).checked_sub(1)?;
                    return Some(Slot { leaf, index });
                }
            }
        }
    }
}

impl<'a, V> Slot<'a, V> {
    /// Returns the entry.
    pub(super) fn entry(&self) -> &'a V {
        &self.leaf.values[self.index]
    }
}
