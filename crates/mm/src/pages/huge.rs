//! Transparent huge pages: 2 MiB of anonymous memory at one fault, by one entry of the page table.
//!
//! ```text
//!           512 pages, one entry            512 entries of one large folio
//! fault --> HHHHHHHHHHHHHHHHHHHH  split --> pppppppppppppppppppp  part --> pages by themselves
//!           | all of it: unmapped, protected,   | a part is           | a part is to be cooled or freed lazily
//!           | moved by whole 2 MiB, forked      |                     |
//! ```
//!
//! The table that the entries need after a split is there from the beginning, and is counted (`VmPTE`).
//! Whether free memory has a huge page is an input: [`HugeSupply`].

use alloc::boxed::Box;
use alloc::vec::Vec;

use abi::{AddrRange, PAGE_SHIFT, VirtAddr};

use super::folio::FolioId;
use super::frames::{Fill, FrameId, Frames, Holds, Pool};
use super::lock::Keeps;
use super::pte::Pte;
use super::table::{PageTable, pages_of};
use super::{Pages, Table};
use crate::access::Access;
use crate::flags::VmFlags;
use crate::mutation::Mutation;
use crate::op::Op;
use crate::space::AddressSpace;
use crate::system::System;
use crate::thp::{self, is_allowed, place_in};
use crate::vma::Vma;

/// Pages of a huge page.
const PAGES: u64 = PageTable::LEAF_PAGES;

/// Whether free memory has a huge page (or a large folio) for a fault that may have one: an input, as it depends on how memory
/// lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum HugeSupply {
    /// There is one.
    #[default]
    Plenty,
    /// There is none: small pages are mapped.
    Exhausted,
}

/// The input and how often it was needed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Supply {
    now: HugeSupply,
    asked: u64,
}

impl<F: Frames> System<Pages<F>> {
    /// Says whether free memory has huge pages from now on. At first there is plenty.
    pub fn set_huge_supply(&mut self, supply: HugeSupply) {
        self.pool.supply.now = supply;
    }

    /// Returns how many faults there were whose outcome was [`HugeSupply`]'s: every rule allowed a huge page, or a large folio.
    pub fn huge_asked(&self) -> u64 {
        self.pool.supply.asked
    }
}

impl<F: Frames> Pool<F> {
    pub(super) fn has_huge_page(&mut self) -> bool {
        self.supply.asked += 1;
        self.supply.now == HugeSupply::Plenty
    }
}

/// Returns the addresses of a huge page.
fn range_of(first: u64) -> AddrRange {
    AddrRange { start: VirtAddr(first << PAGE_SHIFT), end: VirtAddr((first + PAGES) << PAGE_SHIFT) }
}

impl<F: Frames> AddressSpace<Pages<F>> {
    /// Tells whether a mapping could have huge pages (`THPeligible`): by settings, advice, size and place.
    ///
    /// Linux: `fs/proc/task_mmu.c: show_smap`.
    pub fn is_huge_eligible(&self, sys: &System<Pages<F>>, vma: &Vma) -> bool {
        if !vma.is_anonymous() || !sys.profile.options.thp {
            return false;
        }
        let end = vma.range.end.0 >> PAGE_SHIFT;
        let huge = is_allowed(sys.profile.thp, self.settings, vma.flags);
        let orders = thp::allowed_orders(sys.profile.large_folios, self.settings, vma.flags);
        let fits = |order: u32| {
            let pages = 1_u64 << order;
            let first = end.wrapping_sub(pages) & !(pages - 1);
            vma.range.start.0 >> PAGE_SHIFT <= first && first.wrapping_add(pages) <= end
        };
        huge && fits(9) || (2..9).any(|order| orders >> order & 1 == 1 && fits(order))
    }

    /// Tells whether an access to a page may ask for a huge page: then its outcome is [`HugeSupply`]'s.
    pub fn may_ask_huge(&self, sys: &System<Pages<F>>, addr: VirtAddr) -> bool {
        let page = addr.0 >> PAGE_SHIFT;
        let Some(vma) = self.vmas.find(addr).filter(|vma| vma.is_anonymous()) else { return false };
        let pte = self.pages.tree.get(page);
        let is_open = !self.pages.tree.has_leaf(page) || pte.is_huge() && pte.is_zero_page();
        is_open && is_allowed(sys.profile.thp, self.settings, vma.flags) && place_in(vma, page).is_some()
    }
}

impl<F: Frames> Op<'_, Pages<F>> {
    /// Tries to map a huge page where nothing was ever mapped around. Returns whether one is there now.
    ///
    /// Linux: `mm/huge_memory.c: do_huge_pmd_anonymous_page`.
    pub(super) fn fault_huge(&mut self, start: VirtAddr, page: u64, access: Access, flags: VmFlags) -> bool {
        let profile = &self.sys.profile;
        let unasked = profile.mutated(Mutation::HugeUnasked);
        if !(is_allowed(profile.thp, self.space.settings, flags) || unasked)
            || self.space.pages.tree.has_leaf(page)
        {
            return false;
        }
        let Some(first) = self.space.vmas.find(start).and_then(|vma| place_in(vma, page)) else {
            return false;
        };
        let shares_zeroes = profile.huge_zero_page;
        // Also where none can be had then, and for a read.
        self.space.prepare_anon(self.sys, start);
        if !self.sys.pool.has_huge_page() {
            return false;
        }
        if access != Access::Write && shares_zeroes {
            self.space.pages.tree.leaf(first).fill(Pte::of(FrameId::ZERO).huge());
            self.space.pages.huge += 1;
        } else {
            self.map_huge(first, flags);
            self.space.pages.huge += 1;
        }
        self.space.pages.tlb.forget_range(range_of(first));
        true
    }

    /// Maps a huge page of zeroes, this process's alone.
    ///
    /// Linux: `mm/huge_memory.c: map_anon_folio_pmd`.
    pub(super) fn map_huge(&mut self, first: u64, flags: VmFlags) {
        let Table { tree, rss, mm, .. } = &mut self.space.pages;
        let pool = &mut self.sys.pool;
        let frames: Box<[FrameId]> = (0..PAGES).map(|_| pool.take(Holds::Anon, Fill::Zeroes)).collect();
        let ptes = tree.leaf(first);
        for (frame, pte) in frames.iter().zip(ptes) {
            let meta = pool.meta_mut(*frame);
            meta.maps = 1;
            meta.exclusive = true;
            let entry = Pte::of(*frame).dirty().huge();
            *pte = if flags.contains(VmFlags::WRITE) { entry.writable() } else { entry };
        }
        let id = pool.join(frames);
        let mm = pool.number(mm);
        pool.folio_mapped(id, mm, 1);
        let folio = pool.folio_mut(id);
        folio.locks = u32::from(flags.contains(VmFlags::LOCKED));
        folio.lazy_free = flags.contains(VmFlags::DROPPABLE);
        rss.anon += PAGES;
    }

    /// A write to a huge page that is there but may not be written yet. Returns whether it may be now; else it was split.
    ///
    /// Linux: `mm/huge_memory.c: do_huge_pmd_wp_page`.
    pub(super) fn write_protected_huge(&mut self, page: u64, pte: Pte, flags: VmFlags) -> bool {
        let first = page & !(PAGES - 1);
        if pte.is_zero_page() {
            if !self.sys.pool.has_huge_page() {
                self.split_huge(page);
                return false;
            }
            self.map_huge(first, flags);
        } else {
            let meta = *self.sys.pool.meta(pte.frame());
            let alone = self.sys.pool.folio(meta.folio).maps == 1;
            if !meta.exclusive && !alone && !self.sys.profile.mutated(Mutation::HugeReuseShared) {
                self.split_huge(page);
                return false;
            }
            let may_write = flags.contains(VmFlags::WRITE);
            self.space.pages.upgraded += PAGES;
            self.change_huge(first, |pool, pte| {
                pool.meta_mut(pte.frame()).exclusive = true;
                let touched = pte.young().dirty();
                if may_write { touched.writable() } else { touched }
            });
        }
        self.space.pages.tlb.forget_range(range_of(first));
        true
    }

    /// Changes every entry of a huge page alike.
    fn change_huge(&mut self, first: u64, mut change: impl FnMut(&mut Pool<F>, Pte) -> Pte) {
        let pool = &mut self.sys.pool;
        let ptes = self.space.pages.tree.leaf(first);
        ptes.iter_mut().for_each(|pte| *pte = change(pool, *pte));
    }

    /// The processor or the kernel notes an access to a huge page.
    pub(super) fn accessed_huge(&mut self, page: u64, marked: Pte) {
        let first = page & !(PAGES - 1);
        self.change_huge(first, |_, pte| {
            let pte = if marked.is_dirty() { pte.dirty() } else { pte };
            if marked.is_young() { pte.young() } else { pte }
        });
    }

    /// A mapping's edge lies at an address now: a huge page across it is split.
    ///
    /// Linux: `mm/huge_memory.c: vma_adjust_trans_huge`.
    pub(crate) fn edge_at(&mut self, edge: VirtAddr) {
        if !self.sys.profile.mutated(Mutation::HugeEdgeIgnored) {
            self.split_huge_at(edge);
        }
    }

    /// Splits the huge page around an address; not where that is its edge.
    fn split_huge_at(&mut self, edge: VirtAddr) {
        let page = edge.0 >> PAGE_SHIFT;
        if self.space.pages.huge > 0
            && !page.is_multiple_of(PAGES)
            && self.space.pages.tree.get(page).is_huge()
        {
            self.split_huge(page);
        }
    }

    /// Splits the huge pages that reach out of a range.
    pub(super) fn split_huge_edges(&mut self, range: AddrRange) {
        self.split_huge_at(range.start);
        self.split_huge_at(range.end);
    }

    /// Splits every huge page that a range reaches into.
    pub(super) fn split_huge_in(&mut self, range: AddrRange) {
        if self.space.pages.huge > 0 {
            for page in self.huge_in(range) {
                self.split_huge(page);
            }
        }
    }

    /// Returns the huge pages that a range reaches into: a page of each.
    fn huge_in(&self, range: AddrRange) -> Vec<u64> {
        let mut found = Vec::new();
        self.space.pages.tree.walk(pages_of(range), |first, ptes| {
            if ptes.first().is_some_and(|pte| pte.is_huge()) {
                found.push(first);
            }
        });
        found
    }

    /// Splits the entry of a huge page into one for each page; the folio stays one. A locked mapping no longer holds it: a
    /// large folio is not locked page by page.
    ///
    /// Linux: `mm/huge_memory.c: __split_huge_pmd_locked`, `mm/internal.h: munlock_vma_folio`.
    pub(super) fn split_huge(&mut self, page: u64) {
        let first = page & !(PAGES - 1);
        let vma = self.space.vmas.find(VirtAddr(page << PAGE_SHIFT));
        let is_locked = vma.is_some_and(|vma| vma.flags.contains(VmFlags::LOCKED));
        let Table { tree, tlb, huge, mm, .. } = &mut self.space.pages;
        let pool = &mut self.sys.pool;
        let ptes = tree.leaf(first);
        let pte = ptes[0];
        if !pte.is_zero_page() {
            let id = pool.meta(pte.frame()).folio;
            pool.folio_mapped(id, *mm, PAGES as u32);
            pool.folio_unmapped(id, *mm, 1);
            pool.folio_mut(id).dirty |= pte.is_dirty();
            if is_locked {
                pool.folio_mut(id).keep(Keeps::No);
            }
        }
        ptes.iter_mut().for_each(|pte| *pte = pte.small());
        *huge -= 1;
        tlb.forget_range(range_of(first));
    }

    /// Splits the large folios that only a part of a range of pages is told about, where one memory alone maps them.
    /// Returns those that lie in it as a whole: what it is told they may be told.
    ///
    /// Linux: `mm/madvise.c: madvise_free_pte_range`, `madvise_cold_or_pageout_pte_range`.
    pub(super) fn part_folios(&mut self, range: AddrRange) -> Vec<FolioId> {
        let (mut whole, mut cut) = (Vec::new(), Vec::new());
        if self.space.pages.mm == super::folio::MmId::NONE {
            return whole;
        }
        let pool = &self.sys.pool;
        self.space.pages.tree.walk(pages_of(range), |_, ptes| {
            let mut rest = ptes;
            while let Some(pte) = rest.first().copied() {
                let id = if pte.is_present() { pool.meta(pte.frame()).folio } else { FolioId::NONE };
                if !id.is_large() {
                    rest = &rest[1..];
                    continue;
                }
                let folio = pool.folio(id);
                let run = 1 + pool.run_after(id, pte, &rest[1..]);
                if run == folio.frames.len() && (!pte.is_huge() || !folio.is_shared()) {
                    whole.push(id);
                } else if run < folio.frames.len() && !folio.is_shared() && !cut.contains(&id) {
                    cut.push(id);
                }
                rest = &rest[run..];
            }
        });
        cut.into_iter().for_each(|id| self.part_folio(id));
        whole
    }

    /// Splits a large folio that this memory alone maps. Its pages of zeroes become the shared one, unless it is locked;
    /// where no bytes are kept none is taken for one.
    ///
    /// Linux: `mm/huge_memory.c: split_folio`, `mm/migrate.c: try_to_map_unused_to_zeropage`.
    pub(super) fn part_folio(&mut self, id: FolioId) {
        let locked = self.sys.pool.folio(id).locks > 0;
        for page in self.pages_of_folio(id) {
            if self.space.pages.tree.get(page).is_huge() {
                self.split_huge(page);
            }
        }
        let pages = self.pages_of_folio(id);
        // Entries are taken out for it (`mm/rmap.c: try_to_migrate_one`): what one of them says of being written goes for all.
        let dirty = pages.iter().any(|page| self.space.pages.tree.get(*page).is_dirty());
        self.sys.pool.folio_mut(id).dirty |= dirty;
        self.sys.pool.part(id);
        for page in pages {
            let pte = self.space.pages.tree.get(page);
            let vma = self.space.vmas.find(VirtAddr(page << PAGE_SHIFT));
            let kept = locked || vma.is_none_or(|vma| vma.flags.contains(VmFlags::LOCKED));
            let kept = kept || self.sys.profile.mutated(Mutation::HugeKeepsZeroes);
            if !kept && self.sys.pool.bytes.is_zero(pte.frame()) {
                let Table { tree, rss, mm, .. } = &mut self.space.pages;
                rss.anon -= 1;
                self.sys.pool.unmap(pte.frame(), *mm);
                *tree.entry(page) = Pte::of(FrameId::ZERO);
            }
        }
        self.space.pages.tlb.flush();
    }

    /// Returns the pages that show a folio in this memory.
    pub(super) fn pages_of_folio(&self, id: FolioId) -> Vec<u64> {
        let (pool, mut found) = (&self.sys.pool, Vec::new());
        self.space.pages.tree.walk(0..PageTable::PAGES, |first, ptes| {
            let is_its = |pte: &Pte| pte.is_present() && pool.meta(pte.frame()).folio == id;
            found.extend((first..).zip(ptes).filter(|(_, pte)| is_its(pte)).map(|(page, _)| page));
        });
        found
    }
}

/// Takes a huge page's entry out of a page table; what is left of it is an empty table, which goes with it.
///
/// Linux: `mm/huge_memory.c: zap_huge_pmd`.
pub(super) fn clear<F: Frames>(ptes: &mut [Pte], table: Sums<'_>, pool: &mut Pool<F>) {
    let Sums { rss, huge, mm } = table;
    *huge -= 1;
    let pte = ptes[0];
    if !pte.is_zero_page() {
        let id = pool.meta(pte.frame()).folio;
        pool.folio_unmapped(id, mm, 1);
        rss.anon -= PAGES;
        for pte in ptes.iter() {
            let frame = pte.frame();
            pool.meta_mut(frame).maps -= 1;
            pool.settle(frame);
        }
    }
    ptes.fill(Pte::NONE);
}

/// What an address space keeps besides its page table, as far as entries that go change it.
pub(super) struct Sums<'a> {
    pub(super) rss: &'a mut super::Rss,
    pub(super) huge: &'a mut u64,
    pub(super) mm: super::folio::MmId,
}

/// Tells whether a large folio that lies as a whole where memory may be dropped can be: it is clean from now on then.
///
/// Linux: `mm/huge_memory.c: madvise_free_huge_pmd`, `mm/madvise.c: madvise_free_pte_range`.
pub(super) fn free_lazily<F: Frames>(pool: &mut Pool<F>, id: FolioId, by_one_entry: bool) -> bool {
    let folio = pool.folio_mut(id);
    if !by_one_entry && folio.dirty && folio.maps != folio.pages() {
        return false;
    }
    folio.dirty = false;
    folio.lazy_free |= folio.locks == 0;
    true
}
