//! Changes of entries: each goes down to one leaf and changes it in place.
//!
//! Most changes leave what the nodes above keep of the leaf as it is, and are done with that. The others let
//! `balance` walk down once more.

use alloc::sync::Arc;

use abi::{AddrRange, VirtAddr};

use super::Tree;
use super::balance::{balance_below, split_below};
use super::inner::Inner;
use super::leaf::{LEAF, Leaf, PARTS_MOST};
use super::node::{Node, own};
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
        let (result, same) = self.at(start, |leaf, index| {
            let kept = leaf.summary();
            let result = leaf.remove(index, look);
            (result, leaf.is_wide() && leaf.summary() == kept)
        })?;
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
        let (result, same) = self.at(start, |leaf, index| {
            let kept = leaf.summary();
            let result = leaf.update(index, change);
            (result, leaf.summary() == kept)
        })?;
        if !same {
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
    /// `upper` makes each part but the lowest, by its number, from the entry, and `cut` leaves the lowest of it.
    ///
    /// # Preconditions
    /// The parts occupy what the entry did, without gaps.
    pub fn divide(
        &mut self,
        start: VirtAddr,
        parts: usize,
        mut upper: impl FnMut(usize, &V) -> V,
        cut: impl Fn(&mut V),
    ) -> bool {
        debug_assert!((2..=1 + PARTS_MOST).contains(&parts), "{parts} parts");
        let divided = loop {
            let divided = self.at(start, |leaf, index| {
                let has_room = leaf.len() + PARTS_MOST <= LEAF;
                if has_room {
                    leaf.divide(index, parts, &mut upper, &cut);
                }
                has_room
            });
            if divided != Some(false) {
                break divided.is_some();
            }
            self.split(start);
        };
        self.len += if divided { parts - 1 } else { 0 };
        divided
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
        grow: impl Fn(&mut V),
        mut gone: impl FnMut(&V),
    ) {
        let absorbed = self.at(start, |leaf, index| {
            let kept = leaf.summary();
            if kept.last < end {
                return Err(leaf.ranges.end(index));
            }
            let count = leaf.absorb(index, end, &grow, &mut gone);
            // The first address and the last end stay as they are.
            Ok((count, leaf.is_wide() && leaf.gap() == kept.gap))
        });
        match absorbed {
            None => {}
            Some(Ok((count, same))) => {
                self.len -= count;
                if !same {
                    self.balance(start);
                }
            }
            Some(Err(at)) => self.absorb_over_leaves(start, AddrRange { start: at, end }, grow, gone),
        }
    }

    /// As [`Tree::absorb`] where what goes lies in other leaves, too: `range` is all of it.
    fn absorb_over_leaves(
        &mut self,
        start: VirtAddr,
        mut range: AddrRange,
        grow: impl Fn(&mut V),
        mut gone: impl FnMut(&V),
    ) {
        while let Some(next) = self.first_ending_after(range.start).map(Entry::range)
            && next.start < range.end
        {
            range.start = next.end;
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
                    let inner = own(inner);
                    let index = inner.index_for(addr, steps.next());
                    path.push(index);
                    node = &mut inner.kids[index];
                }
                Node::Leaf(leaf) => {
                    let leaf = own(leaf);
                    let index = leaf.index_for(addr, steps.next());
                    path.push(index);
                    trail.set(path);
                    return (leaf, index);
                }
            }
        }
    }

    /// Lets `change` change the leaf of the entry that starts at `start`, whose index there it is given; nodes on the way
    /// that others share are copied. `None` where no entry starts there. The trail leads to the leaf then.
    ///
    /// It mostly does before: the last lookup found the entry or one beside it.
    #[inline]
    fn at<R>(&mut self, start: VirtAddr, change: impl FnOnce(&mut Leaf<V>, usize) -> R) -> Option<R> {
        let mut place = self.leaf_beside(start);
        if place.is_none() {
            let (leaf, index) = self.leaf_mut(start);
            place = leaf.starts_at(index, start).then_some((leaf, index));
        }
        place.map(|(leaf, index)| change(leaf, index))
    }

    /// As [`Tree::leaf_mut`] for the entry that starts at `start`, if the last lookup found it or one beside it.
    #[inline]
    fn leaf_beside(&mut self, start: VirtAddr) -> Option<(&mut Leaf<V>, usize)> {
        let mut steps = self.trail.steps();
        let mut node = &mut self.root;
        loop {
            match node {
                Node::Inner(inner) => node = own(inner).kids.get_mut(steps.next())?,
                Node::Leaf(leaf) => {
                    let leaf = own(leaf);
                    let index = leaf.index_of(start, steps.next())?;
                    return Some((leaf, index));
                }
            }
        }
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
