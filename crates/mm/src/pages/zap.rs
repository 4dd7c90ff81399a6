//! Pages that go: unmapped, dropped by advice, or with their process.

use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::{AddrRange, PAGE_SHIFT, VirtAddr};

use super::folio::MmId;
use super::frames::{Frames, Holds, Pool};
use super::huge::{self, Sums};
use super::lock::{Keeps, keep_range};
use super::pte::Pte;
use super::table::{PageTable, pages_of};
use super::{Pages, Rss, Table};
use crate::file::{MapFile, ObjectId};
use crate::flags::VmFlags;
use crate::mutation::Mutation;
use crate::op::Op;
use crate::set::VmaSet;
use crate::vma::Vma;

impl Rss {
    /// Returns the counter of what a frame holds.
    pub(super) fn of(&mut self, holds: Holds) -> Option<&mut u64> {
        match holds {
            Holds::Anon => Some(&mut self.anon),
            Holds::File => Some(&mut self.file),
            Holds::Shmem => Some(&mut self.shmem),
            Holds::Nothing | Holds::Device => None,
        }
    }

    pub(super) fn add(&mut self, holds: Holds) {
        if let Some(counter) = self.of(holds) {
            *counter += 1;
        }
    }

    pub(super) fn remove(&mut self, holds: Holds) {
        if let Some(counter) = self.of(holds) {
            *counter -= 1;
        }
    }
}

/// Takes an entry out of a page table: what it held is counted less. What was written goes with it to the file.
///
/// Linux: `mm/memory.c: zap_present_folio_ptes`, `zap_nonpresent_ptes`.
pub(super) fn clear<F: Frames>(pte: &mut Pte, rss: &mut Rss, mm: MmId, pool: &mut Pool<F>) {
    let old = core::mem::take(pte);
    if old.is_swapped() {
        rss.swap -= 1;
        pool.unswap(old.frame());
    } else if old.is_present() && !old.is_zero_page() {
        let meta = pool.meta_mut(old.frame());
        meta.dirty |= old.is_dirty() && meta.holds != Holds::Anon;
        rss.remove(meta.holds);
        pool.unmap(old.frame(), mm);
    }
}

/// Which write protection by userfaultfd stays as a mark when pages go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Marks {
    /// That of pages too: what comes from the file again is protected.
    All,
    /// That of marks, which are left from another registration.
    Old,
    /// None.
    Go,
}

impl Marks {
    /// Linux: `mm/memory.c: zap_nonpresent_ptes`, `zap_install_uffd_wp_if_needed`.
    pub(super) fn of(vma: &Vma) -> Self {
        if vma.is_anonymous() { Self::Go } else { Self::of_file(vma.flags) }
    }

    /// Which stays in a mapping that has something behind it.
    pub(super) fn of_file(flags: VmFlags) -> Self {
        if flags.contains(VmFlags::UFFD_WP) { Self::All } else { Self::Old }
    }
}

/// As [`clear`], but a page's protection by userfaultfd may stay.
///
/// Linux: `include/linux/mm_inline.h: pte_install_uffd_wp_if_needed`.
pub(super) fn drop_page<F: Frames>(pte: &mut Pte, rss: &mut Rss, mm: MmId, pool: &mut Pool<F>, marks: Marks) {
    let stays = match marks {
        Marks::All => pte.is_uffd_wp(),
        Marks::Old => *pte == Pte::UFFD_WP_MARK,
        Marks::Go => false,
    };
    clear(pte, rss, mm, pool);
    if stays {
        *pte = Pte::UFFD_WP_MARK;
    }
}

/// Ends the memory of a process.
pub(super) fn end<F: Frames>(table: Table, vmas: VmaSet<Vma>, pool: &mut Pool<F>) {
    for vma in vmas.iter().filter(|vma| vma.flags.contains(VmFlags::LOCKED)) {
        keep_range(&table, pool, vma.range, Keeps::No);
    }
    let Table { mut tree, mut rss, faults: _, upgraded: _, tlb: _, key_rights: _, seen: _, mut huge, mm } =
        table;
    tree.walk_mut(0..PageTable::PAGES, |_, ptes| {
        if ptes[0].is_huge() {
            huge::clear(ptes, Sums { rss: &mut rss, huge: &mut huge, mm }, pool);
        } else {
            ptes.iter_mut().for_each(|pte| clear(pte, &mut rss, mm, pool));
        }
    });
    let nameless = |file: &&Arc<MapFile>| matches!(file.object, ObjectId::Nameless(_));
    let mut files: Vec<_> =
        vmas.iter().filter_map(|vma| vma.backing.file()).filter(nameless).map(Arc::clone).collect();
    drop(vmas);
    while let Some(file) = files.pop() {
        if Arc::strong_count(&file) == 1 {
            pool.forget(file.object);
        }
    }
}

impl<F: Frames> Op<'_, Pages<F>> {
    /// Drops the pages of a range. The tables are the caller's to free, that behind a huge page with them.
    ///
    /// Linux: `mm/memory.c: zap_pmd_range`, `zap_pte_range`.
    pub(crate) fn zap(&mut self, range: AddrRange, marks: Marks) {
        let lost = self.sys.profile.mutated(Mutation::ProtectionDropped);
        let marks = if lost { Marks::Go } else { marks };
        self.split_huge_edges(range);
        let Table { tree, rss, tlb, huge, mm, .. } = &mut self.space.pages;
        let pool = &mut self.sys.pool;
        tree.walk_mut(pages_of(range), |_, ptes| {
            if ptes[0].is_huge() {
                huge::clear(ptes, Sums { rss, huge, mm: *mm }, pool);
            } else {
                let there = ptes.iter_mut().filter(|pte| !pte.is_none());
                there.for_each(|pte| drop_page(pte, rss, *mm, pool, marks));
            }
        });
        tlb.forget_range(range);
    }

    /// Frees the page tables that a range reaches into and no mapping needs.
    ///
    /// Linux: `mm/memory.c: free_pgtables`.
    pub(crate) fn free_tables(&mut self, range: AddrRange) {
        let vmas = &self.space.vmas;
        self.space.pages.tree.prune(pages_of(range), |span| {
            let start = VirtAddr(span.start << PAGE_SHIFT);
            let end = VirtAddr(span.end << PAGE_SHIFT);
            vmas.range(AddrRange { start, end }).next().is_some()
        });
    }

    /// Frees the tables of 2 MiB that lie in a range as a whole and hold nothing.
    ///
    /// Linux: `mm/pt_reclaim.c: try_to_free_pte` (since 6.14).
    pub(crate) fn reclaim_tables(&mut self, range: AddrRange, marks: Marks) {
        let pages = pages_of(range);
        let guards = &self.space.guards;
        let mut marked = Vec::new();
        self.space.pages.tree.walk(pages.clone(), |first, ptes| {
            if marks != Marks::Go && ptes.iter().any(|pte| !pte.is_none()) {
                marked.push(first);
            }
        });
        self.space.pages.tree.prune(pages.clone(), |span| {
            if marked.iter().any(|first| span.contains(first)) {
                return true;
            }
            let whole = pages.start <= span.start && span.end <= pages.end;
            let start = VirtAddr(span.start << PAGE_SHIFT);
            let end = VirtAddr(span.end << PAGE_SHIFT);
            span.end - span.start > PageTable::LEAF_PAGES || !whole || guards.touch(AddrRange { start, end })
        });
    }
}

impl<F: Frames> Op<'_, Pages<F>> {
    /// Drops the pages of a range for guard markers, which need page tables.
    ///
    /// Linux: `mm/madvise.c: madvise_guard_install`.
    pub(crate) fn guard_pages(&mut self, range: AddrRange) {
        // Marks of a file's pages that stay would keep the kernel trying for ever.
        self.zap(range, Marks::Go);
        let mut page = range.start.0 >> PAGE_SHIFT;
        while page < range.end.0 >> PAGE_SHIFT {
            self.space.pages.tree.leaf(page);
            page = (page | (PageTable::LEAF_PAGES - 1)) + 1;
        }
    }

    /// Marks the pages of a range as clean: they may be dropped until they are written again.
    ///
    /// Linux: `mm/madvise.c: madvise_free_pte_range`.
    pub(crate) fn free_lazily(&mut self, range: AddrRange) {
        let whole = self.part_folios(range);
        let Table { tree, rss, tlb, mm, .. } = &mut self.space.pages;
        let pool = &mut self.sys.pool;
        tree.walk_mut(pages_of(range), |_, ptes| {
            for pte in ptes.iter_mut() {
                if pte.is_swapped() || pte.is_poisoned() {
                    clear(pte, rss, *mm, pool);
                } else if pte.is_present() && !pte.is_zero_page() {
                    let folio = pool.meta(pte.frame()).folio;
                    if folio.is_large() {
                        if whole.contains(&folio) && huge::free_lazily(pool, folio, pte.is_huge()) {
                            *pte = pte.old().clean();
                        }
                        continue;
                    }
                    let meta = pool.meta_mut(pte.frame());
                    // Only a page that is dirty by itself must be this process's alone.
                    if !meta.dirty || meta.maps == 1 {
                        meta.dirty = false;
                        meta.lazy_free |= meta.locks == 0;
                        *pte = pte.old().clean();
                    }
                }
            }
        });
        tlb.forget_range(range);
    }
}
