//! `PR_SET_MDWE`: memory that was not executable never becomes so. It can't be taken back.

use super::Args;
use crate::op::Op;
use crate::ops::Answer;
use crate::pages::Memory;
use crate::why::Refusal;

const REFUSE_EXEC_GAIN: u64 = 1;
const NO_INHERIT: u64 = 2;

impl<M: Memory> Op<'_, M> {
    /// Linux: `kernel/sys.c: prctl_set_mdwe`.
    pub(super) fn set_mdwe(&mut self, [bits, a, b, c]: Args) -> Answer {
        let lone = bits & NO_INHERIT != 0 && bits & REFUSE_EXEC_GAIN == 0;
        if a != 0 || b != 0 || c != 0 || bits & !(REFUSE_EXEC_GAIN | NO_INHERIT) != 0 || lone {
            return Err(Refusal::MdweArguments);
        }
        let settings = &mut self.space.settings;
        let present = u64::from(settings.refuse_exec_gain) * REFUSE_EXEC_GAIN
            + u64::from(settings.mdwe_no_inherit) * NO_INHERIT;
        if present != 0 && present != bits {
            return Err(Refusal::MdweOff);
        }
        settings.refuse_exec_gain = bits & REFUSE_EXEC_GAIN != 0;
        settings.mdwe_no_inherit = bits & NO_INHERIT != 0;
        Ok(0)
    }
}
