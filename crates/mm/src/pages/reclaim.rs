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
//! | mapped more than once, the zero page | stays |

use abi::AddrRange;

use super::cache::{self, What};
use super::frames::{FrameId, Frames, Holds};
use super::pte::Pte;
use super::table::pages_of;
use super::{Pages, Table, zap};
use crate::file::MapFile;
use crate::flags::VmFlags;
use crate::op::Op;
use crate::vma::Vma;

impl<F: Frames> Op<'_, Pages<F>> {
    /// Marks pages as not accessed.
    ///
    /// Linux: `mm/madvise.c: madvise_cold_or_pageout_pte_range`.
    pub(crate) fn cool(&mut self, range: AddrRange) {
        let Table { tree, tlb, .. } = &mut self.space.pages;
        let pool = &mut self.sys.pool;
        tree.walk_mut(pages_of(range), |_, ptes| {
            for pte in ptes.iter_mut().filter(|pte| pte.is_present() && !pte.is_zero_page()) {
                let meta = pool.meta_mut(pte.frame());
                if meta.maps == 1 {
                    meta.marked = false;
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
        let Table { tree, rss, tlb, .. } = &mut self.space.pages;
        let pool = &mut self.sys.pool;
        let mut clean = alloc::vec::Vec::new();
        tree.walk_mut(pages_of(range), |first, ptes| {
            for (page, pte) in (first..).zip(ptes) {
                if !pte.is_present() || pte.is_zero_page() || pool.meta(pte.frame()).maps != 1 {
                    continue;
                }
                pool.meta_mut(pte.frame()).marked = false;
                let meta = *pool.meta(pte.frame());
                let dirty = meta.dirty || pte.is_dirty();
                match meta.holds {
                    Holds::Anon if meta.lazy_free && (droppable || !dirty) => zap::clear(pte, rss, pool),
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
                        zap::clear(pte, rss, pool);
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

impl<F: Frames> super::frames::Pool<F> {
    /// The one entry that holds a frame holds it as swapped out from now on.
    fn swap_out(&mut self, frame: FrameId) {
        let meta = self.meta_mut(frame);
        meta.maps -= 1;
        meta.swaps += 1;
        self.swapped += 1;
    }
}
