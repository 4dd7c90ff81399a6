//! Locking, and the faults that come with it and without.

use core::ops::Range;

use abi::{Errno, MlockallFlags};

use super::model::{Answer, Oracle, PAGES};
use super::steps::Span;
use crate::flags::VmFlags;

/// What an access does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Touched {
    Page,
    /// A stack grew to the page before.
    Grew,
    /// `SEGV_MAPERR`.
    Unmapped,
    /// `SEGV_ACCERR`.
    Refused,
    /// `SIGBUS`.
    PastEnd,
}

impl Oracle {
    /// Linux: `mm/mlock.c: do_mlock`.
    pub(super) fn lock(&mut self, span: Span, on_fault: bool) -> Answer {
        let memory = self.now();
        if memory.limits.memlock == 0 {
            return Err(Errno::EPERM);
        }
        let there = memory.pages[span.range()].iter().flatten();
        let already = there.filter(|page| page.has(VmFlags::LOCKED)).count();
        if memory.locked_vm() + span.pages - already > memory.limits.memlock {
            return Err(Errno::ENOMEM);
        }
        self.set_locks(span.range(), if on_fault { VmFlags::LOCKED_MASK } else { VmFlags::LOCKED })?;
        let mut at = span.at;
        while let Some(next) = self.now().next_mapped(at).filter(|next| *next < span.range().end) {
            at = self.now().end_of(next).min(span.range().end);
            self.fault_in(next..at).map_err(|()| Errno::ENOMEM)?;
        }
        Ok(0)
    }

    /// Linux: `mm/mlock.c: mlockall`, `apply_mlockall_flags`.
    pub(super) fn lock_all(&mut self, flags: MlockallFlags) -> Answer {
        if flags == MlockallFlags::ONFAULT {
            return Err(Errno::EINVAL);
        }
        let memory = self.now();
        if memory.limits.memlock == 0 {
            return Err(Errno::EPERM);
        }
        let current = flags.contains(MlockallFlags::CURRENT);
        if current && memory.total_vm() > memory.limits.memlock {
            return Err(Errno::ENOMEM);
        }
        let on_fault = flags.contains(MlockallFlags::ONFAULT);
        let lock = if on_fault { VmFlags::LOCKED_MASK } else { VmFlags::LOCKED };
        let future = flags.contains(MlockallFlags::FUTURE);
        self.now_mut().future = if future { lock } else { VmFlags::NONE };
        if current {
            self.lock_each(lock);
            self.populate(0..PAGES);
        }
        Ok(0)
    }

    /// Linux: `mm/mlock.c: munlockall`.
    pub(super) fn unlock_all(&mut self) -> Answer {
        self.now_mut().future = VmFlags::NONE;
        self.lock_each(VmFlags::NONE);
        Ok(0)
    }

    fn lock_each(&mut self, lock: VmFlags) {
        let mut at = 0;
        while let Some(next) = self.now().next_mapped(at) {
            at = self.now().end_of(next);
            self.lock_piece(next..at, lock).expect("a whole mapping needs no split");
        }
    }

    /// Faults in what can be.
    ///
    /// Linux: `mm/gup.c: __mm_populate`.
    pub(super) fn populate(&mut self, range: Range<usize>) {
        let mut at = range.start;
        while let Some(next) = self.now().next_mapped(at).filter(|next| *next < range.end) {
            at = self.now().end_of(next).min(range.end);
            let _refused = self.fault_in(next..at);
        }
    }

    /// Faults in the pages of one mapping up to the first that can't be.
    ///
    /// Linux: `mm/gup.c: populate_vma_page_range`.
    fn fault_in(&mut self, piece: Range<usize>) -> Result<(), ()> {
        for at in piece {
            let page = self.now().page(at).expect("a piece is mapped");
            if page.has(VmFlags::LOCKONFAULT) {
                return Ok(());
            }
            if !page.has(VmFlags::ACCESS) || page.guard {
                return Err(());
            }
            let past_end = self.is_past_end(page);
            if page.has(VmFlags::WRITE) && !page.has(VmFlags::SHARED) {
                self.prepare(at);
            }
            if past_end {
                return Err(());
            }
        }
        Ok(())
    }

    /// Linux: `mm/madvise.c: madvise_populate`.
    pub(super) fn populate_advised(&mut self, range: Range<usize>, access: VmFlags) -> Answer {
        for at in range {
            let page = self.now().page(at).ok_or(Errno::ENOMEM)?;
            if !page.has(access) {
                return Err(Errno::EINVAL);
            }
            if page.guard {
                return Err(Errno::EFAULT);
            }
            let past_end = self.is_past_end(page);
            if access == VmFlags::WRITE && !page.has(VmFlags::SHARED) {
                self.prepare(at);
            }
            if past_end {
                return Err(Errno::EFAULT);
            }
        }
        Ok(0)
    }

    /// Linux: `arch/x86/mm/fault.c: do_user_addr_fault`.
    pub(super) fn touch(&mut self, at: usize, write: bool) -> Touched {
        let mut touched = Touched::Page;
        let Some(next) = self.now().next_mapped(at) else { return Touched::Unmapped };
        if next > at {
            if self.grow(next, at).is_err() {
                return Touched::Unmapped;
            }
            touched = Touched::Grew;
        }
        let page = self.now().page(at).expect("it is mapped now");
        if !page.has(VmFlags::ACCESS) || write && !page.has(VmFlags::WRITE) {
            return Touched::Refused;
        }
        if page.guard {
            return Touched::Unmapped;
        }
        let past_end = self.is_past_end(page);
        if write && !page.has(VmFlags::SHARED) {
            // Even where there is no page: the anon_vma comes first.
            self.prepare(at);
        }
        if past_end { Touched::PastEnd } else { touched }
    }
}
