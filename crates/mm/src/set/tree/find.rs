//! Lookup by address, one descent each.

use abi::{AddrRange, VirtAddr};

use super::Tree;
use super::leaf::Leaf;
use super::node::Node;
use super::path::{Path, Steps};
use crate::set::Entry;

/// The place of an entry: its leaf and its index there.
pub(super) struct Slot<'a, V> {
    /// The leaf.
    pub(super) leaf: &'a Leaf<V>,
    /// The index of the entry in the leaf.
    pub(super) index: usize,
}

impl<V> Clone for Slot<'_, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for Slot<'_, V> {}

impl<V: Entry> Tree<V> {
    /// Returns the entry that contains `addr`.
    pub fn find(&self, addr: VirtAddr) -> Option<&V> {
        let slot = self.slot_ending_after(addr)?;
        (slot.leaf.ranges.start(slot.index) <= addr).then(|| slot.entry())
    }

    /// Returns the first entry that ends after `addr`: the one that contains it, else the next one up.
    ///
    /// Linux: `mm/mmap.c: find_vma`.
    pub fn first_ending_after(&self, addr: VirtAddr) -> Option<&V> {
        self.slot_ending_after(addr).map(|slot| slot.entry())
    }

    /// As [`Tree::first_ending_after`]; quicker where the last lookup found the same entry or one beside it.
    #[inline]
    pub fn near(&self, addr: VirtAddr) -> Option<&V> {
        match self.slot_beside(addr) {
            Some(slot) => Some(slot.entry()),
            None => self.first_ending_after(addr),
        }
    }

    /// Tells whether no entry shares an address with `range`. It reads no entry.
    pub fn is_free(&self, range: AddrRange) -> bool {
        let slot = self.slot_ending_after(range.start);
        range.is_empty() || slot.is_none_or(|Slot { leaf, index }| leaf.ranges.start(index) >= range.end)
    }

    /// Returns the last entry that starts before `addr`.
    pub fn last_starting_before(&self, addr: VirtAddr) -> Option<&V> {
        self.slot_starting_before(addr).map(|slot| slot.entry())
    }

    /// Returns the entry that ends where a range starts and the one that starts where it ends.
    ///
    /// ```text
    /// AAA***BBB     A and B     AA.***BB     only B
    /// ```
    ///
    /// # Preconditions
    /// The range is free, or within one entry.
    pub fn touching(&self, range: AddrRange) -> [Option<&V>; 2] {
        let below =
            || self.last_starting_before(range.start).filter(|entry| entry.range().end == range.start);
        let Some(Slot { leaf, index }) = self.slot_near(range.start) else { return [below(), None] };
        let below = match index.checked_sub(1) {
            Some(below) => (leaf.ranges.end(below) == range.start).then(|| leaf.values.get(below)),
            None => below(),
        };
        let above = index + usize::from(leaf.ranges.end(index) <= range.end);
        let above = if above < leaf.len() {
            (leaf.ranges.start(above) == range.end).then(|| leaf.values.get(above))
        } else {
            self.first_ending_after(range.end).filter(|entry| entry.range().start == range.end)
        };
        [below, above]
    }

    /// Finds the place of the first entry that ends after `addr`.
    pub(super) fn slot_ending_after(&self, addr: VirtAddr) -> Option<Slot<'_, V>> {
        let mut path = Path::default();
        let mut node = &self.root;
        loop {
            match node {
                Node::Inner(inner) => {
                    let index = inner.ranges.count_ending_at_most(addr);
                    node = inner.kids.get(index)?;
                    path.push(index);
                }
                Node::Leaf(leaf) => {
                    let index = leaf.ranges.count_ending_at_most(addr);
                    path.push(index);
                    self.trail.set(path);
                    return (index < leaf.len()).then_some(Slot { leaf, index });
                }
            }
        }
    }

    /// Finds the place of the first entry that ends after `addr`, along the way that the last lookup went.
    fn slot_near(&self, addr: VirtAddr) -> Option<Slot<'_, V>> {
        let mut steps = self.trail.steps();
        let mut node = &self.root;
        loop {
            match node {
                Node::Inner(inner) => node = &inner.kids[inner.index_for(addr, steps.next())],
                Node::Leaf(leaf) => {
                    let index = leaf.index_for(addr, steps.next());
                    return (index < leaf.len()).then_some(Slot { leaf, index });
                }
            }
        }
    }

    /// Finds the place of the entry that contains `addr`, if it is the one that the last lookup found or one beside it.
    #[inline]
    pub(super) fn slot_beside(&self, addr: VirtAddr) -> Option<Slot<'_, V>> {
        let Slot { leaf, index } = self.follow(self.trail.steps())?;
        let near = [index, index + 1, index.wrapping_sub(1)];
        let index = near.into_iter().find(|index| leaf.holds(*index, addr))?;
        Some(Slot { leaf, index })
    }

    /// Returns the place that a way leads to, whatever is there.
    #[inline]
    pub(super) fn follow(&self, mut steps: Steps) -> Option<Slot<'_, V>> {
        let mut node = &self.root;
        loop {
            match node {
                Node::Inner(inner) => node = inner.kids.get(steps.next())?,
                Node::Leaf(leaf) => {
                    let index = steps.next();
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
                    node = inner.kids.get(inner.ranges.count_starting_below(addr).checked_sub(1)?)?
                }
                Node::Leaf(leaf) => {
                    let index = leaf.ranges.count_starting_below(addr).checked_sub(1)?;
                    return Some(Slot { leaf, index });
                }
            }
        }
    }
}

impl<'a, V: Entry> Slot<'a, V> {
    /// Returns the entry.
    pub(super) fn entry(&self) -> &'a V {
        self.leaf.values.get(self.index)
    }
}
