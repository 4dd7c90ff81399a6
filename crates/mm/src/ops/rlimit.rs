//! `setrlimit`, `prlimit64`: the limits that steer memory.

use abi::Resource;

use super::Answer;
use crate::input::{Input, Pointers};
use crate::op::Op;
use crate::pages::Memory;
use crate::why::Refusal;

impl<M: Memory> Op<'_, M> {
    /// Sets a limit of the process.
    ///
    /// Linux: `kernel/sys.c: do_prlimit`.
    pub(super) fn set_rlimit(&mut self, resource: Resource, input: &Input) -> Answer {
        let new = match (input.pointers, input.rlimit) {
            (Pointers::Good, Some(new)) => new,
            (Pointers::Good, None) => return self.not_modelled(),
            (Pointers::Bad, _) => return Err(Refusal::Unreadable),
        };
        let Some(old) = self.space.limit(resource) else { return self.not_modelled() };
        if new.soft > new.hard {
            return Err(Refusal::RlimitOrder);
        }
        if new.hard > old.hard && !self.caps.sys_resource {
            return Err(Refusal::RlimitHigh);
        }
        self.space.set_limit(resource, new);
        Ok(0)
    }
}
