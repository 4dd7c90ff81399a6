//! A memory access: which signal it raises, or what it does to the map.

use abi::{AddrRange, PAGE_SIZE, VirtAddr};

use crate::access::{Access, Signal, Touch};
use crate::file::FileKind;
use crate::flags::VmFlags;
use crate::input::{HugePool, Input};
use crate::mutation::Mutation;
use crate::op::Op;
use crate::pages::Memory;
use crate::space::AddressSpace;
use crate::system::System;
use crate::vma::Vma;
use crate::why::{Refusal, Why};

impl<M: Memory> AddressSpace<M> {
    /// Does a load, store or instruction fetch of one byte: may grow a stack, and a store into a private mapping
    /// gives it an anon_vma.
    ///
    /// Linux: `arch/x86/mm/fault.c: do_user_addr_fault`.
    ///
    /// # Errors
    /// The signal that the access raises; a stack may have grown before.
    pub fn touch(
        &mut self,
        sys: &mut System<M>,
        addr: VirtAddr,
        access: Access,
        input: &Input,
    ) -> Result<Touch, Signal> {
        let result = Op::new(self, sys, input, &mut Why::default()).touch(addr, access);
        debug_assert_eq!(self.validate(), Ok(()), "after {access:?} of {addr}");
        result
    }
}

impl<M: Memory> Op<'_, M> {
    /// Does one access.
    pub(crate) fn touch(&mut self, addr: VirtAddr, access: Access) -> Result<Touch, Signal> {
        let mut done = Touch::Present;
        let mut vma = self.space.vmas.near(addr).ok_or(Signal::SegvMapErr)?;
        if addr < vma.range.start {
            let above = vma.clone();
            self.expand_downwards(&above, addr.page_down()).map_err(|_| Signal::SegvMapErr)?;
            vma = self.space.vmas.find(addr).ok_or(Signal::SegvMapErr)?;
            done = Touch::Grew;
        }
        let start = vma.range.start;
        let flags = vma.flags;
        if let Some(key) = flags.key_refused(M::key_rights(&self.space.pages), access) {
            return Err(Signal::SegvPkuErr { key });
        }
        if !flags.is_accessible() || access == Access::Write && !flags.contains(VmFlags::WRITE) {
            return Err(Signal::SegvAccErr);
        }
        if self.space.guards.contains(addr.page_down()) {
            return Err(Signal::SegvMapErr);
        }
        if vma.is_hugetlb() {
            self.touch_huge(start, addr)?;
            return may_fetch(flags, access).map(|()| done);
        }
        if access == Access::Write && flags.contains(VmFlags::UFFD_WP) {
            M::refused(self, start, addr)?;
            vma = self.space.vmas.find(addr).ok_or(Signal::SegvMapErr)?;
        }
        let past_end = self.is_past_end(vma, addr);
        let lacks_anon = vma.anon.is_none();
        if access == Access::Write && !flags.contains(VmFlags::SHARED) && lacks_anon {
            // Even where the file has no page: the anon_vma comes first (mm/memory.c: do_cow_fault).
            self.space.prepare_anon(self.sys, start);
        }
        if past_end {
            M::missed(self, start, addr, access);
            return Err(Signal::BusAdrErr);
        }
        M::fault(self, start, addr, access)?;
        may_fetch(flags, access).map(|()| done)
    }

    /// Huge pages come from a pool, which is an input: without word of it, it is empty.
    ///
    /// Linux: `mm/hugetlb.c: hugetlb_no_page`.
    pub(super) fn touch_huge(&mut self, start: VirtAddr, addr: VirtAddr) -> Result<(), Signal> {
        let vma = self.space.vmas.find(start).ok_or(Signal::SegvMapErr)?;
        let past_end = self.is_past_end(vma, addr);
        let kind = vma.backing.file_kind().unwrap_or(FileKind::Hugetlb);
        if !past_end && !vma.flags.contains(VmFlags::MAYSHARE) {
            self.space.prepare_anon(self.sys, start);
        }
        let has_page = self.is_stocked(kind) || matches!(self.observed, Some(Ok(_)));
        if past_end || !has_page { Err(Signal::BusAdrErr) } else { Ok(()) }
    }

    /// Tells whether the pool is known to have pages of the size that a file has.
    pub(crate) fn is_stocked(&self, kind: FileKind) -> bool {
        self.huge_pool == HugePool::Stocked && matches!(kind, FileKind::Hugetlb | FileKind::SysVHuge)
    }

    /// Tells whether an address of a mapping lies in a page past the end of its file.
    pub(crate) fn is_past_end(&self, vma: &Vma, addr: VirtAddr) -> bool {
        let Some(file) = vma.backing.file() else { return false };
        if matches!(file.kind, FileKind::ZeroDevice | FileKind::Special(_)) {
            return false;
        }
        let page = vma.pgoff_at(addr.page_down()).0;
        let late = u64::from(self.sys.profile.mutated(Mutation::BusOnePageLate));
        page >= self.sys.file_size(file).div_ceil(PAGE_SIZE) + late
    }

    /// Lets a stack grow down to `to`.
    ///
    /// Linux: `mm/vma.c: expand_downwards`, `acct_stack_growth`.
    ///
    /// # Preconditions
    /// `to` is page-aligned and below the mapping.
    pub(crate) fn expand_downwards(&mut self, vma: &Vma, to: VirtAddr) -> Result<(), Refusal> {
        if !vma.flags.contains(VmFlags::GROWSDOWN) {
            return Err(Refusal::GrowGuard);
        }
        if to < self.sys.profile.mmap_min_addr {
            return Err(Refusal::GrowMinAddr);
        }
        let gap = if self.sys.profile.mutated(Mutation::GrowthGapIgnored) {
            0
        } else {
            self.sys.profile.guard_bytes()
        };
        if let Some(prev) = self.space.vmas.last_starting_before(vma.range.start)
            && !prev.flags.contains(VmFlags::GROWSDOWN)
            && prev.flags.is_accessible()
            && to.0.wrapping_sub(prev.range.end.0) < gap
        {
            return Err(Refusal::GrowGuard);
        }
        self.space.prepare_anon(self.sys, vma.range.start);
        let grown = AddrRange { start: to, end: vma.range.start };
        if grown.pages() > vma.pgoff.0 {
            return Err(Refusal::GrowOffset);
        }
        self.account_growth(vma, grown)?;
        self.space.vmas.update(vma.range.start, |vma| {
            vma.pgoff.0 -= grown.pages();
            vma.range.start = to;
        });
        Ok(())
    }

    /// Linux: `mm/vma.c: acct_stack_growth`.
    fn account_growth(&mut self, vma: &Vma, grown: AddrRange) -> Result<(), Refusal> {
        let pages = grown.pages();
        self.may_expand(vma.flags, pages)?;
        if vma.range.end.0 - grown.start.0 > self.space.limits.stack.soft {
            return Err(Refusal::GrowStackLimit);
        }
        if self.space.lock_future(vma.flags, grown.len(), self.caps).is_err() {
            return Err(Refusal::GrowLock);
        }
        self.charge(pages)?;
        if vma.flags.contains(VmFlags::LOCKED) {
            self.space.counters.locked_vm += pages;
        }
        self.space.counters.add(vma.flags, pages);
        Ok(())
    }
}

/// A fetch brings the page in first: only then the processor looks whether it may be executed.
fn may_fetch(flags: VmFlags, access: Access) -> Result<(), Signal> {
    let refused = access == Access::Exec && !flags.contains(VmFlags::EXEC);
    if refused { Err(Signal::SegvAccErr) } else { Ok(()) }
}
