//! Advice about memory that may go: `MADV_COLD`, `MADV_PAGEOUT`, `MADV_WILLNEED`.
//!
//! What the kernel reclaims on its own is chance; what it does when told to is a rule:
//!
//! | page, mapped once | `MADV_PAGEOUT` |
//! |---|---|
//! | anonymous, may be dropped and not written since, or of `MAP_DROPPABLE` | dropped |
//! | anonymous, freed lazily and written since | stays; may not be dropped any more |
//! | anonymous | swapped out, where there is room |
//! | of a file or of shared memory, clean | leaves the page cache |
//! | of a file or of shared memory, dirty | unmapped, stays in the cache |
//! | mapped more than once, locked, the zero page | stays |

use abi::AddrRange;

use super::cache::{self, What};
use super::folio::FolioId;
use super::frames::{FrameId, Frames, Holds, Pool};
use super::pte::Pte;
use super::table::pages_of;
use super::zap::{self, Marks};
use super::{Pages, Table};
use crate::file::MapFile;
use crate::flags::VmFlags;
use crate::op::Op;
use crate::vma::Vma;

impl<F: Frames> Op<'_, Pages<F>> {
    /// Marks pages as not accessed.
    ///
    /// Linux: `mm/madvise.c: madvise_cold_or_pageout_pte_range`.
    pub(crate) fn cool(&mut self, range: AddrRange) {
        let whole = self.part_folios(range);
        let Table { tree, tlb, .. } = &mut self.space.pages;
        let pool = &mut self.sys.pool;
        tree.walk_mut(pages_of(range), |_, ptes| {
            for pte in ptes.iter_mut().filter(|pte| pte.is_present() && !pte.is_zero_page()) {
                if is_told(pool, *pte, &whole) {
                    pool.set_marked(pte.frame(), false);
                    *pte = pte.old();
                }
            }
        });
        tlb.forget_range(range);
    }

    /// Takes pages out of memory.
    ///
    /// Linux: `mm/vmscan.c: shrink_folio_list`.
    pub(crate) fn page_out(&mut self, vma: &Vma, range: AddrRange) {
        let room = self.sys.profile.swap_pages;
        let droppable = vma.flags.contains(VmFlags::DROPPABLE);
        let whole = self.part_folios(range);
        for id in &whole {
            self.page_out_folio(*id, droppable);
        }
        let Table { tree, rss, tlb, mm, .. } = &mut self.space.pages;
        let pool = &mut self.sys.pool;
        let mut clean = alloc::vec::Vec::new();
        tree.walk_mut(pages_of(range), |first, ptes| {
            for (page, pte) in (first..).zip(ptes) {
                if !pte.is_present() || pte.is_zero_page() || pool.meta(pte.frame()).maps != 1 {
                    continue;
                }
                if pool.meta(pte.frame()).folio.is_large() {
                    continue;
                }
                pool.meta_mut(pte.frame()).marked = false;
                let meta = *pool.meta(pte.frame());
                // Locked by a mapping that no longer says so: `mremap` leaves it behind with `MREMAP_DONTUNMAP`.
                if meta.locks > 0 {
                    continue;
                }
                let dirty = meta.dirty || pte.is_dirty();
                match meta.holds {
                    Holds::Anon if meta.lazy_free && (droppable || !dirty) => zap::clear(pte, rss, *mm, pool),
                    // Written again: the next time it is like any other.
                    Holds::Anon if meta.lazy_free => pool.meta_mut(pte.frame()).lazy_free = false,
                    Holds::Anon if pool.swapped < room => {
                        let frame = pte.frame();
                        pool.swap_out(frame);
                        rss.anon -= 1;
                        rss.swap += 1;
                        *pte = Pte::swapped(frame);
                    }
                    Holds::File | Holds::Shmem => {
                        if !dirty {
                            clean.push(page);
                        }
                        zap::drop_page(pte, rss, *mm, pool, Marks::of(vma));
                    }
                    Holds::Anon | Holds::Nothing | Holds::Device => {}
                }
            }
        });
        tlb.forget_range(range);
        let Some(file) = vma.backing.file() else { return };
        for page in clean {
            let offset = vma.pgoff_at(abi::VirtAddr(page << abi::PAGE_SHIFT)).0;
            self.sys.pool.drop_pages(file.object, offset..offset + 1, What::Dropped);
        }
    }

    /// Takes a large folio out of memory, which lies as a whole where that is asked for: what may be dropped goes, the
    /// rest is split for swap, also where there is none.
    ///
    /// Linux: `mm/vmscan.c: shrink_folio_list`.
    fn page_out_folio(&mut self, id: FolioId, droppable: bool) {
        let pages = self.pages_of_folio(id);
        let Some(first) = pages.first().copied() else { return };
        let pte = self.space.pages.tree.get(first);
        let pool = &mut self.sys.pool;
        if !is_told(pool, pte, &[id]) {
            return;
        }
        let folio = pool.folio_mut(id);
        folio.marked = false;
        if folio.locks > 0 {
            return;
        }
        if !folio.lazy_free {
            return self.part_folio(id);
        }
        if pte.is_huge() {
            self.split_huge(first);
        }
        let Table { tree, rss, tlb, mm, .. } = &mut self.space.pages;
        let pool = &mut self.sys.pool;
        let dirty = pool.folio(id).dirty || pages.iter().any(|page| tree.get(*page).is_dirty());
        if dirty && !droppable {
            // Written again: the next time it is like any other.
            pool.folio_mut(id).lazy_free = false;
            return;
        }
        pages.into_iter().for_each(|page| zap::clear(tree.entry(page), rss, *mm, pool));
        tlb.flush();
    }

    /// Reads pages of a file ahead.
    ///
    /// Linux: `mm/madvise.c: madvise_willneed`.
    pub(crate) fn read_ahead(&mut self, file: &MapFile, pages: core::ops::Range<u64>) {
        let holds = cache::holds(file.kind);
        if holds != Holds::File {
            return;
        }
        let end = self.sys.file_size(file).div_ceil(abi::PAGE_SIZE);
        for page in pages.start..pages.end.min(end) {
            // What cannot be read is told at the fault.
            let _unread = self.sys.pool.page_of(file.object, page, holds);
        }
    }
}

/// Tells whether what one process says of a page is heard: no other holds it, and of a large folio it says so of all.
fn is_told<F: Frames>(pool: &Pool<F>, pte: Pte, whole: &[FolioId]) -> bool {
    let meta = pool.meta(pte.frame());
    if !meta.folio.is_large() {
        return meta.maps == 1;
    }
    let folio = pool.folio(meta.folio);
    whole.contains(&meta.folio) && (pte.is_huge() || folio.maps == folio.pages())
}

impl<F: Frames> super::frames::Pool<F> {
    /// The one entry that holds a frame holds it as swapped out from now on.
    fn swap_out(&mut self, frame: FrameId) {
        let meta = self.meta_mut(frame);
        meta.maps -= 1;
        meta.swaps += 1;
        self.swapped += 1;
    }
}
