//! `mremap`: entries of the page table that move; no page is copied.

use alloc::vec::Vec;

use abi::{AddrRange, PAGE_SHIFT, VirtAddr};

use super::Pages;
use super::frames::Frames;
use super::table::{PageTable, pages_of};
use crate::op::Op;

impl<F: Frames> Op<'_, Pages<F>> {
    /// Moves the entries of a range.
    ///
    /// Linux: `mm/mremap.c: move_page_tables`.
    pub(crate) fn move_pages(&mut self, from: AddrRange, to: VirtAddr) {
        let pages = pages_of(from);
        let delta = (to.0 >> PAGE_SHIFT).wrapping_sub(pages.start);
        let table = &mut self.space.pages;
        let mut moving = Vec::new();
        table.tree.walk_mut(pages.clone(), |first, ptes| {
            moving.push((first, Vec::from(&*ptes)));
            ptes.fill(super::pte::Pte::NONE);
        });
        for (first, ptes) in moving {
            for (page, pte) in (first..).zip(ptes) {
                // The table is made even where nothing moves into it.
                *table.tree.entry(page.wrapping_add(delta)) = pte;
            }
        }
        if delta.is_multiple_of(PageTable::LEAF_PAGES) {
            // Whole tables move as such.
            table.tree.prune(pages.clone(), |span| {
                let whole = pages.start <= span.start && span.end <= pages.end;
                span.end - span.start > PageTable::LEAF_PAGES || !whole
            });
        }
        table.tlb.flush();
    }
}
