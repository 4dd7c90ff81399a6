//! Walks over entries in the order of their addresses, forwards.

use abi::{AddrRange, VirtAddr};

use super::Tree;
use super::find::Slot;
use crate::set::Entry;

/// The entries of a set that start below an address, from some entry on.
///
/// It holds its place in one leaf and descends anew for the next one: cheap, as a leaf is wide.
pub struct Iter<'a, V> {
    tree: &'a Tree<V>,
    slot: Option<Slot<'a, V>>,
    end: VirtAddr,
}

impl<V: Entry> Tree<V> {
    /// Returns all entries in the order of their addresses.
    pub fn iter(&self) -> Iter<'_, V> {
        self.range(AddrRange { start: VirtAddr(0), end: VirtAddr(u64::MAX) })
    }

    /// Returns the entries that share an address with `range`, in the order of their addresses.
    pub fn range(&self, range: AddrRange) -> Iter<'_, V> {
        let slot = if range.is_empty() {
            None
        } else {
            self.slot_beside(range.start).or_else(|| self.slot_ending_after(range.start))
        };
        Iter { tree: self, slot, end: range.end }
    }
}

impl<'a, V: Entry> Iterator for Iter<'a, V> {
    type Item = &'a V;

    fn next(&mut self) -> Option<&'a V> {
        let slot = self.slot.as_mut()?;
        let range = slot.leaf.ranges.get(slot.index);
        if range.start >= self.end {
            self.slot = None;
            return None;
        }
        let entry = slot.entry();
        if range.end >= self.end {
            self.slot = None;
        } else if slot.index + 1 < slot.leaf.len() {
            slot.index += 1;
        } else {
            self.slot = self.tree.slot_ending_after(range.end);
        }
        Some(entry)
    }
}

impl<'a, V: Entry> IntoIterator for &'a Tree<V> {
    type Item = &'a V;
    type IntoIter = Iter<'a, V>;

    fn into_iter(self) -> Iter<'a, V> {
        self.iter()
    }
}
