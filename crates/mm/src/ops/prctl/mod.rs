//! `prctl`, where it changes memory or how it is treated.

mod mdwe;
mod merge_any;
mod name;
mod set_mm;

use abi::PrctlOp;

use super::Answer;
use crate::input::Input;
use crate::op::Op;
use crate::pages::Memory;
use crate::why::Refusal;

/// The arguments after the first.
pub(crate) type Args = [u64; 4];

impl<M: Memory> Op<'_, M> {
    /// Linux: `kernel/sys.c: prctl`.
    pub(crate) fn prctl(&mut self, op: PrctlOp, args: Args, input: &Input) -> Answer {
        match op {
            PrctlOp::SET_MM => self.set_mm(args, input),
            PrctlOp::SET_THP_DISABLE => self.set_thp_disable(args),
            PrctlOp::SET_MDWE => self.set_mdwe(args),
            PrctlOp::SET_MEMORY_MERGE => self.set_memory_merge(args),
            PrctlOp::SET_VMA => self.set_vma(args, input),
            // Every other operation leaves memory alone: its answer is not the map's.
            _ => self.take_over(input),
        }
    }

    /// Linux: `kernel/sys.c: prctl_set_thp_disable`.
    fn set_thp_disable(&mut self, [disable, flags, a, b]: Args) -> Answer {
        const EXCEPT_ADVISED: u64 = 2;
        let disable = disable != 0;
        if a != 0 || b != 0 || (!disable && flags != 0) || flags & !EXCEPT_ADVISED != 0 {
            return Err(Refusal::PrctlArguments);
        }
        let except_advised = flags == EXCEPT_ADVISED;
        self.space.settings.thp_disabled = disable && !except_advised;
        self.space.settings.thp_disabled_except_advised = disable && except_advised;
        Ok(0)
    }
}
