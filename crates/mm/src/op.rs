//! The context of one operation: the process, the system, the caller's privileges, the reasons so far.

use abi::{Errno, VirtAddr};

use crate::flags::VmFlags;
use crate::input::{Basis, Caps, HugePool, Input};
use crate::mutation::Mutation;
use crate::pages::Memory;
use crate::space::AddressSpace;
use crate::system::{Charger, System};
use crate::why::{Refusal, Why};

/// Who accesses memory: what a userfaultfd is told of depends on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum By {
    /// The program itself.
    Program,
    /// The kernel, for a call.
    Kernel,
}

/// One operation under way.
pub(crate) struct Op<'a, M: Memory> {
    pub(crate) space: &'a mut AddressSpace<M>,
    pub(crate) sys: &'a mut System<M>,
    pub(crate) caps: Caps,
    /// What others have charged.
    pub(crate) elsewhere: i64,
    pub(crate) placed: Option<VirtAddr>,
    pub(crate) special_flags: Option<VmFlags>,
    pub(crate) observed: Option<Result<u64, Errno>>,
    pub(crate) huge_pool: HugePool,
    /// Who accesses memory.
    pub(crate) by: By,
    /// The errno of [`Refusal::AddressIsErrno`].
    pub(crate) addr_errno: Option<Errno>,
    /// The reasons so far. They are written where they stay: an answer is made at every call.
    pub(crate) why: &'a mut Why,
    pub(crate) basis: Basis,
}

impl<'a, M: Memory> Op<'a, M> {
    pub(crate) fn new(
        space: &'a mut AddressSpace<M>,
        sys: &'a mut System<M>,
        input: &Input,
        why: &'a mut Why,
    ) -> Self {
        M::begun(space, sys);
        let elsewhere = sys.charged_elsewhere(input.committed);
        Self {
            space,
            sys,
            caps: input.caps,
            elsewhere,
            placed: input.placed,
            special_flags: input.special_flags,
            observed: input.observed,
            huge_pool: input.huge_pool,
            by: By::Program,
            addr_errno: None,
            why,
            basis: Basis::Predicted,
        }
    }

    /// Makes the context of an access by a program without privileges, of which nothing else is known.
    pub(crate) fn plain(space: &'a mut AddressSpace<M>, sys: &'a mut System<M>, why: &'a mut Why) -> Self {
        M::begun(space, sys);
        Self {
            space,
            sys,
            caps: Caps::default(),
            elsewhere: 0,
            placed: None,
            special_flags: None,
            observed: None,
            huge_pool: HugePool::Observed,
            by: By::Program,
            addr_errno: None,
            why,
            basis: Basis::Predicted,
        }
    }

    /// Checks that `pages` more of mappings with these flags are within the limits.
    pub(crate) fn may_expand(&self, flags: VmFlags, pages: u64) -> Result<(), Refusal> {
        match self.space.may_expand(flags, pages) {
            Err(Refusal::DataLimit) if self.sys.profile.mutated(Mutation::DataLimitIgnored) => Ok(()),
            answer => answer,
        }
    }

    /// Charges pages if they may be promised.
    pub(crate) fn charge(&mut self, pages: u64) -> Result<(), Refusal> {
        let by = Charger {
            sys_admin: self.caps.sys_admin,
            total_vm: self.space.counters.total_vm,
            elsewhere: self.elsewhere,
        };
        self.sys.charge(pages, by)
    }

    /// Takes over the kernel's answer: it depends on what is not modelled. Without one the result means nothing.
    pub(crate) fn take_over(&mut self, input: &Input) -> Result<u64, Refusal> {
        self.basis = Basis::TakenOver;
        match input.observed {
            None => Ok(0),
            Some(Ok(value)) => Ok(value),
            Some(Err(_)) => Err(Refusal::Observed),
        }
    }

    /// Ends the operation: what it returns, and how far that is the twin's own.
    pub(crate) fn finish(self, answer: Result<u64, Refusal>) -> (Result<u64, Errno>, Basis) {
        let result = answer.map_err(|refusal| {
            self.why.refused = Some(refusal);
            match (refusal, self.observed) {
                (Refusal::Observed, Some(Err(errno))) => errno,
                (Refusal::AddressIsErrno, _) => self.addr_errno.unwrap_or(refusal.errno()),
                _ => refusal.errno(),
            }
        });
        (result, self.basis)
    }
}
