//! What can be asked about the pages of an address space.

use abi::{AddrRange, PAGE_SHIFT, PAGE_SIZE, VirtAddr};

use super::frames::{Frames, Holds, Pool};
use super::pte::Pte;
use super::table::pages_of;
use super::{Faults, Pages, Rss};
use crate::space::AddressSpace;
use crate::system::System;

/// What is in the place of a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PageKind {
    /// Nothing.
    None,
    /// A guard marker.
    Guard,
    /// A mark that the page is broken.
    Poisoned,
    /// A mark that what comes there is write-protected by userfaultfd.
    Protected,
    /// The shared zero page.
    Zero,
    /// An anonymous page.
    Anon,
    /// A page of a file.
    File,
    /// A page of shared memory: tmpfs, memfd, shared anonymous.
    Shmem,
    /// A page that counts nowhere: hugetlbfs, devices, pages of the kernel.
    Device,
    /// An anonymous page that was swapped out.
    Swapped,
}

/// Whether a store needs a fault first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Writable {
    /// It does not.
    Now,
    /// It does: for a copy, for the file to know, or it is refused.
    AfterFault,
}

/// How much one entry of the page table maps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PageSize {
    /// 4 KiB.
    Small,
    /// 2 MiB.
    Huge,
}

/// One page of an address space.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageView {
    /// What is there.
    pub kind: PageKind,
    /// How many page table entries hold it: 1 is `PM_MMAP_EXCLUSIVE`. 0 where nothing is counted. All of a huge page is
    /// told as its first page is (`fs/proc/task_mmu.c: pagemap_pmd_range`).
    pub mapped: u32,
    /// Whether it is marked as this process's alone (`PageAnonExclusive`).
    pub exclusive: bool,
    /// Whether a store needs a fault first.
    pub writable: Writable,
    /// Whether it differs from what is behind it.
    pub dirty: bool,
    /// Whether it was accessed since it was mapped or copied.
    pub young: bool,
    /// Whether a userfaultfd keeps it from being written.
    pub uffd_protected: bool,
    /// How much is mapped by the entry that it is a part of.
    pub size: PageSize,
}

impl PageView {
    const NONE: Self = Self {
        kind: PageKind::None,
        mapped: 0,
        exclusive: false,
        writable: Writable::AfterFault,
        dirty: false,
        young: false,
        uffd_protected: false,
        size: PageSize::Small,
    };

    /// Tells whether it is present in memory (`PM_PRESENT`).
    pub const fn is_present(&self) -> bool {
        use PageKind::{Guard, None, Poisoned, Protected, Swapped};
        !matches!(self.kind, None | Guard | Poisoned | Protected | Swapped)
    }

    fn of<F: Frames>(pte: Pte, pool: &Pool<F>) -> Self {
        if pte.is_none() {
            return Self::NONE;
        }
        let uffd_protected = pte.is_uffd_wp();
        if pte.is_mark() {
            let kind = if pte.is_poisoned() { PageKind::Poisoned } else { PageKind::Protected };
            return Self { kind, uffd_protected, ..Self::NONE };
        }
        let writable = if pte.is_writable() { Writable::Now } else { Writable::AfterFault };
        let size = if pte.is_huge() { PageSize::Huge } else { PageSize::Small };
        if pte.is_zero_page() {
            let young = pte.is_young();
            return Self { kind: PageKind::Zero, young, writable, size, uffd_protected, ..Self::NONE };
        }
        let meta = pool.meta(pte.frame());
        if pte.is_swapped() {
            let exclusive = meta.exclusive;
            return Self { kind: PageKind::Swapped, exclusive, uffd_protected, ..Self::NONE };
        }
        let kind = match meta.holds {
            Holds::Anon => PageKind::Anon,
            Holds::File => PageKind::File,
            Holds::Shmem => PageKind::Shmem,
            Holds::Nothing | Holds::Device => PageKind::Device,
        };
        Self {
            kind,
            mapped: if pte.is_huge() { pool.first_page_maps(meta.folio) } else { meta.maps },
            exclusive: meta.exclusive,
            writable,
            dirty: pool.is_dirty(pte.frame()) || pte.is_dirty(),
            young: pte.is_young(),
            uffd_protected,
            size,
        }
    }
}

impl<F: Frames> AddressSpace<Pages<F>> {
    /// Returns what is in the place of one page.
    pub fn page(&self, sys: &System<Pages<F>>, addr: VirtAddr) -> PageView {
        if self.guards.contains(addr.page_down()) {
            return PageView { kind: PageKind::Guard, ..PageView::NONE };
        }
        PageView::of(self.pages.tree.get(addr.0 >> PAGE_SHIFT), &sys.pool)
    }

    /// Calls `each` with every page of a range in whose place something is, ascending.
    pub fn pages(&self, sys: &System<Pages<F>>, range: AddrRange, mut each: impl FnMut(VirtAddr, PageView)) {
        self.pages.tree.walk(pages_of(range), |first, ptes| {
            for (page, pte) in (first..).zip(ptes).filter(|(_, pte)| !pte.is_none()) {
                each(VirtAddr(page << PAGE_SHIFT), PageView::of(*pte, &sys.pool));
            }
        });
    }

    /// Returns the resident and swapped pages.
    pub fn rss(&self) -> Rss {
        self.pages.rss
    }

    /// Returns the faults counted.
    pub fn faults(&self) -> Faults {
        self.pages.faults
    }

    /// Returns how many pages became writable where they are by a call, or with the rest of their huge page. A processor may
    /// remember until later that each was not: a write there may fault once more, for nothing, and is counted.
    ///
    /// Linux: `arch/x86/include/asm/tlbflush.h: pte_flags_need_flush`, `mm/pgtable-generic.c: ptep_set_access_flags`.
    pub fn upgraded(&self) -> u64 {
        self.pages.upgraded
    }

    /// Returns the bytes of the page tables (`VmPTE`).
    pub fn page_table_bytes(&self) -> u64 {
        self.pages.tree.tables() * PAGE_SIZE
    }
}

impl<F: Frames> System<Pages<F>> {
    /// Returns the frames in use: each once, however many processes map it.
    pub fn frames(&self) -> u64 {
        self.pool.in_use()
    }
}
