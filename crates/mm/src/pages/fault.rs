//! Page faults.
//!
//! | entry | access | what happens |
//! |---|---|---|
//! | none, anonymous | read | the shared zero page |
//! | none, anonymous | write | a frame of zeroes |
//! | none, file | any | the page of the cache; private and written: a copy of it |
//! | present, no right to write | write, private | the frame itself where no other process can hold it, else a copy |
//! | present, no right to write | write, shared | the right |
//! | swapped | any | read back |
//!
//! Where a huge page may be, it is tried first.

use abi::{AddrRange, PAGE_SHIFT, PAGE_SIZE, VirtAddr};

use super::cache::{self, Found};
use super::frames::{Fill, FrameId, Frames, Holds};
use super::lock::Keeps;
use super::pte::Pte;
use super::table::{PageTable, pages_of};
use super::{Pages, Table};
use crate::access::{Access, Signal};
use crate::file::{Backing, FileKind};
use crate::flags::VmFlags;
use crate::mutation::Mutation;
use crate::op::Op;
use crate::vma::Vma;

/// Tells whether the first write to each page of a shared mapping is to be noticed: by the file behind it, or by a
/// userfaultfd.
///
/// Linux: `mm/vma.c: vma_wants_writenotify`.
pub(super) fn wants_notice(vma: &Vma) -> bool {
    let by_uffd = vma.flags.contains(VmFlags::SHARED.with(VmFlags::WRITE).with(VmFlags::UFFD_WP));
    by_uffd || file_wants_notice(vma)
}

/// Tells whether the file behind a shared mapping wants to know of the first write to each page.
///
/// Linux: `mm/vma.c: vm_ops_needs_writenotify`, `vma_fs_can_writeback`.
pub(super) fn file_wants_notice(vma: &Vma) -> bool {
    let kind = vma.backing.file_kind();
    vma.flags.contains(VmFlags::SHARED.with(VmFlags::WRITE))
        && matches!(
            kind,
            Some(
                FileKind::Regular
                    | FileKind::RegularHuge
                    | FileKind::Fuse
                    | FileKind::RegularOther
                    | FileKind::Overlay
            )
        )
}

impl<F: Frames> Op<'_, Pages<F>> {
    /// Faults one page in. The mapping that starts at `start` allows the access.
    ///
    /// Linux: `mm/memory.c: handle_pte_fault`.
    pub(crate) fn fault_page(
        &mut self,
        start: VirtAddr,
        addr: VirtAddr,
        access: Access,
    ) -> Result<(), Signal> {
        let page = addr.0 >> PAGE_SHIFT;
        let pte = self.space.pages.tree.get(page);
        if pte.is_present() {
            if access == Access::Write && !pte.is_writable() {
                return self.write_protected(start, page, pte);
            }
            self.accessed(start, page, pte, access);
            return Ok(());
        }
        if pte.is_swapped() {
            return self.swap_in(start, page, pte, access);
        }
        if pte.is_poisoned() && !self.sys.profile.mutated(Mutation::PoisonIgnored) {
            return Err(Signal::BusBroken);
        }
        let is_marked = pte.is_uffd_wp();
        if is_marked && !self.heeds_protection(start) {
            // Left from another registration.
            self.install(page, Pte::NONE);
            self.space.pages.faults.minor += 1;
            return self.fault_missing(start, page, access);
        }
        self.fault_missing(start, page, access)?;
        if is_marked { self.protect_again(start, page, access) } else { Ok(()) }
    }

    /// Nothing is there.
    ///
    /// Linux: `mm/memory.c: do_pte_missing`.
    fn fault_missing(&mut self, start: VirtAddr, page: u64, access: Access) -> Result<(), Signal> {
        let Some(vma) = self.space.vmas.near(start) else { return Err(Signal::SegvMapErr) };
        if vma.is_anonymous() {
            let flags = vma.flags;
            if flags.contains(VmFlags::UFFD_MISSING) {
                self.miss_anonymous(start, page, access)?;
            }
            let large = access == Access::Write;
            if self.fault_huge(start, page, access, flags) || large && self.fault_large(start, page, flags) {
                self.space.pages.faults.minor += 1;
            } else {
                self.fault_anonymous(page, access, flags);
            }
            return Ok(());
        }
        self.fault_backed(start, page, access)
    }

    /// The processor notes an access to a page that is there; not an instruction fetched where none may be.
    fn accessed(&mut self, start: VirtAddr, page: u64, pte: Pte, access: Access) {
        let allowed = || self.space.vmas.find(start).is_some_and(|vma| vma.flags.contains(VmFlags::EXEC));
        let marked = match access {
            Access::Write => pte.young().dirty(),
            Access::Exec if !allowed() => pte,
            Access::Read | Access::Exec => pte.young(),
        };
        if marked != pte {
            if pte.is_huge() {
                self.accessed_huge(page, marked);
            } else {
                *self.space.pages.tree.entry(page) = marked;
            }
        }
    }

    /// Linux: `mm/memory.c: do_anonymous_page`.
    fn fault_anonymous(&mut self, page: u64, access: Access, flags: VmFlags) {
        let pte = if access == Access::Write {
            let frame = self.sys.pool.take(Holds::Anon, Fill::Zeroes);
            self.own(frame, flags);
            self.sys.pool.meta_mut(frame).lazy_free = flags.contains(VmFlags::DROPPABLE);
            let pte = Pte::of(frame).dirty();
            if flags.contains(VmFlags::WRITE) { pte.writable() } else { pte }
        } else {
            Pte::of(FrameId::ZERO)
        };
        self.install(page, pte);
        self.space.pages.faults.minor += 1;
    }

    /// Counts a new anonymous frame: this process's alone.
    pub(super) fn own(&mut self, frame: FrameId, flags: VmFlags) {
        let meta = self.sys.pool.meta_mut(frame);
        meta.locks = u32::from(flags.contains(VmFlags::LOCKED));
        meta.maps = 1;
        meta.exclusive = true;
        self.space.pages.rss.anon += 1;
    }

    pub(super) fn install(&mut self, page: u64, pte: Pte) {
        let Table { tree, tlb, .. } = &mut self.space.pages;
        *tree.entry(page) = pte;
        tlb.forget(page);
    }

    /// A write to a page that is there but may not be written yet.
    ///
    /// Linux: `mm/memory.c: do_wp_page`.
    pub(super) fn write_protected(&mut self, start: VirtAddr, page: u64, pte: Pte) -> Result<(), Signal> {
        let mut pte = self.without_protection(start, page, pte)?;
        self.space.pages.faults.minor += 1;
        let flags = self.space.vmas.near(start).map_or(VmFlags::NONE, |vma| vma.flags);
        if pte.is_huge() {
            if self.write_protected_huge(page, pte, flags) {
                return Ok(());
            }
            pte = self.space.pages.tree.get(page);
        }
        let shared = flags.contains(VmFlags::MAYSHARE);
        let kept_zero = pte.is_zero_page() && self.sys.profile.mutated(Mutation::ZeroPageKept);
        if shared {
            self.sys.pool.meta_mut(pte.frame()).dirty = true;
        }
        if shared || kept_zero || self.may_reuse(pte) {
            self.install(page, pte.writable().dirty().young());
            return Ok(());
        }
        self.copy_on_write(page, pte, flags);
        Ok(())
    }

    /// Tells whether an anonymous frame is this process's alone: then it need not be copied.
    ///
    /// Linux: `mm/memory.c: wp_can_reuse_anon_folio`.
    fn may_reuse(&mut self, pte: Pte) -> bool {
        if pte.is_zero_page() {
            return false;
        }
        let holders = if self.sys.profile.mutated(Mutation::ReuseShared) { 2 } else { 1 };
        let meta = self.sys.pool.meta_mut(pte.frame());
        if meta.holds != Holds::Anon {
            return false;
        }
        if !meta.exclusive && meta.swaps == 0 {
            let folio = meta.folio;
            meta.exclusive = meta.maps <= holders && !folio.is_large();
            if folio.is_large() {
                let alone = self.sys.pool.folio(folio).is_one_memorys();
                self.sys.pool.meta_mut(pte.frame()).exclusive = alone;
            }
        }
        self.sys.pool.meta(pte.frame()).exclusive
    }

    /// Linux: `mm/memory.c: wp_page_copy`.
    fn copy_on_write(&mut self, page: u64, pte: Pte, flags: VmFlags) {
        let fill = if pte.is_zero_page() { Fill::Zeroes } else { Fill::Copy(pte.frame()) };
        let frame = self.sys.pool.take(Holds::Anon, fill);
        if !pte.is_zero_page() {
            let holds = self.sys.pool.meta(pte.frame()).holds;
            self.space.pages.rss.remove(holds);
            if flags.contains(VmFlags::LOCKED) {
                super::lock::keep(&mut self.sys.pool, pte.frame(), Keeps::No);
            }
            let mm = self.space.pages.mm;
            self.sys.pool.unmap(pte.frame(), mm);
        }
        self.own(frame, flags);
        self.sys.pool.meta_mut(frame).lazy_free = flags.contains(VmFlags::DROPPABLE);
        self.install(page, Pte::of(frame).writable().dirty());
    }

    /// Reads a page back from swap; a write takes it for itself or copies it at once.
    ///
    /// Linux: `mm/memory.c: do_swap_page`.
    fn swap_in(&mut self, start: VirtAddr, page: u64, pte: Pte, access: Access) -> Result<(), Signal> {
        self.sys.pool.meta_mut(pte.frame()).maps += 1;
        self.sys.pool.unswap(pte.frame());
        let meta = self.sys.pool.meta_mut(pte.frame());
        let is_protected = pte.is_uffd_wp();
        let present = Pte::of(pte.frame());
        let present = if is_protected { present.uffd_wp() } else { present };
        let alone = meta.exclusive || meta.maps == 1 && meta.swaps == 0;
        meta.exclusive = alone;
        let flags = self.space.vmas.find(start).map_or(VmFlags::NONE, |vma| vma.flags);
        let is_held = is_protected && flags.contains(VmFlags::UFFD_WP);
        let may_write = flags.contains(VmFlags::WRITE) && !is_held;
        let Table { rss, faults, .. } = &mut self.space.pages;
        rss.swap -= 1;
        rss.anon += 1;
        faults.major += 1;
        let present = if alone && may_write { present.writable() } else { present };
        self.install(page, present);
        if access == Access::Write && is_held {
            return self.write_protected(start, page, present);
        }
        if access == Access::Write {
            if alone {
                self.install(page, present.writable().dirty());
            } else {
                self.copy_on_write(page, present, flags);
            }
        }
        Ok(())
    }

    /// A page of a mapping that has something behind it.
    ///
    /// Linux: `mm/memory.c: do_read_fault`, `do_cow_fault`, `do_shared_fault`.
    fn fault_backed(&mut self, start: VirtAddr, page: u64, access: Access) -> Result<(), Signal> {
        let Some(vma) = self.space.vmas.find(start) else { return Err(Signal::SegvMapErr) };
        let flags = vma.flags;
        let wants_notice = wants_notice(vma);
        let Backing::File(file) = &vma.backing else {
            self.fault_kernel(page, access, flags);
            return Ok(());
        };
        let (object, holds) = (file.object, cache::holds(file.kind));
        let offset = vma.pgoff_at(VirtAddr(page << PAGE_SHIFT)).0;
        if access != Access::Write && self.fault_around(start, page) {
            self.space.pages.faults.minor += 1;
            return Ok(());
        }
        if flags.intersects(VmFlags::UFFD) {
            self.miss_shared(start, page, access)?;
        }
        let missing = holds == Holds::File && self.sys.pool.cached(object, offset).is_none();
        if missing {
            self.read_around(start, page);
            if access != Access::Write && self.fault_around(start, page) {
                self.space.pages.faults.major += 1;
                return Ok(());
            }
        }
        let Ok((frame, found)) = self.sys.pool.page_of(object, offset, holds) else {
            self.space.pages.tree.reach(page);
            return Err(Signal::BusAdrErr);
        };
        match found {
            _ if missing => self.space.pages.faults.major += 1,
            Found::Read => self.space.pages.faults.major += 1,
            Found::There => self.space.pages.faults.minor += 1,
        }
        self.sys.pool.note_mapped(object);
        if access != Access::Write {
            self.map_cached(page, frame, flags, wants_notice);
        } else if flags.contains(VmFlags::SHARED) || self.sys.profile.mutated(Mutation::PrivateWritesFile) {
            self.map_cached(page, frame, flags, wants_notice);
            self.sys.pool.meta_mut(frame).dirty = true;
            let pte = self.space.pages.tree.get(page);
            self.install(page, pte.writable().dirty());
        } else {
            let copy = self.sys.pool.take(Holds::Anon, Fill::Copy(frame));
            self.own(copy, flags);
            self.install(page, Pte::of(copy).writable().dirty());
        }
        Ok(())
    }

    /// Reads what the cache has not of the pages around one that must be read.
    ///
    /// Linux: `mm/filemap.c: do_sync_mmap_readahead`.
    fn read_around(&mut self, start: VirtAddr, page: u64) {
        let Some(vma) = self.space.vmas.find(start) else { return };
        let Some(file) = vma.backing.file().cloned() else { return };
        if vma.flags.contains(VmFlags::RAND_READ) {
            return;
        }
        let pages = self.sys.profile.read_around_pages;
        let offset = vma.pgoff_at(VirtAddr(page << PAGE_SHIFT)).0;
        let sequential = vma.flags.contains(VmFlags::SEQ_READ);
        let first = if sequential { offset } else { offset.saturating_sub(pages / 2) };
        self.read_ahead(&file, first..first + pages);
    }

    /// A page past the end of the file: a read maps what is cached around it before it is refused. The tables above the last
    /// are made on the way.
    ///
    /// Linux: `mm/memory.c: do_read_fault`.
    pub(crate) fn miss_page(&mut self, start: VirtAddr, addr: VirtAddr, access: Access) {
        self.space.pages.tree.reach(addr.0 >> PAGE_SHIFT);
        if access != Access::Write {
            self.fault_around(start, addr.0 >> PAGE_SHIFT);
        }
    }

    /// Maps a page of the cache.
    ///
    /// Linux: `mm/memory.c: set_pte_range`.
    fn map_cached(&mut self, page: u64, frame: FrameId, flags: VmFlags, wants_notice: bool) {
        let meta = self.sys.pool.meta_mut(frame);
        meta.maps += 1;
        let (holds, dirty) = (meta.holds, meta.dirty);
        let mut pte = Pte::of(frame);
        if flags.contains(VmFlags::SHARED.with(VmFlags::WRITE)) && !wants_notice {
            pte = pte.writable();
            if dirty {
                pte = pte.dirty();
            }
        }
        self.space.pages.rss.add(holds);
        self.install(page, pte);
    }

    /// Maps what the cache has of the pages around one; tells whether that one is there then.
    ///
    /// Linux: `mm/memory.c: do_fault_around`, `mm/filemap.c: filemap_map_pages`.
    fn fault_around(&mut self, start: VirtAddr, page: u64) -> bool {
        let Some(vma) = self.space.vmas.find(start).cloned() else { return false };
        let Some(file) = vma.backing.file() else { return false };
        if cache::holds(file.kind) == Holds::Device {
            return false;
        }
        let around = self.sys.profile.fault_around_pages.max(1);
        // What a userfaultfd is to be told of page by page is not mapped with others (`uffd_disable_fault_around`).
        if around == 1 || vma.flags.intersects(VmFlags::UFFD_WP.with(VmFlags::UFFD_MINOR)) {
            return false;
        }
        // The window is aligned in the table, and starts later where the mapping does.
        let table = page & !(PageTable::LEAF_PAGES - 1);
        let mapped = pages_of(vma.range);
        let first = (page & !(around - 1)).max(mapped.start);
        let end = (first + around).min(table + PageTable::LEAF_PAGES).min(mapped.end);
        let size = self.sys.file_size(file).div_ceil(PAGE_SIZE);
        let notice = wants_notice(&vma);
        let offset_of = |at: u64| vma.pgoff.0 + (at - mapped.start);
        // The table is made on the way to the first page found, but not for the last one of a file on a disk.
        let is_cached = |offset: &u64| self.sys.pool.cached(file.object, *offset).is_some();
        let found = (first..end).map(offset_of).find(is_cached);
        let last = cache::holds(file.kind) == Holds::File && found.is_some_and(|offset| offset + 1 >= size);
        if last && !self.space.pages.tree.has_leaf(page) {
            return false;
        }
        let (mut there, mut any) = (false, false);
        for at in first..end {
            let offset = offset_of(at);
            let Some(frame) = self.sys.pool.cached(file.object, offset).filter(|_| offset < size) else {
                continue;
            };
            if self.space.pages.tree.get(at).is_none()
                && !self.space.guards.contains(VirtAddr(at << PAGE_SHIFT))
            {
                self.map_cached(at, frame, vma.flags, notice);
                there |= at == page;
                any = true;
            }
        }
        if any {
            self.sys.pool.note_mapped(file.object);
        }
        there
    }

    /// A page of the kernel's own (vdso, vvar): zero here, and counted only where it is a page of memory.
    fn fault_kernel(&mut self, page: u64, access: Access, flags: VmFlags) {
        let holds = if flags.contains(VmFlags::PFNMAP) { Holds::Device } else { Holds::File };
        let frame = self.sys.pool.take(holds, Fill::Zeroes);
        self.sys.pool.meta_mut(frame).maps = 1;
        self.space.pages.rss.add(holds);
        self.install(page, Pte::of(frame));
        self.space.pages.faults.minor += 1;
        if access == Access::Write {
            self.copy_on_write(page, Pte::of(frame), flags);
        }
    }

    /// Faults in every page of a part of a mapping. What is there already is not accessed by the processor: a page that is
    /// to be written is dirty from now on, its entry is not. Of a huge page the entry is, and only where it is to be written.
    ///
    /// Linux: `mm/gup.c: populate_vma_page_range`, `follow_page_pte`, `mm/huge_memory.c: touch_pmd`.
    ///
    /// # Errors
    /// The signal that the first page that can't be faulted in would raise; those before it are there.
    pub(crate) fn populate_pages(
        &mut self,
        start: VirtAddr,
        range: AddrRange,
        access: Access,
    ) -> Result<(), Signal> {
        let pages = pages_of(range);
        let mut page = pages.start;
        while page < pages.end {
            let pte = self.space.pages.tree.get(page);
            if !pte.is_present() || access == Access::Write && !pte.is_writable() {
                self.fault_page(start, VirtAddr(page << PAGE_SHIFT), access)?;
            }
            let before = pte;
            let pte = self.space.pages.tree.get(page);
            if before.is_present() && !before.is_writable() && pte.is_writable() {
                self.space.pages.upgraded += 1;
            }
            let is_write = access == Access::Write;
            if pte.is_huge() {
                if is_write && !(pte.is_dirty() && pte.is_young()) {
                    self.accessed_huge(page, pte.young().dirty());
                }
                page = (page | (PageTable::LEAF_PAGES - 1)) + 1;
                continue;
            }
            if pte.is_present() && !pte.is_zero_page() {
                if is_write && !pte.is_dirty() {
                    self.sys.pool.set_dirty(pte.frame());
                }
                self.sys.pool.set_marked(pte.frame(), true);
            }
            page += 1;
        }
        Ok(())
    }
}
