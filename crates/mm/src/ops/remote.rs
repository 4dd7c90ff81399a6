//! Calls on a process by its descriptor: `process_madvise`, `process_mrelease`.

use abi::{Advice, VirtAddr};

use super::Answer;
use super::madvise::iovec;
use crate::input::{Basis, Input, Pointers, Target};
use crate::op::Op;
use crate::pages::Memory;
use crate::why::Refusal;

/// `UIO_MAXIOV`.
const RANGES_MAX: u64 = 1024;
/// The bytes of one `iovec`.
const IOVEC_BYTES: u64 = 16;
/// `MAX_RW_COUNT`: what all ranges together are cut to.
const BYTES_MAX: u64 = 0x7fff_f000;

/// The registers of `process_madvise`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProcessMadvise {
    pub(crate) iovec: VirtAddr,
    pub(crate) count: u64,
    pub(crate) advice: Advice,
    pub(crate) flags: u64,
}

impl<M: Memory> Op<'_, M> {
    /// Advice for ranges of this process or of another; the mappings of another are not changed here: the only
    /// advice allowed for them touches pages alone.
    ///
    /// Linux: `mm/madvise.c: process_madvise`, `vector_madvise`.
    pub(crate) fn process_madvise(&mut self, call: ProcessMadvise, input: &Input) -> Answer {
        if call.flags & 0xffff_ffff != 0 {
            return Err(Refusal::ProcessFlags);
        }
        if call.count > RANGES_MAX {
            return Err(Refusal::IovecLength);
        }
        if input.pointers == Pointers::Bad {
            return Err(Refusal::Unreadable);
        }
        self.user_read(call.iovec, call.count * IOVEC_BYTES)?;
        let ranges = self.import_iovec(input)?;
        match input.target {
            Target::Itself => {}
            Target::Refused(_) => return self.take_over(input),
            Target::Other => return self.advise_other(call.advice, input),
        }
        let mut done = 0;
        let mut left: u64 = ranges.iter().map(|(_, len)| *len).sum();
        for (index, (addr, len)) in ranges.into_iter().enumerate() {
            if left == 0 {
                // Empty ranges at the end are not looked at, nor is the advice for them.
                break;
            }
            if len == 0 && index > 0 {
                // The step from one range to the next goes over empty ones (`lib/iov_iter.c: iov_iter_iovec_advance`).
                continue;
            }
            left -= len;
            match self.advise(addr, len, call.advice) {
                Ok(()) => done += len,
                Err(refusal) if done == 0 && self.basis != Basis::TakenOver => return Err(refusal),
                Err(refusal) => {
                    self.why.refused = Some(refusal);
                    break;
                }
            }
        }
        if self.basis == Basis::TakenOver { self.take_over(input) } else { Ok(done) }
    }

    fn advise_other(&mut self, advice: Advice, input: &Input) -> Answer {
        if !matches!(advice, Advice::COLD | Advice::PAGEOUT | Advice::WILLNEED | Advice::COLLAPSE) {
            return Err(Refusal::RemoteAdvice);
        }
        if !self.caps.sys_nice {
            return Err(Refusal::RemotePrivilege);
        }
        // The other process's map gives the answer; nothing of this one changes.
        self.take_over(input)
    }

    /// Checks the ranges and cuts them where they get too long together.
    ///
    /// Linux: `lib/iov_iter.c: import_iovec`.
    fn import_iovec(&self, input: &Input) -> Result<alloc::vec::Vec<(VirtAddr, u64)>, Refusal> {
        let mut ranges: alloc::vec::Vec<_> = input.ranges.iter().copied().map(iovec).collect();
        if ranges.iter().any(|(_, len)| *len > i64::MAX as u64) {
            return Err(Refusal::IovecLength);
        }
        let mut total = 0;
        if let [(_, len)] = ranges.as_mut_slice() {
            // A single range is cut before it is looked at.
            *len = (*len).min(BYTES_MAX);
        }
        for (addr, len) in &mut ranges {
            if !self.access_ok(*addr, *len) {
                return Err(Refusal::Unreadable);
            }
            *len = (*len).min(BYTES_MAX - total);
            total += *len;
        }
        Ok(ranges)
    }

    /// Linux: `mm/oom_kill.c: process_mrelease`.
    pub(crate) fn process_mrelease(&mut self, flags: u64, input: &Input) -> Answer {
        if flags & 0xffff_ffff != 0 {
            return Err(Refusal::ProcessFlags);
        }
        match input.target {
            // A process that runs this call is not dying.
            Target::Itself => Err(Refusal::NotDying),
            // It frees pages, never mappings: whether there was something to free is the other's state.
            Target::Other | Target::Refused(_) => self.take_over(input),
        }
    }
}
