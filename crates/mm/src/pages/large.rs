//! Large folios below a huge page: a write to anonymous memory maps several pages at once, an entry for each.

use alloc::boxed::Box;

use abi::{AddrRange, PAGE_SHIFT, VirtAddr};

use super::frames::{Fill, FrameId, Frames, Holds};
use super::pte::Pte;
use super::table::pages_of;
use super::{Pages, Table};
use crate::flags::VmFlags;
use crate::op::Op;
use crate::thp;

/// Orders above it are huge pages or more.
const ORDER_MAX: u32 = 8;

impl<F: Frames> Op<'_, Pages<F>> {
    /// Tries to map a large folio around a page that is to be written: the largest that fits into the mapping, whose pages are
    /// all missing, and that free memory has. Returns whether one is there now.
    ///
    /// Linux: `mm/memory.c: alloc_anon_folio`.
    pub(super) fn fault_large(&mut self, start: VirtAddr, page: u64, flags: VmFlags) -> bool {
        let sizes = self.sys.profile.large_folios;
        let orders = thp::allowed_orders(sizes, self.space.settings, flags);
        if orders == 0 || flags.intersects(VmFlags::UFFD) {
            return false;
        }
        let Some(mapped) = self.space.vmas.find(start).map(|vma| pages_of(vma.range)) else { return false };
        for order in (2..=ORDER_MAX).rev().filter(|order| orders >> order & 1 == 1) {
            let first = page & !((1 << order) - 1);
            let pages = first..first + (1 << order);
            let at = |page: u64| VirtAddr(page << PAGE_SHIFT);
            let range = AddrRange { start: at(pages.start), end: at(pages.end) };
            let tree = &self.space.pages.tree;
            let is_free = mapped.start <= pages.start
                && pages.end <= mapped.end
                && pages.clone().all(|page| tree.get(page).is_none())
                && !self.space.guards.touch(range);
            if is_free && self.sys.pool.has_huge_page() {
                self.map_large(range, flags);
                return true;
            }
        }
        false
    }

    /// Maps a large folio of zeroes, this process's alone.
    ///
    /// Linux: `mm/memory.c: do_anonymous_page`.
    fn map_large(&mut self, range: AddrRange, flags: VmFlags) {
        let Table { tree, rss, tlb, mm, .. } = &mut self.space.pages;
        let pool = &mut self.sys.pool;
        let pages = pages_of(range);
        let frames: Box<[FrameId]> = pages.clone().map(|_| pool.take(Holds::Anon, Fill::Zeroes)).collect();
        for (page, frame) in pages.zip(&frames) {
            let meta = pool.meta_mut(*frame);
            meta.maps = 1;
            meta.exclusive = true;
            let pte = Pte::of(*frame).dirty();
            *tree.entry(page) = if flags.contains(VmFlags::WRITE) { pte.writable() } else { pte };
        }
        let id = pool.join(frames);
        let mm = pool.number(mm);
        pool.folio_mapped(id, mm, range.pages() as u32);
        let folio = pool.folio_mut(id);
        folio.locks = u32::from(flags.contains(VmFlags::LOCKED));
        folio.lazy_free = flags.contains(VmFlags::DROPPABLE);
        rss.anon += range.pages();
        tlb.forget_range(range);
    }
}
