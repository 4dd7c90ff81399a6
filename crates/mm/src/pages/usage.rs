//! What the pages of a range add up to: the fields of smaps, and which pages are in memory.

use alloc::vec::Vec;

use abi::{AddrRange, PAGE_SHIFT, PAGE_SIZE, VirtAddr};

use super::Pages;
use super::frames::{Frames, Holds, Pool};
use super::pte::Pte;
use super::table::pages_of;
use crate::flags::VmFlags;
use crate::op::Op;
use crate::space::AddressSpace;
use crate::system::System;

/// Bytes shared out among all who hold a page: a fixed-point number, as the kernel adds it up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Share(u64);

impl Share {
    /// The bits behind the point. Linux: `PSS_SHIFT`.
    const SHIFT: u32 = 12;

    /// Returns the part of one of `holders`; rounded down as in the kernel.
    pub fn of(bytes: u64, holders: u32) -> Self {
        Self((bytes << Self::SHIFT) / u64::from(holders.max(1)))
    }

    /// Returns whole bytes.
    pub const fn bytes(self) -> u64 {
        self.0 >> Self::SHIFT
    }

    /// Returns KiB as smaps prints them.
    pub const fn kib(self) -> u64 {
        self.0 >> (Self::SHIFT + 10)
    }
}

impl core::ops::AddAssign for Share {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

/// What the pages of a mapping add up to, in bytes. Linux: `struct mem_size_stats`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// `Rss`.
    pub resident: u64,
    /// `Pss`.
    pub pss: Share,
    /// `Pss_Dirty`.
    pub pss_dirty: Share,
    /// `Pss_Anon`.
    pub pss_anon: Share,
    /// `Pss_File`.
    pub pss_file: Share,
    /// `Pss_Shmem`.
    pub pss_shmem: Share,
    /// `Shared_Clean`.
    pub shared_clean: u64,
    /// `Shared_Dirty`.
    pub shared_dirty: u64,
    /// `Private_Clean`.
    pub private_clean: u64,
    /// `Private_Dirty`.
    pub private_dirty: u64,
    /// `Referenced`, the part that entries of page tables show: accessed since it was mapped, copied or cooled.
    pub referenced: u64,
    /// `Referenced`, with every page that the kernel's queues may remember as accessed besides: the queues themselves
    /// are not modelled. The same as [`Usage::referenced`] for anonymous pages that were only ever accessed by programs.
    pub referenced_most: u64,
    /// `Anonymous`.
    pub anonymous: u64,
    /// `LazyFree`.
    pub lazy_free: u64,
    /// `AnonHugePages`.
    pub anon_huge: u64,
    /// `Swap`.
    pub swap: u64,
    /// `SwapPss`.
    pub swap_pss: Share,
    /// `Locked`.
    pub locked: Share,
}

impl core::ops::AddAssign for Usage {
    /// Adds another mapping's pages: what `smaps_rollup` shows.
    fn add_assign(&mut self, other: Self) {
        let Self {
            resident,
            pss,
            pss_dirty,
            pss_anon,
            pss_file,
            pss_shmem,
            shared_clean,
            shared_dirty,
            private_clean,
            private_dirty,
            referenced,
            referenced_most,
            anonymous,
            lazy_free,
            anon_huge,
            swap,
            swap_pss,
            locked,
        } = other;
        self.resident += resident;
        self.pss += pss;
        self.pss_dirty += pss_dirty;
        self.pss_anon += pss_anon;
        self.pss_file += pss_file;
        self.pss_shmem += pss_shmem;
        self.shared_clean += shared_clean;
        self.shared_dirty += shared_dirty;
        self.private_clean += private_clean;
        self.private_dirty += private_dirty;
        self.referenced += referenced;
        self.referenced_most += referenced_most;
        self.anonymous += anonymous;
        self.lazy_free += lazy_free;
        self.anon_huge += anon_huge;
        self.swap += swap;
        self.swap_pss += swap_pss;
        self.locked += locked;
    }
}

impl Usage {
    /// Counts one entry of a page table.
    ///
    /// Linux: `fs/proc/task_mmu.c: smaps_pte_entry`, `smaps_account`.
    fn count<F: Frames>(&mut self, pte: Pte, pool: &Pool<F>, locked: bool) {
        if pte.is_none() || pte.is_zero_page() || pte.is_mark() {
            return;
        }
        let meta = pool.meta(pte.frame());
        if pte.is_swapped() {
            self.swap += PAGE_SIZE;
            self.swap_pss += Share::of(PAGE_SIZE, meta.swaps);
        } else if meta.holds != Holds::Device {
            self.count_present(pte, pool, locked);
        }
    }

    fn count_present<F: Frames>(&mut self, pte: Pte, pool: &Pool<F>, locked: bool) {
        let meta = pool.meta(pte.frame());
        let dirty = pte.is_dirty() || pool.is_dirty(pte.frame());
        let share = Share::of(PAGE_SIZE, meta.maps);
        self.resident += PAGE_SIZE;
        self.pss += share;
        match meta.holds {
            Holds::Anon => {
                self.anonymous += PAGE_SIZE;
                self.pss_anon += share;
                if pte.is_huge() {
                    self.anon_huge += PAGE_SIZE;
                }
                if pool.is_lazy_free(pte.frame()) && !dirty {
                    self.lazy_free += PAGE_SIZE;
                }
            }
            Holds::Shmem => self.pss_shmem += share,
            Holds::File | Holds::Nothing | Holds::Device => self.pss_file += share,
        }
        if pte.is_young() {
            self.referenced += PAGE_SIZE;
        }
        // Of a large folio the queues have one mark for all its pages, which any look of reclaim may set.
        let by_queues = pool.is_marked(pte.frame()) || meta.folio.is_large();
        if pte.is_young() || by_queues || meta.holds != Holds::Anon {
            self.referenced_most += PAGE_SIZE;
        }
        if locked {
            self.locked += share;
        }
        if dirty {
            self.pss_dirty += share;
        }
        let field = match (meta.maps < 2, dirty) {
            (true, true) => &mut self.private_dirty,
            (true, false) => &mut self.private_clean,
            (false, true) => &mut self.shared_dirty,
            (false, false) => &mut self.shared_clean,
        };
        *field += PAGE_SIZE;
    }
}

impl<F: Frames> AddressSpace<Pages<F>> {
    /// Returns what the pages of a range add up to, as smaps adds them up for each mapping.
    pub fn usage(&self, sys: &System<Pages<F>>, range: AddrRange) -> Usage {
        let mut usage = Usage::default();
        for vma in self.vmas.range(range) {
            let Some(part) = vma.range.intersection(range) else { continue };
            let locked = vma.flags.contains(VmFlags::LOCKED);
            self.pages.tree.walk(pages_of(part), |_, ptes| {
                ptes.iter().for_each(|pte| usage.count(*pte, &sys.pool, locked));
            });
        }
        usage
    }

    /// Returns for each page of a range whether it is in memory, as `mincore` does for files that the caller may write.
    ///
    /// Linux: `mm/mincore.c: mincore_pte_range`.
    pub fn residency(&self, sys: &System<Pages<F>>, range: AddrRange) -> Vec<u8> {
        pages_of(range).map(|page| u8::from(self.is_resident(sys, page))).collect()
    }

    fn is_resident(&self, sys: &System<Pages<F>>, page: u64) -> bool {
        let pte = self.pages.tree.get(page);
        if pte.is_present() || pte.is_swapped() {
            return pte.is_present();
        }
        let addr = VirtAddr(page << PAGE_SHIFT);
        let Some(vma) = self.vmas.find(addr) else { return false };
        let Some(file) = vma.backing.file() else { return !vma.is_anonymous() };
        sys.pool.cached(file.object, vma.pgoff_at(addr).0).is_some()
    }
}

impl<F: Frames> Op<'_, Pages<F>> {
    /// Writes into pages that were just faulted in for writing.
    pub(crate) fn put(&mut self, addr: VirtAddr, bytes: &[u8]) {
        for (at, part) in super::access::parts(addr, bytes.len()) {
            let frame = self.space.pages.tree.get(at.0 >> PAGE_SHIFT).frame();
            let inside = (at.0 % PAGE_SIZE) as usize;
            let len = part.len();
            self.sys.pool.bytes.change(frame, |page| page[inside..][..len].copy_from_slice(&bytes[part]));
        }
    }
}
