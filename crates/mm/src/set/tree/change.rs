//! Changes of entries: each goes down to one leaf and changes it in place.
//!
//! Most changes leave what the nodes above keep of the leaf as it is, and are done with that. The others let
//! `balance` walk down once more.

use alloc::sync::Arc;

use abi::VirtAddr;

use super::Tree;
use super::balance::{balance_below, split_below};
use super::find::Slot;
use super::inner::Inner;
use super::leaf::{LEAF, Leaf, PARTS_MOST};
use super::node::Node;
use super::path::Path;
use crate::set::Entry;

impl<V: Entry> Tree<V> {
    /// Inserts an entry.
    ///
    /// # Preconditions
    /// Its range is not empty, ends below the highest address and overlaps no entry.
    pub fn insert(&mut self, entry: V) {
        let range = entry.range();
        debug_assert!(!range.is_empty() && range.end < VirtAddr(u64::MAX), "{range} can be an entry");
        debug_assert!(
            self.first_ending_after(range.start).is_none_or(|next| next.range().start >= range.end),
            "{range} is free"
        );
        let (mut leaf, mut index) = self.leaf_mut(range.start);
        if leaf.len() == LEAF {
            self.split(range.start);
            (leaf, index) = self.leaf_mut(range.start);
        }
        let kept = leaf.summary();
        leaf.insert(index, entry);
        let same = leaf.summary() == kept;
        self.len += 1;
        if !same {
            self.balance(range.start);
        }
    }

    /// Removes and returns the entry that starts at `start`; `None` where no entry does.
    pub fn remove(&mut self, start: VirtAddr) -> Option<V> {
        self.remove_with(start, V::clone)
    }

    /// Removes the entry that starts at `start` and returns what `look` returns of it; `None` where no entry does.
    pub fn remove_with<R>(&mut self, start: VirtAddr, look: impl FnOnce(&V) -> R) -> Option<R> {
        let (leaf, index) = self.leaf_of(start)?;
        let kept = leaf.summary();
        let result = leaf.remove(index, look);
        let same = leaf.is_wide() && leaf.summary() == kept;
        self.len -= 1;
        if !same {
            self.balance(start);
        }
        Some(result)
    }

    /// Changes the entry that starts at `start` and returns what `change` returns; `None` where no entry does.
    ///
    /// # Preconditions
    /// The entry's range may grow, shrink or move only within the free space around it, and stays not empty.
    pub fn update<R>(&mut self, start: VirtAddr, change: impl FnOnce(&mut V) -> R) -> Option<R> {
        let (leaf, index) = self.leaf_of(start)?;
        let kept = leaf.summary();
        let result = leaf.update(index, change);
        if leaf.summary() != kept {
            self.balance(start);
        }
        Some(result)
    }

    /// Divides the entry that starts at `start` in two or three `parts` and tells whether there was one.
    ///
    /// ```text
    /// AAAAAA  ->  AAABBB or AABBCC
    /// ```
    ///
    /// `shape` is given each part's number, from the lowest on, and a copy of the entry, that it cuts down.
    ///
    /// # Preconditions
    /// The parts occupy what the entry did, without gaps.
    pub fn divide(&mut self, start: VirtAddr, parts: usize, shape: impl FnMut(usize, &mut V)) -> bool {
        debug_assert!((2..=1 + PARTS_MOST).contains(&parts), "{parts} parts");
        let Some((mut leaf, mut index)) = self.leaf_of(start) else { return false };
        if leaf.len() + PARTS_MOST > LEAF {
            self.split(start);
            match self.leaf_of(start) {
                Some(place) => (leaf, index) = place,
                None => return false,
            }
        }
        leaf.divide(index, parts, shape);
        self.len += parts - 1;
        true
    }

    /// Lets the entry at `start` grow to `end` and gives `gone` each entry that it takes the place of.
    ///
    /// ```text
    /// AAABBBCC.   ->   AAAAAAAA.     `grow` makes A longer, B and C are gone
    /// ```
    ///
    /// # Preconditions
    /// An entry starts at `start`; no entry reaches over `end`; `grow` lets it end at `end`.
    pub fn absorb(
        &mut self,
        start: VirtAddr,
        end: VirtAddr,
        grow: impl FnOnce(&mut V),
        mut gone: impl FnMut(&V),
    ) {
        let Some((leaf, index)) = self.leaf_of(start) else { return };
        let kept = leaf.summary();
        if kept.last >= end {
            let count = leaf.absorb(index, end, grow, gone);
            let same = leaf.is_wide() && leaf.summary() == kept;
            self.len -= count;
            if !same {
                self.balance(start);
            }
            return;
        }
        let mut at = leaf.ranges.end(index);
        while let Some(next) = self.first_ending_after(at).map(Entry::range)
            && next.start < end
        {
            at = next.end;
            self.remove_with(next.start, &mut gone);
        }
        self.update(start, grow);
    }

    /// Returns the leaf for `addr` and the index there of the first entry that ends after it; nodes on the way that
    /// others share are copied. The trail leads there then.
    fn leaf_mut(&mut self, addr: VirtAddr) -> (&mut Leaf<V>, usize) {
        let Self { root, trail, .. } = self;
        let mut steps = trail.steps();
        let mut path = Path::default();
        let mut node = root;
        loop {
            match node {
                Node::Inner(inner) => {
                    let inner = Arc::make_mut(inner);
                    let index = inner.index_for(addr, steps.next());
                    path.push(index);
                    node = &mut inner.kids[index];
                }
                Node::Leaf(leaf) => {
                    let leaf = Arc::make_mut(leaf);
                    let index = leaf.index_for(addr, steps.next());
                    path.push(index);
                    trail.set(path);
                    return (leaf, index);
                }
            }
        }
    }

    /// Returns the leaf of the entry that starts at `start`, and its index there; nodes on the way that others share
    /// are copied.
    fn leaf_of(&mut self, start: VirtAddr) -> Option<(&mut Leaf<V>, usize)> {
        let index = self.index_of(start)?;
        let mut steps = self.trail.steps();
        let mut node = &mut self.root;
        loop {
            match node {
                Node::Inner(inner) => node = Arc::make_mut(inner).kids.get_mut(steps.next())?,
                Node::Leaf(leaf) => return Some((Arc::make_mut(leaf), index)),
            }
        }
    }

    /// Returns the index of the entry that starts at `start` in its leaf, to which the trail then leads. It mostly does:
    /// the last lookup found the entry or one beside it.
    #[inline]
    fn index_of(&mut self, start: VirtAddr) -> Option<usize> {
        let near = self.follow(self.trail.steps()).and_then(|Slot { leaf, index }| {
            [index, index.wrapping_sub(1), index + 1].into_iter().find(|index| leaf.starts_at(*index, start))
        });
        near.or_else(|| {
            let Slot { leaf, index } = self.slot_ending_after(start)?;
            leaf.starts_at(index, start).then_some(index)
        })
    }

    /// Splits the leaf for `addr`.
    fn split(&mut self, addr: VirtAddr) {
        if let Some(right) = split_below(&mut self.root, addr, self.trail.steps()) {
            let left = core::mem::replace(&mut self.root, Node::Leaf(Arc::new(Leaf::new())));
            self.root = Node::Inner(Arc::new(Inner::over(left, right)));
        }
    }

    /// Takes over in the nodes above what has changed in the leaf for `addr`, and joins it with a neighbour where
    /// it has become narrow.
    fn balance(&mut self, addr: VirtAddr) {
        balance_below(&mut self.root, addr, self.trail.steps());
        // A root's only child takes its place.
        while let Node::Inner(root) = &self.root
            && root.len() == 1
        {
            self.root = root.kids[0].clone();
        }
    }
}
