//! `mprotect`, `pkey_mprotect`: mapping by mapping. What was changed before a refusal stays changed.
//!
//! ```text
//! rw AAAA BBBB ssss     mprotect(all, r): s is sealed
//!  r AAAABBBB  ssss     EPERM, but A and B are changed, and one
//! ```

use abi::{AddrRange, Prot, VirtAddr};

use super::Answer;
use crate::flags::VmFlags;
use crate::merge::existing::Change;
use crate::mutation::Mutation;
use crate::op::Op;
use crate::pages::Memory;
use crate::vma::Vma;
use crate::why::Refusal;

/// The protection bits that mean something.
const KNOWN: Prot = Prot(Prot::READ.0 | Prot::WRITE.0 | Prot::EXEC.0 | Prot::SEM.0);
/// Flags of a mapping that keep it from being charged once more.
const CHARGED: VmFlags = VmFlags(
    VmFlags::ACCOUNT.0 | VmFlags::WRITE.0 | VmFlags::HUGETLB.0 | VmFlags::SHARED.0 | VmFlags::NORESERVE.0,
);

/// What a change of protection asks of a mapping.
#[derive(Clone, Copy)]
struct Target {
    range: AddrRange,
    flags: VmFlags,
    /// The flags that it loses where it becomes read-only: of private anonymous memory that was never touched.
    unwritten: VmFlags,
}

impl Target {
    fn of(vma: &Vma) -> Self {
        let is_untouched = vma.anon.is_none() && vma.is_anonymous();
        let unwritten = if is_untouched { VmFlags::ACCOUNT } else { VmFlags::NONE };
        Self { range: vma.range, flags: vma.flags, unwritten }
    }
}

impl<M: Memory> Op<'_, M> {
    /// Changes the protection of a range.
    ///
    /// Linux: `mm/mprotect.c: do_mprotect_pkey`.
    pub(super) fn mprotect(&mut self, addr: VirtAddr, len: u64, prot: Prot, key: Option<i32>) -> Answer {
        let grows = Prot(prot.0 & (Prot::GROWSDOWN.0 | Prot::GROWSUP.0));
        let prot = prot.without(grows);
        if grows == Prot::GROWSDOWN | Prot::GROWSUP {
            return Err(Refusal::GrowsBoth);
        }
        if !addr.is_page_aligned() {
            return Err(Refusal::ProtectUnaligned);
        }
        if len == 0 {
            return Ok(0);
        }
        let bytes = VirtAddr(len).page_up_wrapping().0;
        let end = VirtAddr(addr.0.wrapping_add(bytes));
        if end <= addr {
            return Err(Refusal::ProtectOverflow);
        }
        if !prot.without(KNOWN).is_empty() {
            return Err(Refusal::UnknownProt);
        }
        if key.is_some_and(|key| key != -1 && !self.is_key_allocated(key)) {
            return Err(Refusal::NoKey);
        }
        let range = AddrRange { start: addr, end };
        if self.sys.profile.mutated(Mutation::ProtectAtomic) {
            let before = (self.space.clone(), self.sys.clone());
            let answer = self.protect_all(range, grows, prot, key);
            if answer.is_err() {
                (*self.space, *self.sys) = before;
            }
            return answer;
        }
        self.protect_all(range, grows, prot, key)
    }

    /// Changes mapping by mapping from the first one on; `PROT_GROWSDOWN` starts where that starts.
    fn protect_all(&mut self, mut range: AddrRange, grows: Prot, prot: Prot, key: Option<i32>) -> Answer {
        let first = self.space.vmas.near(range.start).ok_or(Refusal::ProtectHole)?;
        if first.range.start >= range.end {
            return Err(Refusal::ProtectHole);
        }
        if grows == Prot::GROWSDOWN {
            if !first.flags.contains(VmFlags::GROWSDOWN) {
                return Err(Refusal::DoesNotGrow);
            }
            range.start = first.range.start;
        } else if first.range.start > range.start {
            return Err(Refusal::ProtectHole);
        } else if grows == Prot::GROWSUP {
            // No mapping grows upwards on this processor.
            return Err(Refusal::DoesNotGrow);
        }
        let mut target = Target::of(first);
        let mut at = range.start;
        loop {
            let part = AddrRange { start: at, end: target.range.end.min(range.end) };
            let start = self.protect_part(target, part, prot, key)?;
            if part.end == range.end {
                return Ok(0);
            }
            // Where the part merged with the mapping above, that one has these flags already.
            at = self.space.vmas.find(start).map_or(part.end, |vma| vma.range.end);
            if at >= range.end {
                return Ok(0);
            }
            target = self.space.vmas.find(at).map(Target::of).ok_or(Refusal::ProtectHole)?;
        }
    }

    fn protect_part(
        &mut self,
        target: Target,
        part: AddrRange,
        mut prot: Prot,
        key: Option<i32>,
    ) -> Result<VirtAddr, Refusal> {
        let old = target.flags;
        let may_exec = old.contains(VmFlags::MAYEXEC);
        if self.space.settings.read_implies_exec && prot.contains(Prot::READ) && may_exec {
            prot = prot | Prot::EXEC;
        }
        let mut flags = old.without(VmFlags::ACCESS) | VmFlags::of_prot(prot);
        if let Some(key) = key
            && key != -1
        {
            flags = flags.without(VmFlags::PKEY) | VmFlags((key as u64) << 32);
        }
        if flags.0 & !(flags.0 >> 4) & VmFlags::ACCESS.0 != 0 {
            return Err(Refusal::MayNotAccess);
        }
        self.space.deny_write_exec(old, flags)?;
        self.protect_flags(target, part, flags)
    }

    /// Gives a part of a mapping new access flags.
    ///
    /// Linux: `mm/mprotect.c: mprotect_fixup`.
    fn protect_flags(
        &mut self,
        target: Target,
        part: AddrRange,
        mut flags: VmFlags,
    ) -> Result<VirtAddr, Refusal> {
        let old = target.flags;
        if old.contains(VmFlags::SEALED) {
            return Err(Refusal::Sealed);
        }
        if flags == old {
            return Ok(target.range.start);
        }
        let pages = part.pages();
        let mut charged = 0;
        if flags.contains(VmFlags::WRITE) {
            if let Err(refusal) = self.may_expand(flags, pages)
                && self.may_expand(old, pages).is_ok()
            {
                return Err(refusal);
            }
            if !old.intersects(CHARGED) {
                self.charge(pages)?;
                charged = pages;
                flags = flags | VmFlags::ACCOUNT;
            }
        } else {
            flags = flags.without(target.unwritten);
        }
        let start = match self.modify(part, Change::flags(flags)) {
            Ok(start) => {
                M::protected(self, part);
                start
            }
            Err(refusal) => {
                self.sys.uncharge(charged);
                return Err(refusal);
            }
        };
        if old.contains(VmFlags::ACCOUNT) && !flags.contains(VmFlags::ACCOUNT) {
            self.sys.uncharge(pages);
        }
        let lock = VmFlags::WRITE | VmFlags::SHARED | VmFlags::LOCKED;
        if old.0 & lock.0 == VmFlags::LOCKED.0 && flags.contains(VmFlags::WRITE) {
            self.populate(part);
        }
        self.space.counters.recount(old, flags, pages);
        Ok(start)
    }

    /// Tells whether a protection key is allocated: without keys in the processor, none is.
    ///
    /// Linux: `arch/x86/include/asm/pkeys.h: mm_pkey_is_allocated`.
    fn is_key_allocated(&self, key: i32) -> bool {
        self.sys.profile.options.pkeys && key == 0
    }
}
