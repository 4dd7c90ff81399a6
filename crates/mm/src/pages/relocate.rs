//! `mremap`: entries of the page table that move; no page is copied.

use alloc::vec::Vec;
use core::ops::Range;

use abi::{AddrRange, PAGE_SHIFT, VirtAddr};

use super::Pages;
use super::frames::Frames;
use super::pte::Pte;
use super::table::{PageTable, pages_of};
use crate::input::Uffd;
use crate::op::Op;

const LEAF: u64 = PageTable::LEAF_PAGES;

impl<F: Frames> Op<'_, Pages<F>> {
    /// Moves the entries of a range, table by table: what the first move makes, a later one may find.
    ///
    /// Linux: `mm/mremap.c: move_page_tables`.
    pub(crate) fn move_pages(&mut self, from: AddrRange, to: VirtAddr) {
        let pages = pages_of(from);
        let delta = (to.0 >> PAGE_SHIFT).wrapping_sub(pages.start);
        let mut at = pages.start;
        let forgets = self.forgets_protection(from.start);
        if delta.is_multiple_of(LEAF) {
            self.split_huge_edges(from);
            if self.may_begin_at_table(from, to) {
                at &= !(LEAF - 1);
            }
        } else {
            self.split_huge_in(from);
        }
        while at < pages.end {
            let target = at.wrapping_add(delta);
            let next = ((at | (LEAF - 1)) + 1).min(pages.end).min(at + LEAF - target % LEAF);
            self.move_part(at..next, target, forgets);
            at = next;
        }
        self.space.pages.tlb.flush();
    }

    /// Tells whether what moves loses its write protection by userfaultfd: the registration stays behind.
    ///
    /// Linux: `mm/mremap.c: move_ptes`.
    fn forgets_protection(&self, at: VirtAddr) -> bool {
        let uffd = self.space.vmas.find(at).and_then(|vma| vma.extra.as_ref()?.uffd);
        uffd.is_some_and(|uffd| !uffd.has(Uffd::EVENT_REMAP))
    }

    /// Moves what lies in one table before and after. A whole table is moved as such, unless its entries change.
    fn move_part(&mut self, pages: Range<u64>, to: u64, forgets: bool) {
        let is_huge = self.space.pages.tree.get(pages.start).is_huge();
        let whole = pages.end - pages.start == LEAF && (is_huge || !forgets);
        let tree = &mut self.space.pages.tree;
        let mut moving = Vec::new();
        let mut found = false;
        tree.walk_mut(pages.clone(), |_, ptes| {
            found = true;
            moving.extend_from_slice(ptes);
            ptes.fill(Pte::NONE);
        });
        if !found {
            return;
        }
        if forgets {
            moving.iter_mut().for_each(|pte| *pte = pte.without_uffd_wp());
        }
        // The table is made even where nothing moves into it.
        let first = (to % LEAF) as usize;
        tree.leaf(to)[first..first + moving.len()].copy_from_slice(&moving);
        if whole {
            tree.prune(pages, |span| span.end - span.start > LEAF);
        }
    }

    /// Tells whether the first table may be moved as a whole, as nothing else lies in it, before or after.
    ///
    /// Linux: `mm/mremap.c: can_realign_addr`.
    fn may_begin_at_table(&self, from: AddrRange, to: VirtAddr) -> bool {
        let bytes = LEAF << PAGE_SHIFT;
        let inside = from.start.0 % bytes;
        let alone = |start: VirtAddr| {
            let below = AddrRange { start: VirtAddr(start.0 - inside), end: start };
            let begins = self.space.vmas.find(start).is_some_and(|vma| vma.range.start == start);
            begins && self.space.vmas.range(below).next().is_none()
        };
        inside != 0 && from.len() >= bytes - inside && alone(from.start) && alone(to)
    }
}
