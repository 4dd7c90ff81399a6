//! An entry at its place, from which those that touch it are near.

use abi::VirtAddr;

use super::Tree;
use super::find::Slot;
use crate::set::Entry;

/// An entry of a set, at its place.
pub struct Spot<'a, V>(Slot<'a, V>);

impl<'a, V: Entry> Spot<'a, V> {
    /// Returns the entry.
    #[inline]
    pub fn entry(&self) -> &'a V {
        self.0.entry()
    }
}

impl<V: Entry> Tree<V> {
    /// Finds the entry that contains `addr`; quickly where the last lookup found it or one beside it.
    #[inline]
    pub fn spot(&self, addr: VirtAddr) -> Option<Spot<'_, V>> {
        if let Some(slot) = self.slot_beside(addr) {
            return Some(Spot(slot));
        }
        self.slot_ending_after(addr).filter(|Slot { leaf, index }| leaf.holds(*index, addr)).map(Spot)
    }

    /// Returns the entry that ends where the one at `spot` starts.
    ///
    /// ```text
    /// AAA***BBB     A is below the spot, B above     AA.***BB     only B is
    /// ```
    #[inline]
    pub fn below<'a>(&'a self, spot: &Spot<'a, V>) -> Option<&'a V> {
        let Slot { leaf, index } = spot.0;
        let start = leaf.ranges.start(index);
        match index.checked_sub(1) {
            Some(below) => (leaf.ranges.end(below) == start).then(|| leaf.values.get(below)),
            None => self.last_starting_before(start).filter(|entry| entry.range().end == start),
        }
    }

    /// Returns the entry that starts where the one at `spot` ends.
    #[inline]
    pub fn above<'a>(&'a self, spot: &Spot<'a, V>) -> Option<&'a V> {
        let Slot { leaf, index } = spot.0;
        let end = leaf.ranges.end(index);
        if index + 1 < leaf.len() {
            (leaf.ranges.start(index + 1) == end).then(|| leaf.values.get(index + 1))
        } else {
            self.first_ending_after(end).filter(|entry| entry.range().start == end)
        }
    }
}
