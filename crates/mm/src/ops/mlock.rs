//! `mlock`, `mlock2`, `munlock`, `mlockall`, `munlockall`: pages that stay in memory.
//!
//! ```text
//! AAAA[AAAA|BB]BB   ->  AAAALLLLMMBB     split, flags changed, counted once
//! AA[AA..BB]        ->  AALL..BB         ENOMEM at the hole; what lies before it is locked
//! ```

use abi::{AddrRange, MlockFlags, MlockallFlags, PAGE_SHIFT, PAGE_SIZE, VirtAddr};

use super::Answer;
use super::piece::Piece;
use crate::flags::VmFlags;
use crate::merge::existing::Change;
use crate::mutation::Mutation;
use crate::op::Op;
use crate::pages::{Keeps, Memory};
use crate::why::Refusal;

/// Rounds out to pages as the kernel does, wrapping.
fn lock_pages(addr: VirtAddr, len: u64) -> (VirtAddr, u64) {
    let into = addr.0 & (PAGE_SIZE - 1);
    (addr.page_down(), VirtAddr(len.wrapping_add(into)).page_up_wrapping().0)
}

impl<M: Memory> Op<'_, M> {
    /// Linux: `mm/mlock.c: mlock2`.
    pub(crate) fn mlock2(&mut self, addr: VirtAddr, len: u64, flags: MlockFlags) -> Answer {
        // The kernel reads an int.
        let flags = MlockFlags(u64::from(flags.0 as u32));
        if !flags.without(MlockFlags::ONFAULT).is_empty() {
            return Err(Refusal::MlockFlags);
        }
        let on_fault = flags.contains(MlockFlags::ONFAULT);
        self.mlock(addr, len, if on_fault { VmFlags::LOCKED_MASK } else { VmFlags::LOCKED })
    }

    /// Linux: `mm/mlock.c: do_mlock`.
    pub(crate) fn mlock(&mut self, addr: VirtAddr, len: u64, flags: VmFlags) -> Answer {
        self.space.can_lock(self.caps)?;
        let (start, len) = lock_pages(addr, len);
        let limit = self.space.limits.memlock.soft >> PAGE_SHIFT;
        let mut locked = (len >> PAGE_SHIFT).wrapping_add(self.space.counters.locked_vm);
        if locked > limit && !self.caps.ipc_lock && !self.sys.profile.mutated(Mutation::LockCountsTwice) {
            locked = locked.wrapping_sub(self.locked_pages_in(start, len));
        }
        if locked > limit && !self.caps.ipc_lock {
            return Err(Refusal::MlockLimit);
        }
        let range = self.apply_lock(start, len, flags)?;
        self.try_populate(range)?;
        Ok(0)
    }

    /// Linux: `mm/mlock.c: munlock`.
    pub(crate) fn munlock(&mut self, addr: VirtAddr, len: u64) -> Answer {
        let (start, len) = lock_pages(addr, len);
        self.apply_lock(start, len, VmFlags::NONE)?;
        Ok(0)
    }

    /// Linux: `mm/mlock.c: mlockall`.
    pub(crate) fn mlockall(&mut self, flags: MlockallFlags) -> Answer {
        let flags = MlockallFlags(u64::from(flags.0 as u32));
        let known = MlockallFlags::CURRENT | MlockallFlags::FUTURE | MlockallFlags::ONFAULT;
        if flags.is_empty() || !flags.without(known).is_empty() || flags == MlockallFlags::ONFAULT {
            return Err(Refusal::MlockallFlags);
        }
        self.space.can_lock(self.caps)?;
        let current = flags.contains(MlockallFlags::CURRENT);
        let limit = self.space.limits.memlock.soft >> PAGE_SHIFT;
        if current && self.space.counters.total_vm > limit && !self.caps.ipc_lock {
            return Err(Refusal::MlockallLimit);
        }
        self.apply_lock_all(flags);
        if current {
            let all = AddrRange { start: VirtAddr::NULL, end: self.sys.profile.task_size };
            self.populate(all);
        }
        Ok(0)
    }

    /// Linux: `mm/mlock.c: munlockall`.
    pub(crate) fn munlockall(&mut self) -> Answer {
        self.apply_lock_all(MlockallFlags::NONE);
        Ok(0)
    }

    /// Gives the mappings of a range the lock flags.
    ///
    /// Linux: `mm/mlock.c: apply_vma_lock_flags`.
    fn apply_lock(&mut self, start: VirtAddr, len: u64, flags: VmFlags) -> Result<AddrRange, Refusal> {
        let range = AddrRange::from_len(start, len).ok_or(Refusal::MlockRange)?;
        let mut rest = range;
        while !rest.is_empty() {
            let piece = self.piece(rest).filter(|piece| piece.range.start == rest.start);
            let piece = piece.ok_or(Refusal::MlockHole)?;
            self.lock_piece(&piece, flags)?;
            rest.start = piece.range.end;
        }
        Ok(range)
    }

    /// Linux: `mm/mlock.c: apply_mlockall_flags`.
    fn apply_lock_all(&mut self, flags: MlockallFlags) {
        let on_fault = flags.contains(MlockallFlags::ONFAULT);
        let lock = if on_fault { VmFlags::LOCKED_MASK } else { VmFlags::LOCKED };
        let current = flags.contains(MlockallFlags::CURRENT);
        let unlocked = self.space.def_flags.without(VmFlags::LOCKED_MASK);
        let future = flags.contains(MlockallFlags::FUTURE);
        self.space.def_flags = if future { unlocked.with(lock) } else { unlocked };
        if future && !current {
            return;
        }
        let mut rest = AddrRange { start: VirtAddr::NULL, end: VirtAddr(u64::MAX) };
        while let Some(piece) = self.piece(rest) {
            // Errors of single mappings are passed over.
            let _refused = self.lock_piece(&piece, if current { lock } else { VmFlags::NONE });
            rest.start = piece.range.end;
        }
    }

    /// Gives a piece the lock flags and counts it, unless its mapping is never locked.
    ///
    /// Linux: `mm/mlock.c: mlock_fixup`.
    fn lock_piece(&mut self, piece: &Piece, flags: VmFlags) -> Result<(), Refusal> {
        let old = piece.vma.flags;
        let new = old.without(VmFlags::LOCKED_MASK).with(flags);
        if new == old || !piece.vma.supports_mlock() {
            return Ok(());
        }
        self.modify(piece.range, Change::flags(new))?;
        let locked = &mut self.space.counters.locked_vm;
        if !new.contains(VmFlags::LOCKED) {
            *locked = locked.wrapping_sub(piece.range.pages());
            M::kept(self, piece.range, Keeps::No);
        } else if !old.contains(VmFlags::LOCKED) {
            *locked = locked.wrapping_add(piece.range.pages());
            M::kept(self, piece.range, Keeps::Yes);
        }
        Ok(())
    }

    /// Linux: `mm/mlock.c: count_mm_mlocked_page_nr`.
    fn locked_pages_in(&self, start: VirtAddr, len: u64) -> u64 {
        let range = AddrRange { start, end: VirtAddr(start.0.saturating_add(len)) };
        let locked = self.space.vmas.range(range).filter(|vma| vma.flags.contains(VmFlags::LOCKED));
        locked.filter_map(|vma| vma.range.intersection(range)).map(AddrRange::pages).sum()
    }
}
