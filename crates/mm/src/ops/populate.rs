//! Faulting pages in on purpose: after locking, and `MADV_POPULATE_*`.

use abi::{AddrRange, PAGE_SHIFT, PAGE_SIZE, VirtAddr};

use super::piece::Piece;
use crate::access::{Access, Signal};
use crate::file::FileKind;
use crate::flags::VmFlags;
use crate::input::{Basis, Uffd};
use crate::op::{By, Op};
use crate::pages::Memory;
use crate::vma::Vma;
use crate::why::Refusal;

/// Why a page can't be faulted in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum BadPage {
    Guard(VirtAddr),
    PastEnd(VirtAddr),
}

impl<M: Memory> Op<'_, M> {
    /// Faults in what is mapped in a range: private writable memory as by writing, the rest as by reading.
    /// Pages that can't be are passed over.
    ///
    /// Linux: `mm/gup.c: __mm_populate`.
    pub(crate) fn populate(&mut self, range: AddrRange) {
        let mut rest = range;
        while let Some(piece) = self.piece(rest) {
            rest.start = piece.range.end;
            // Nobody is told.
            let _refused = self.populate_piece(&piece);
        }
    }

    /// As [`Op::populate`], up to the first page that can't be.
    pub(crate) fn try_populate(&mut self, range: AddrRange) -> Result<(), Refusal> {
        let mut rest = range;
        while let Some(piece) = self.piece(rest) {
            rest.start = piece.range.end;
            self.ask_userfaultfd(&piece, Refusal::MlockPopulate)?;
            self.populate_piece(&piece)?;
        }
        Ok(())
    }

    /// Linux: `mm/gup.c: populate_vma_page_range`.
    fn populate_piece(&mut self, piece: &Piece) -> Result<(), Refusal> {
        let flags = piece.vma.flags;
        if flags.intersects(VmFlags::IO.with(VmFlags::PFNMAP).with(VmFlags::LOCKONFAULT)) {
            return Ok(());
        }
        if !flags.is_accessible() {
            return Err(Refusal::MlockPopulate);
        }
        let write = flags.contains(VmFlags::WRITE) && !flags.contains(VmFlags::SHARED);
        if !write && !flags.intersects(VmFlags::READ.with(VmFlags::MAYREAD)) {
            return Err(Refusal::MlockPopulate);
        }
        let access = if write { Access::Write } else { Access::Read };
        self.fault_in(piece, access).map_err(|_| Refusal::MlockPopulate)
    }

    /// `MADV_POPULATE_READ` and `MADV_POPULATE_WRITE`.
    ///
    /// Linux: `mm/madvise.c: madvise_populate`.
    pub(crate) fn populate_advice(&mut self, range: AddrRange, access: Access) -> Result<(), Refusal> {
        let mut rest = range;
        while !rest.is_empty() {
            let piece = self.piece(rest).filter(|piece| piece.range.start == rest.start);
            let piece = piece.ok_or(Refusal::PopulateHole)?;
            let flags = piece.vma.flags;
            let allowed = match access {
                Access::Write => flags.contains(VmFlags::WRITE) && !flags.contains(VmFlags::SHADOW_STACK),
                _ => flags.contains(VmFlags::READ),
            };
            if !allowed || flags.intersects(VmFlags::IO.with(VmFlags::PFNMAP)) {
                return Err(Refusal::PopulateAccess);
            }
            self.ask_userfaultfd(&piece, Refusal::PopulateFault)?;
            self.fault_in(&piece, access).map_err(|signal| match signal {
                Signal::BusBroken => Refusal::PopulateBroken,
                _ => Refusal::PopulateFault,
            })?;
            rest.start = piece.range.end;
        }
        Ok(())
    }

    /// Memory registered with a userfaultfd: whether its pages come depends on who answers, and whether faults of the kernel are
    /// told at all. The call's own answer says it; with `UFFD_FEATURE_SIGBUS` missing pages are refused.
    ///
    /// Linux: `fs/userfaultfd.c: handle_userfault`.
    fn ask_userfaultfd(&mut self, piece: &Piece, refusal: Refusal) -> Result<(), Refusal> {
        let vma = &piece.vma;
        let uffd = vma.extra.as_ref().and_then(|extra| extra.uffd);
        let by_rules = M::KEEPS_PAGES && uffd.is_some_and(|uffd| uffd.has(Uffd::SIGBUS));
        if by_rules || !vma.flags.intersects(VmFlags::UFFD_MISSING.with(VmFlags::UFFD_MINOR)) {
            return Ok(());
        }
        self.basis = Basis::TakenOver;
        if matches!(self.observed, Some(Err(_))) { Err(refusal) } else { Ok(()) }
    }

    /// Faults in the pages of a piece up to the first that can't be.
    fn fault_in(&mut self, piece: &Piece, access: Access) -> Result<(), Signal> {
        if piece.vma.is_hugetlb() {
            self.touch_huge(piece.vma.range.start, piece.range.start)?;
            let past = self.first_past_end(&piece.vma, piece.range);
            return past.map_or(Ok(()), |_| Err(Signal::BusAdrErr));
        }
        if let Some(key) = piece.vma.flags.key_refused(M::key_rights(&self.space.pages), access) {
            return Err(Signal::SegvPkuErr { key });
        }
        if access == Access::Write && piece.vma.flags.contains(VmFlags::UFFD_WP) {
            M::refused(self, piece.vma.range.start, piece.range.start)?;
        }
        let bad = self.first_bad_page(piece);
        // A copy of a file's page gets its anon_vma before the page is looked for (mm/memory.c: do_cow_fault).
        let reaches = match bad {
            None | Some(BadPage::PastEnd(_)) => true,
            Some(BadPage::Guard(at)) => at > piece.range.start,
        };
        if access == Access::Write && !piece.vma.flags.contains(VmFlags::SHARED) && reaches {
            self.space.prepare_anon(self.sys, piece.vma.range.start);
        }
        let end = match bad {
            None => piece.range.end,
            Some(BadPage::Guard(at) | BadPage::PastEnd(at)) => at,
        };
        let by = core::mem::replace(&mut self.by, By::Kernel);
        let populated = M::populate(self, piece.vma.range.start, AddrRange { end, ..piece.range }, access);
        self.by = by;
        populated?;
        match bad {
            None => Ok(()),
            Some(BadPage::Guard(_)) => Err(Signal::SegvMapErr),
            Some(BadPage::PastEnd(at)) => {
                M::missed(self, piece.vma.range.start, at, access);
                Err(Signal::BusAdrErr)
            }
        }
    }

    fn first_bad_page(&self, piece: &Piece) -> Option<BadPage> {
        let guard = self.space.guards.first_in(piece.range);
        let past = self.first_past_end(&piece.vma, piece.range);
        match (guard, past) {
            (Some(guard), Some(past)) if past < guard => Some(BadPage::PastEnd(past)),
            (Some(guard), _) => Some(BadPage::Guard(guard)),
            (None, past) => past.map(BadPage::PastEnd),
        }
    }

    /// Returns the first page of a part of a mapping that lies past the end of the file.
    fn first_past_end(&self, vma: &Vma, range: AddrRange) -> Option<VirtAddr> {
        let file = vma.backing.file()?;
        if matches!(file.kind, FileKind::ZeroDevice | FileKind::Special(_)) {
            return None;
        }
        let pages = self.sys.file_size(file).div_ceil(PAGE_SIZE);
        let within = pages.saturating_sub(vma.pgoff.0).min(vma.pages());
        let end = VirtAddr(vma.range.start.0 + (within << PAGE_SHIFT));
        (end < range.end).then(|| end.max(range.start))
    }
}
