//! userfaultfd: faults that a program answers itself, and the calls that answer them.
//!
//! ```text
//! load, store --> Signal::Userfault      the access waits; a call answers, the access is done again
//!                 Signal::BusAdrErr      with UFFD_FEATURE_SIGBUS
//! ```

use alloc::sync::Arc;

use abi::{AddrRange, PAGE_SHIFT, PAGE_SIZE, VirtAddr};

use super::Pages;
use super::cache;
use super::frames::{Fill, Frames, Holds};
use super::pte::Pte;
use crate::access::{Access, Signal, UserfaultReason};
use crate::file::MapFile;
use crate::flags::VmFlags;
use crate::input::Uffd;
use crate::mutation::Mutation;
use crate::op::{By, Op};
use crate::thp;
use crate::vma::Vma;
use crate::why::Refusal;

/// What a page is filled with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Answered {
    /// A copy of what is at an address (`UFFDIO_COPY`).
    Copy(VirtAddr),
    /// Zeroes (`UFFDIO_ZEROPAGE`).
    Zeroes,
    /// What the file has (`UFFDIO_CONTINUE`).
    Continue,
    /// A mark that it is broken (`UFFDIO_POISON`).
    Poison,
}

/// Whether a page may be written once it is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Then {
    /// As its mapping allows.
    Open,
    /// Not before a userfaultfd is told.
    Protected,
}

impl<F: Frames> Op<'_, Pages<F>> {
    /// A page of anonymous memory is missing: a userfaultfd may want to know.
    ///
    /// Linux: `mm/memory.c: do_anonymous_page`, `mm/huge_memory.c: do_huge_pmd_anonymous_page`.
    pub(super) fn miss_anonymous(
        &mut self,
        start: VirtAddr,
        page: u64,
        access: Access,
    ) -> Result<(), Signal> {
        let Some(vma) = self.space.vmas.find(start) else { return Ok(()) };
        let by_rules = thp::is_allowed(self.sys.profile.thp, self.space.settings, vma.flags);
        let huge = by_rules && thp::place_in(vma, page).is_some() && !self.space.pages.tree.has_leaf(page);
        let told = self.tell(start, UserfaultReason::Missing, access);
        if told.is_err() {
            // What comes before it is asked stays: an anon_vma, tables.
            if huge {
                self.space.prepare_anon(self.sys, start);
                self.space.pages.tree.reach(page);
            } else {
                self.space.pages.tree.leaf(page);
            }
        }
        told
    }

    /// A page of a file in memory is not mapped: a userfaultfd may want to know.
    ///
    /// Linux: `mm/shmem.c: shmem_get_folio_gfp`.
    pub(super) fn miss_shared(&mut self, start: VirtAddr, page: u64, access: Access) -> Result<(), Signal> {
        let Some(vma) = self.space.vmas.find(start).filter(|vma| vma.flags.intersects(VmFlags::UFFD)) else {
            return Ok(());
        };
        let Some(file) = vma.backing.file().filter(|file| cache::holds(file.kind) == Holds::Shmem) else {
            return Ok(());
        };
        let offset = vma.pgoff_at(VirtAddr(page << PAGE_SHIFT)).0;
        let cached = self.sys.pool.cached(file.object, offset).is_some();
        let reason = if cached { UserfaultReason::Minor } else { UserfaultReason::Missing };
        let told = self.tell(start, reason, access);
        if told.is_err() {
            self.space.pages.tree.reach(page);
        }
        told
    }

    /// Linux: `fs/userfaultfd.c: handle_userfault`.
    fn tell(&self, start: VirtAddr, reason: UserfaultReason, access: Access) -> Result<(), Signal> {
        let Some(vma) = self.space.vmas.find(start) else { return Ok(()) };
        let asked = match reason {
            UserfaultReason::Missing => VmFlags::UFFD_MISSING,
            UserfaultReason::Minor => VmFlags::UFFD_MINOR,
            UserfaultReason::WriteProtected => VmFlags::UFFD_WP,
        };
        let Some(uffd) =
            vma.extra.as_ref().and_then(|extra| extra.uffd).filter(|_| vma.flags.contains(asked))
        else {
            return Ok(());
        };
        let is_missing = reason != UserfaultReason::WriteProtected;
        if is_missing && self.sys.profile.mutated(Mutation::MissingUntold) {
            return Ok(());
        }
        if uffd.has(Uffd::SIGBUS) {
            return Err(Signal::BusAdrErr);
        }
        match self.by {
            By::Program => Err(Signal::Userfault { id: uffd.id, reason, access }),
            // The call waits until it was answered; with what is not known: as if with zeroes.
            By::Kernel => Ok(()),
        }
    }

    /// Tells whether a mapping is registered for write protection.
    pub(super) fn heeds_protection(&self, start: VirtAddr) -> bool {
        self.space.vmas.find(start).is_some_and(|vma| vma.flags.contains(VmFlags::UFFD_WP))
    }

    /// A page is to be written that may be write-protected: then a userfaultfd is told before anything else is done.
    ///
    /// Linux: `mm/memory.c: do_wp_page`.
    pub(crate) fn refuse_write(&mut self, start: VirtAddr, addr: VirtAddr) -> Result<(), Signal> {
        let pte = self.space.pages.tree.get(addr.0 >> PAGE_SHIFT);
        if !pte.is_present() || !pte.is_uffd_wp() || self.is_async(start) {
            return Ok(());
        }
        self.tell(start, UserfaultReason::WriteProtected, Access::Write)
    }

    fn is_async(&self, start: VirtAddr) -> bool {
        let uffd = self.space.vmas.find(start).and_then(|vma| vma.extra.as_ref()?.uffd);
        uffd.is_some_and(|uffd| uffd.has(Uffd::WP_ASYNC))
    }

    /// A page that may not be written is to be: where a userfaultfd protects it, it is told, or the protection just ends.
    ///
    /// Linux: `mm/memory.c: do_wp_page`, `wp_huge_pmd`.
    pub(super) fn without_protection(&mut self, start: VirtAddr, page: u64, pte: Pte) -> Result<Pte, Signal> {
        if !pte.is_uffd_wp() || !self.heeds_protection(start) {
            return Ok(pte);
        }
        self.refuse_write(start, VirtAddr(page << PAGE_SHIFT))?;
        if pte.is_huge() {
            self.split_huge(page);
        }
        let open = self.space.pages.tree.get(page).without_uffd_wp();
        self.install(page, open);
        Ok(open)
    }

    /// What came where a mark was is protected as the mark said; a write finds it so.
    ///
    /// Linux: `mm/memory.c: vmf_orig_pte_uffd_wp`.
    pub(super) fn protect_again(&mut self, start: VirtAddr, page: u64, access: Access) -> Result<(), Signal> {
        let pte = self.space.pages.tree.get(page).uffd_wp();
        self.install(page, pte);
        if access == Access::Write { self.write_protected(start, page, pte) } else { Ok(()) }
    }

    /// Puts a page where one is missing.
    ///
    /// Linux: `mm/userfaultfd.c: mfill_atomic`, `mfill_atomic_install_pte`.
    pub(crate) fn answer_page(
        &mut self,
        vma: &Vma,
        at: VirtAddr,
        with: Answered,
        then: Then,
    ) -> Result<(), Refusal> {
        let page = at.0 >> PAGE_SHIFT;
        if self.space.pages.tree.get(page).is_huge() {
            return Err(Refusal::UffdThere);
        }
        self.space.pages.tree.leaf(page);
        let shared = vma.flags.contains(VmFlags::SHARED);
        let bytes = match with {
            Answered::Copy(from) => Some(self.fetch_page(from)?),
            Answered::Zeroes | Answered::Continue | Answered::Poison => None,
        };
        let past_end = self.is_past_end(vma, at);
        let pte = self.space.pages.tree.get(page);
        let is_guarded = self.space.guards.contains(at);
        if with == Answered::Poison {
            self.noted_file(vma);
            return self.poison_page(page, past_end, !pte.is_none() || is_guarded);
        }
        // A mark is in nobody's way but of what is no page either.
        let is_marked = pte.is_mark() || is_guarded;
        let is_there = pte.is_present() || pte.is_swapped();
        match self.noted_file(vma) {
            Some(file) if shared || with == Answered::Continue => {
                let offset = vma.pgoff_at(at).0;
                let cached = self.sys.pool.cached(file.object, offset).is_some();
                if past_end && with == Answered::Continue {
                    return Err(Refusal::UffdPastEnd);
                }
                if past_end || with == Answered::Continue && !cached {
                    return Err(Refusal::UffdNothing);
                }
                if is_there || with != Answered::Continue && cached {
                    return Err(Refusal::UffdThere);
                }
                let found = self.sys.pool.page_of(file.object, offset, cache::holds(file.kind));
                let (frame, _) = found.map_err(|_| Refusal::UffdNothing)?;
                let holds = self.sys.pool.meta(frame).holds;
                self.sys.pool.meta_mut(frame).maps += 1;
                self.space.pages.rss.add(holds);
                let pte = Pte::of(frame).dirty();
                let may_write = shared && vma.flags.contains(VmFlags::WRITE);
                self.install(page, if may_write { pte.writable() } else { pte });
                self.fill_frame(frame, bytes.as_deref());
            }
            _ if past_end => return Err(Refusal::UffdNothing),
            _ if is_there || is_marked && with == Answered::Zeroes => return Err(Refusal::UffdThere),
            _ if with == Answered::Zeroes => self.install(page, Pte::of(super::frames::FrameId::ZERO)),
            _ => {
                let frame = self.sys.pool.take(Holds::Anon, Fill::Zeroes);
                self.own(frame, vma.flags);
                let pte = Pte::of(frame).dirty();
                self.install(page, if vma.flags.contains(VmFlags::WRITE) { pte.writable() } else { pte });
                self.fill_frame(frame, bytes.as_deref());
            }
        }
        if then == Then::Protected {
            let pte = self.space.pages.tree.get(page);
            self.install(page, pte.uffd_wp());
        }
        if is_guarded {
            self.space.guards.remove(AddrRange { start: at, end: VirtAddr(at.0 + PAGE_SIZE) });
        }
        Ok(())
    }

    /// Returns the file of a mapping; what happens to its pages is followed from now on, as also what is no page of its goes
    /// when it is truncated.
    fn noted_file(&mut self, vma: &Vma) -> Option<Arc<MapFile>> {
        let file = vma.backing.file().filter(|_| !vma.is_anonymous())?;
        self.sys.pool.note_mapped(file.object);
        Some(Arc::clone(file))
    }

    /// Linux: `mm/userfaultfd.c: mfill_atomic_pte_poison`.
    fn poison_page(&mut self, page: u64, past_end: bool, is_there: bool) -> Result<(), Refusal> {
        if past_end {
            return Err(Refusal::UffdNothing);
        }
        if is_there {
            return Err(Refusal::UffdThere);
        }
        self.install(page, Pte::POISONED);
        Ok(())
    }

    /// Reads what a page is to be filled with; it need not begin at a page's edge.
    fn fetch_page(&mut self, from: VirtAddr) -> Result<alloc::vec::Vec<u8>, Refusal> {
        self.user_read(from, PAGE_SIZE)?;
        let mut bytes = alloc::vec![0; PAGE_SIZE as usize];
        for (at, part) in super::access::parts(from, bytes.len()) {
            let frame = self.space.pages.tree.get(at.0 >> PAGE_SHIFT).frame();
            let (inside, len) = ((at.0 % PAGE_SIZE) as usize, part.len());
            self.sys.pool.bytes.change(frame, |page| bytes[part].copy_from_slice(&page[inside..][..len]));
        }
        Ok(bytes)
    }

    fn fill_frame(&mut self, frame: super::frames::FrameId, bytes: Option<&[u8]>) {
        if let Some(bytes) = bytes {
            self.sys.pool.bytes.change(frame, |page| page.copy_from_slice(bytes));
        }
    }
}
