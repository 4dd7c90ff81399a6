//! `setrlimit`, `prlimit64`: the limits that steer memory.

use abi::{Errno, Resource, VirtAddr};

use super::Answer;
use crate::input::{Input, Pointers, Target};
use crate::op::Op;
use crate::pages::Memory;
use crate::why::Refusal;

impl<M: Memory> Op<'_, M> {
    /// Sets a limit of the process that the call is for, and writes what it was before to `to`, if that is not null.
    ///
    /// Linux: `kernel/sys.c: prlimit64`, `do_prlimit`.
    pub(super) fn set_rlimit(&mut self, resource: Resource, to: VirtAddr, input: &Input) -> Answer {
        let new = match (input.pointers, input.rlimit) {
            (Pointers::Bad, _) => return Err(Refusal::Unreadable),
            (Pointers::Good, new) => new,
        };
        match input.target {
            Target::Itself => {}
            // Which limits it has is not known.
            Target::Other => return self.take_over(input),
            Target::Refused(Errno::ESRCH) => return Err(Refusal::RlimitProcess),
            Target::Refused(_) => return Err(Refusal::RlimitForeign),
        }
        let (Some(new), Some(old)) = (new, self.space.limit(resource)) else { return self.not_modelled() };
        if new.soft > new.hard {
            return Err(Refusal::RlimitOrder);
        }
        if new.hard > old.hard && !self.caps.sys_resource {
            return Err(Refusal::RlimitHigh);
        }
        self.space.set_limit(resource, new);
        // The limit stays set where this can't be written.
        if to != VirtAddr::NULL {
            let words = [old.soft, old.hard].map(u64::to_ne_bytes);
            self.user_write(to, 16)?;
            M::put(self, to, words.as_flattened());
        }
        Ok(0)
    }
}
