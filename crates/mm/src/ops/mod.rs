//! The operations, one a file, and the way from a call to its operation.

mod brk;
pub(crate) mod mmap;
mod mprotect;
mod munmap;
mod rlimit;
mod touch;

use abi::{Call, PAGE_SHIFT, PageOff};

use self::mmap::Request;
use crate::input::{Basis, Input, Outcome};
use crate::op::Op;
use crate::space::AddressSpace;
use crate::system::System;
use crate::why::Refusal;

/// What an operation answers: the return value, or the check that refused.
pub(crate) type Answer = Result<u64, Refusal>;

impl AddressSpace {
    /// Does a call as the kernel does it: changes the mappings and answers.
    ///
    /// The arguments are those of the registers; what the kernel reads besides them is `input`. A call without
    /// rules changes nothing and says so in [`Outcome::basis`].
    pub fn call(&mut self, sys: &mut System, call: Call, input: &Input) -> Outcome {
        let mut op = Op::new(self, sys, input);
        let answer = op.dispatch(call, input);
        let outcome = op.finish(answer);
        debug_assert_eq!(self.validate(), Ok(()), "after {call}");
        outcome
    }
}

impl Op<'_> {
    fn dispatch(&mut self, call: Call, input: &Input) -> Answer {
        match call {
            Call::Mmap { addr, len, prot, flags, fd: _, offset } => {
                let pgoff = PageOff(offset >> PAGE_SHIFT);
                let request = Request { file: None, addr, len, prot, flags, pgoff };
                self.mmap(request, offset, &input.file)
            }
            Call::Munmap { addr, len } => self.munmap(addr, len),
            Call::Mprotect { addr, len, prot } => self.mprotect(addr, len, prot, None),
            Call::PkeyMprotect { addr, len, prot, pkey } => self.mprotect(addr, len, prot, Some(pkey)),
            Call::Brk { addr } => self.brk(addr),
            Call::Setrlimit { resource, .. } | Call::Prlimit64 { resource, .. } => {
                self.set_rlimit(resource, input)
            }
            _ => self.not_modelled(),
        }
    }

    /// Says that the twin has no rules for what was asked.
    pub(crate) fn not_modelled(&mut self) -> Answer {
        self.basis = Basis::NotModelled;
        Ok(0)
    }
}
