//! Advice that drops pages. The mappings stay as they are, and so do guard markers.

use abi::Advice;

use crate::file::{FileKind, SEAL_FUTURE_WRITE, SEAL_WRITE};
use crate::flags::VmFlags;
use crate::input::Basis;
use crate::op::Op;
use crate::ops::piece::Piece;
use crate::pages::{Keeps, Memory};
use crate::why::Refusal;

/// Up to here every file system of [`FileKind::Regular`] has offsets; past it the answer is the file system's.
const REGULAR_BYTES_MAX: i64 = 1 << 40;

impl<M: Memory> Op<'_, M> {
    /// `MADV_COLD` and `MADV_PAGEOUT`.
    ///
    /// Linux: `mm/madvise.c: can_madv_lru_vma`.
    pub(super) fn reclaim(&mut self, piece: &Piece, advice: Advice) -> Result<(), Refusal> {
        let barred = VmFlags::LOCKED.with(VmFlags::PFNMAP).with(VmFlags::HUGETLB);
        if piece.vma.flags.intersects(barred) {
            return Err(Refusal::AdviceReclaim);
        }
        match advice {
            Advice::PAGEOUT => M::paged_out(self, piece),
            _ => M::cooled(self, piece.range),
        }
        Ok(())
    }

    /// Linux: `mm/madvise.c: madvise_dontneed_free`, `madvise_dontneed_free_valid_vma`, `madvise_free_single_vma`.
    pub(super) fn discard(&mut self, piece: &Piece, advice: Advice) -> Result<(), Refusal> {
        let vma = &piece.vma;
        if vma.is_hugetlb() {
            let aligned =
                vma.huge_page_bytes().is_some_and(|bytes| piece.range.start.0.is_multiple_of(bytes));
            let refused = advice == Advice::FREE || !aligned;
            return if refused { Err(Refusal::AdviceLocked) } else { Ok(()) };
        }
        let locked = if advice == Advice::DONTNEED_LOCKED { VmFlags::NONE } else { VmFlags::LOCKED };
        if vma.flags.intersects(VmFlags::PFNMAP.with(locked)) {
            return Err(Refusal::AdviceLocked);
        }
        if advice == Advice::FREE && !vma.is_anonymous() {
            return Err(Refusal::AdviceNotAnonymous);
        }
        if advice == Advice::FREE {
            M::freed(self, piece.range);
        } else {
            if vma.flags.contains(VmFlags::LOCKED) {
                M::kept(self, piece.range, Keeps::No);
            }
            M::dropped(self, piece.range);
        }
        Ok(())
    }

    /// `MADV_REMOVE`: a hole punched into the file.
    ///
    /// Linux: `mm/madvise.c: madvise_remove`.
    pub(super) fn punch_hole(&mut self, piece: &Piece) -> Result<(), Refusal> {
        let flags = piece.vma.flags;
        if flags.contains(VmFlags::LOCKED) {
            return Err(Refusal::AdviceNeedsFile);
        }
        let file = piece.vma.backing.file().ok_or(Refusal::AdviceNeedsFile)?;
        if !flags.contains(VmFlags::SHARED.with(VmFlags::MAYWRITE)) {
            return Err(Refusal::AdviceNotWritable);
        }
        if file.kind == FileKind::AioRing {
            return Err(Refusal::HoleUnsupported);
        }
        let offset = piece.vma.pgoff_at(piece.range.start).bytes().0 as i64;
        if offset < 0 {
            return Err(Refusal::HoleOffset);
        }
        let end = offset.checked_add(piece.range.len() as i64).ok_or(Refusal::HoleTooFar)?;
        match file.kind {
            FileKind::Regular if end > REGULAR_BYTES_MAX => {
                self.basis = Basis::TakenOver;
                Ok(())
            }
            FileKind::Shmem | FileKind::Hugetlb | FileKind::HugetlbGib
                if file.seals & (SEAL_WRITE | SEAL_FUTURE_WRITE) != 0 =>
            {
                Err(Refusal::HoleSealed)
            }
            // Its pages are not followed.
            FileKind::Hugetlb | FileKind::HugetlbGib | FileKind::SysVHuge => Ok(()),
            FileKind::Shmem | FileKind::SysV | FileKind::ZeroDevice | FileKind::Regular => {
                let first = piece.vma.pgoff_at(piece.range.start).0;
                M::punched(self, file, first..first + piece.range.pages());
                Ok(())
            }
            FileKind::AioRing | FileKind::Unmappable => Err(Refusal::HoleUnsupported),
            FileKind::RegularHuge
            | FileKind::Fuse
            | FileKind::RegularOther
            | FileKind::Overlay
            | FileKind::Special(_) => {
                // Whether the file system can punch holes is not the map's.
                self.basis = Basis::TakenOver;
                Ok(())
            }
        }
    }
}
