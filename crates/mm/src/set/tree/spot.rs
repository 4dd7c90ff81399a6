//! An entry at its place, with those that touch it.

use abi::VirtAddr;

use super::Tree;
use super::find::Slot;
use crate::set::Entry;

/// An entry of a set, from which its neighbours are near.
///
/// ```text
/// AAA***BBB     A and B touch the entry     AA.***BB     only B does
/// ```
pub struct Spot<'a, V> {
    tree: &'a Tree<V>,
    slot: Slot<'a, V>,
}

impl<V: Entry> Tree<V> {
    /// Finds the entry that contains `addr`; quickly where the last lookup found it.
    pub fn spot(&self, addr: VirtAddr) -> Option<Spot<'_, V>> {
        let slot = self.slot_beside(addr).or_else(|| {
            self.slot_ending_after(addr).filter(|Slot { leaf, index }| leaf.holds(*index, addr))
        })?;
        Some(Spot { tree: self, slot })
    }
}

impl<'a, V: Entry> Spot<'a, V> {
    /// Returns the entry.
    #[inline]
    pub fn entry(&self) -> &'a V {
        self.slot.entry()
    }

    /// Returns the entry that ends where this one starts.
    #[inline]
    pub fn below(&self) -> Option<&'a V> {
        let (leaf, index) = self.slot.place();
        let start = leaf.ranges.start(index);
        match index.checked_sub(1) {
            Some(below) => (leaf.ranges.end(below) == start).then(|| leaf.values.get(below)),
            None => self.tree.last_starting_before(start).filter(|entry| entry.range().end == start),
        }
    }

    /// Returns the entry that starts where this one ends.
    #[inline]
    pub fn above(&self) -> Option<&'a V> {
        let (leaf, index) = self.slot.place();
        let end = leaf.ranges.end(index);
        if index + 1 < leaf.len() {
            (leaf.ranges.start(index + 1) == end).then(|| leaf.values.get(index + 1))
        } else {
            self.tree.first_ending_after(end).filter(|entry| entry.range().start == end)
        }
    }
}
