//! The operations, one a file, and the way from a call to its operation.

pub(crate) mod aio;
mod arch;
mod brk;
pub(crate) mod madvise;
mod mbind;
mod mincore;
mod mlock;
pub(crate) mod mmap;
mod mprotect;
pub(crate) mod mremap;
mod mseal;
mod msync;
mod munmap;
pub(crate) mod piece;
mod populate;
pub(crate) mod prctl;
mod remap_file_pages;
mod remote;
mod rlimit;
mod shm;
mod touch;
mod user;
mod userfaultfd;
mod userfaultfd_answer;

use abi::{Call, PAGE_SHIFT, PageOff, VirtAddr};

use self::mbind::Mbind;
use self::mmap::Request;
use self::mremap::Remap;
use self::remote::ProcessMadvise;
use crate::flags::VmFlags;
use crate::input::{Basis, Input, Outcome};
use crate::op::Op;
use crate::pages::Memory;
use crate::space::AddressSpace;
use crate::system::System;
use crate::why::{Refusal, Why};

/// What an operation answers: the return value, or the check that refused.
pub(crate) type Answer = Result<u64, Refusal>;

impl<M: Memory> AddressSpace<M> {
    /// Does a call as the kernel does it: changes the mappings and answers.
    ///
    /// The arguments are those of the registers; what the kernel reads besides them is `input`. A call without
    /// rules changes nothing and says so in [`Outcome::basis`].
    #[inline]
    pub fn call(&mut self, sys: &mut System<M>, call: Call, input: &Input) -> Outcome {
        let mut outcome = Outcome { result: Ok(0), why: Why::default(), basis: Basis::Predicted };
        self.answer(sys, &call, input, &mut outcome);
        outcome
    }

    /// Does a call and writes the answer where it stays. Neither the call nor the answer is copied: what was just written in
    /// pieces is slow to read.
    #[inline(never)]
    fn answer(&mut self, sys: &mut System<M>, call: &Call, input: &Input, outcome: &mut Outcome) {
        let mut op = Op::new(self, sys, input, &mut outcome.why);
        let answer = op.dispatch(call, input);
        (outcome.result, outcome.basis) = op.finish(answer);
        debug_assert_eq!(self.validate(), Ok(()), "after {call}");
    }
}

impl<M: Memory> Op<'_, M> {
    fn dispatch(&mut self, call: &Call, input: &Input) -> Answer {
        match *call {
            Call::Mmap { addr, len, prot, flags, fd: _, offset } => {
                let pgoff = PageOff(offset >> PAGE_SHIFT);
                let request = Request { file: None, addr, len, prot, flags, pgoff };
                self.mmap(request, offset, &input.file)
            }
            Call::Munmap { addr, len } => self.munmap(addr, len),
            Call::Mprotect { addr, len, prot } => self.mprotect(addr, len, prot, None),
            Call::PkeyMprotect { addr, len, prot, pkey } => self.mprotect(addr, len, prot, Some(pkey)),
            Call::Brk { addr } => self.brk(addr),
            Call::Setrlimit { resource, limit: _ } => self.set_rlimit(resource, VirtAddr::NULL, input),
            Call::Prlimit64 { pid: _, resource, new_limit: _, old_limit } => {
                self.set_rlimit(resource, old_limit, input)
            }
            _ => self.dispatch_existing(call, input),
        }
    }

    /// The calls that change what is mapped already.
    fn dispatch_existing(&mut self, call: &Call, input: &Input) -> Answer {
        match *call {
            Call::Mremap { addr, old_len, new_len, flags, new_addr } => {
                self.mremap(Remap { addr, old_len, new_len, flags, new_addr })
            }
            Call::Madvise { addr, len, advice } => self.madvise(addr, len, advice, input),
            Call::ProcessMadvise { pidfd: _, iovec, count, advice, flags } => {
                self.process_madvise(ProcessMadvise { iovec, count, advice, flags }, input)
            }
            Call::ProcessMrelease { pidfd: _, flags } => self.process_mrelease(flags, input),
            Call::Mlock { addr, len } => self.mlock(addr, len, VmFlags::LOCKED),
            Call::Mlock2 { addr, len, flags } => self.mlock2(addr, len, flags),
            Call::Munlock { addr, len } => self.munlock(addr, len),
            Call::Mlockall { flags } => self.mlockall(flags),
            Call::Munlockall {} => self.munlockall(),
            Call::Msync { addr, len, flags } => self.msync(addr, len, flags, input),
            Call::Mincore { addr, len, vec } => self.mincore(addr, len, vec),
            Call::Mseal { addr, len, flags } => self.mseal(addr, len, flags),
            Call::Mbind { addr, len, mode, nodemask, maxnode, flags } => {
                self.mbind(Mbind { addr, len, mode, nodemask, maxnode, flags }, input)
            }
            Call::SetMempolicyHomeNode { addr, len, home_node, flags } => {
                self.set_mempolicy_home_node(addr, len, home_node, flags)
            }
            _ => self.dispatch_rest(call, input),
        }
    }

    /// The calls that map in their own way or change settings.
    fn dispatch_rest(&mut self, call: &Call, input: &Input) -> Answer {
        match *call {
            Call::RemapFilePages { addr, size, prot, pgoff, flags } => {
                self.remap_file_pages(addr, size, prot, pgoff, flags)
            }
            Call::Shmat { id, addr, flags } => self.shmat(id, addr, flags, input),
            Call::Shmdt { addr } => self.shmdt(addr),
            Call::IoSetup { events, ctx } => self.io_setup(events, ctx, input),
            Call::IoDestroy { ctx } => self.io_destroy(ctx, input),
            Call::UffdIoctl { fd: _, request, arg } => self.uffd_ioctl(request, arg, input),
            // The new descriptor is not the map's.
            Call::Userfaultfd { .. } => self.take_over(input),
            Call::PkeyAlloc { flags, access_rights } => self.pkey_alloc(flags, access_rights, input),
            Call::PkeyFree { .. } => self.pkey_free(input),
            Call::MapShadowStack { .. } => self.map_shadow_stack(input),
            Call::Personality { persona } => self.personality(persona),
            Call::ArchPrctl { op, .. } => self.arch_prctl(op, input),
            Call::Prctl { op, arg2, arg3, arg4, arg5 } => self.prctl(op, [arg2, arg3, arg4, arg5], input),
            _ => self.not_modelled(),
        }
    }

    /// Says that the twin has no rules for what was asked.
    pub(crate) fn not_modelled(&mut self) -> Answer {
        self.basis = Basis::NotModelled;
        Ok(0)
    }
}
