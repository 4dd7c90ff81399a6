//! `mseal`: mappings that may not change any more. Whole ranges only: a hole refuses it before anything is
//! sealed.

use abi::VirtAddr;

use super::Answer;
use super::piece::rounded;
use crate::flags::VmFlags;
use crate::merge::existing::Change;
use crate::mutation::Mutation;
use crate::op::Op;
use crate::pages::Memory;
use crate::why::Refusal;

impl<M: Memory> Op<'_, M> {
    /// Linux: `mm/mseal.c: do_mseal`, `mseal_apply`.
    pub(crate) fn mseal(&mut self, addr: VirtAddr, len: u64, flags: u64) -> Answer {
        if flags != 0 {
            return Err(Refusal::MsealFlags);
        }
        let range = rounded(addr, len).ok_or(Refusal::MsealFlags)?;
        if !self.is_mapped_whole(range) && !self.sys.profile.mutated(Mutation::SealOverHoles) {
            return Err(Refusal::MsealHole);
        }
        let mut rest = range;
        while let Some(piece) = self.piece(rest) {
            rest.start = piece.range.end;
            let flags = piece.vma.flags;
            if !flags.contains(VmFlags::SEALED) {
                self.modify(piece.range, Change::flags(flags.with(VmFlags::SEALED)))?;
            }
        }
        Ok(0)
    }

    /// Tells whether something is mapped at each address of a range.
    pub(crate) fn is_mapped_whole(&self, range: abi::AddrRange) -> bool {
        let mut at = range.start;
        for vma in self.space.vmas.range(range) {
            if vma.range.start > at {
                return false;
            }
            at = vma.range.end;
        }
        at >= range.end
    }
}
