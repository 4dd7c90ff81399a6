//! The page table: four levels of 512 entries each, as the processor walks them.
//!
//! ```text
//! page number   [ 9 bits | 9 bits | 9 bits | 9 bits ]
//!                 top      third    second   leaf: 512 entries, 2 MiB of addresses
//! ```
//!
//! Nodes are shared between clones and copied when one changes them; the leaf changed last is kept out of its place, in
//! hand, and copied with each clone. The tables below the top are counted: they are
//! what `VmPTE` shows.

mod level;

use alloc::sync::Arc;
use core::ops::Range;

use abi::{AddrRange, PAGE_SHIFT};

use self::level::{Leaf, Level, Node};
use super::pte::Pte;

/// The page numbers of a range.
pub(crate) fn pages_of(range: AddrRange) -> Range<u64> {
    range.start.0 >> PAGE_SHIFT..range.end.0 >> PAGE_SHIFT
}

type Top = Level<Level<Level<Leaf>>>;

/// A page table.
#[derive(Clone, Default)]
pub(crate) struct PageTable {
    /// Invariant: the place of the leaf in hand is empty.
    top: Option<Arc<Top>>,
    /// The leaf changed last, out of its place: it is nobody else's, and the next change near by need not make sure of
    /// that all the way down.
    hand: Option<Hand>,
    /// Linux: `pgtables_bytes`, in tables: all but the top.
    tables: u64,
}

/// A leaf and where it belongs.
#[derive(Clone)]
struct Hand {
    first: u64,
    leaf: Leaf,
}

impl Hand {
    #[inline]
    fn holds(&self, page: u64) -> bool {
        self.first == PageTable::first_of_leaf(page)
    }

    /// Cuts a range of pages into what lies before this leaf, in it, and past it.
    fn cut(&self, pages: &Range<u64>) -> [Range<u64>; 3] {
        let start = self.first.clamp(pages.start, pages.end);
        let end = (self.first + PageTable::LEAF_PAGES).clamp(pages.start, pages.end);
        [pages.start..start, start..end, end..pages.end]
    }
}

impl PageTable {
    /// The pages below one leaf.
    pub(crate) const LEAF_PAGES: u64 = 512;

    /// The pages below the whole.
    pub(crate) const PAGES: u64 = 1 << 36;

    /// Returns the first page of the leaf of a page.
    const fn first_of_leaf(page: u64) -> u64 {
        page & !(Self::LEAF_PAGES - 1)
    }

    /// Returns the number of tables below the top.
    pub(crate) fn tables(&self) -> u64 {
        self.tables
    }

    /// Returns the entry of a page.
    #[inline]
    pub(crate) fn get(&self, page: u64) -> Pte {
        match &self.hand {
            Some(hand) if hand.holds(page) => hand.leaf.get(page),
            _ => self.top.as_ref().map_or(Pte::NONE, |top| top.get(page)),
        }
    }

    /// Tells whether the table with the entry of a page is there.
    pub(crate) fn has_leaf(&self, page: u64) -> bool {
        let mut there = false;
        self.walk(page..page + 1, |_, _| there = true);
        there
    }

    /// Returns the entry of a page to change it; tables on the way are made.
    #[inline]
    pub(crate) fn entry(&mut self, page: u64) -> &mut Pte {
        self.take(page).entry(page)
    }

    /// Returns the entries of the leaf of a page to change them; tables on the way are made.
    pub(crate) fn leaf(&mut self, page: u64) -> &mut [Pte; 512] {
        &mut self.take(page).ptes
    }

    /// The pages below one table of leaves.
    const UPPER_PAGES: u64 = Self::LEAF_PAGES * 512;

    /// Makes the tables above the leaves of a range where another page table has them: fork copies so far, whatever there
    /// is below.
    ///
    /// Linux: `mm/memory.c: copy_pud_range`, `copy_pmd_range`.
    pub(crate) fn reach_as(&mut self, other: &Self, pages: Range<u64>) {
        let Some(top) = &other.top else { return };
        let mut page = pages.start;
        while page < pages.end {
            if top.reaches(page) {
                self.reach(page);
            }
            page = (page | (Self::UPPER_PAGES - 1)) + 1;
        }
    }

    /// Tells whether the tables above the leaf of a page are there.
    pub(crate) fn reaches(&self, page: u64) -> bool {
        self.top.as_ref().is_some_and(|top| top.reaches(page))
    }

    /// Makes the tables above the leaf of a page, but not that: what a fault does before it is refused.
    pub(crate) fn reach(&mut self, page: u64) {
        self.top.get_or_insert_default();
        let _place = Top::leaf_place(&mut self.top, page, &mut self.tables);
    }

    /// Takes the leaf of a page into the hand.
    #[inline]
    fn take(&mut self, page: u64) -> &mut Leaf {
        let hand = match self.hand.take() {
            Some(hand) if hand.holds(page) => hand,
            other => {
                self.put_back(other);
                self.fetch(page)
            }
        };
        &mut self.hand.insert(hand).leaf
    }

    /// Takes the leaf of a page out of its place.
    fn fetch(&mut self, page: u64) -> Hand {
        self.top.get_or_insert_default();
        let leaf = match Top::leaf_place(&mut self.top, page, &mut self.tables).take() {
            Some(leaf) => Arc::unwrap_or_clone(leaf),
            None => {
                self.tables += 1;
                Leaf::default()
            }
        };
        Hand { first: Self::first_of_leaf(page), leaf }
    }

    fn put_back(&mut self, hand: Option<Hand>) {
        if let Some(Hand { first, leaf }) = hand {
            *Top::leaf_place(&mut self.top, first, &mut self.tables) = Some(Arc::new(leaf));
        }
    }

    /// Calls `each` with what there is of the entries of a range, in pieces: the first page of each and its entries.
    pub(crate) fn walk_mut(&mut self, pages: Range<u64>, mut each: impl FnMut(u64, &mut [Pte])) {
        let Some(top) = self.top.as_mut().map(Arc::make_mut) else { return };
        let Some(hand) = &mut self.hand else { return top.walk_mut(pages, &mut each) };
        let [before, inside, past] = hand.cut(&pages);
        top.walk_mut(before, &mut each);
        if !inside.is_empty() {
            hand.leaf.walk_mut(inside, &mut each);
        }
        top.walk_mut(past, &mut each);
    }

    /// As [`PageTable::walk_mut`], for reading.
    pub(crate) fn walk(&self, pages: Range<u64>, mut each: impl FnMut(u64, &[Pte])) {
        let Some(top) = &self.top else { return };
        let Some(hand) = &self.hand else { return top.walk(pages, &mut each) };
        let [before, inside, past] = hand.cut(&pages);
        top.walk(before, &mut each);
        if !inside.is_empty() {
            hand.leaf.walk(inside, &mut each);
        }
        top.walk(past, &mut each);
    }

    /// Frees the tables that a range reaches into and of which `used` says that nothing needs their pages.
    ///
    /// # Preconditions
    /// Their entries are none.
    pub(crate) fn prune(&mut self, pages: Range<u64>, mut used: impl FnMut(Range<u64>) -> bool) {
        let hand = self.hand.take();
        self.put_back(hand);
        if let Some(top) = &mut self.top {
            Arc::make_mut(top).prune(0, pages, &mut used, &mut self.tables);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::frames::FrameId;

    #[test]
    fn tables_are_made_counted_shared_and_freed() {
        let mut table = PageTable::default();
        *table.entry(511) = Pte::of(FrameId(1));
        *table.entry(512) = Pte::swapped(FrameId(2));
        assert_eq!(table.tables(), 4);
        let before = table.clone();
        table.walk_mut(0..600, |first, ptes| {
            assert!(first == 0 && ptes.len() == 512 || first == 512 && ptes.len() == 88);
            ptes.fill(Pte::NONE);
        });
        assert!(table.get(511).is_none() && before.get(511).is_present() && before.get(512).is_swapped());
        table.prune(0..600, |span| span.end > 512);
        assert_eq!(table.tables(), 3);
        table.prune(0..600, |_| false);
        assert_eq!((table.tables(), before.tables()), (0, 4));
    }
}
