//! From a statement to the action that it means.

use abi::{Advice, Call, Fd, MapFlags, Prot, RemapFlags, Rlimit, VirtAddr};
use mm::Access;

use super::Session;
use crate::backend::Action;
use crate::syntax::{Backing, Expr, Fault, Give, Step, Touch};

/// The most bytes that one line touches.
const TOUCH_BYTES_MAX: u64 = 256 << 20;

impl Session {
    /// The memory call that a step means; `None`: it is none.
    pub(super) fn call_of(&self, step: &Step) -> Result<Option<Action>, Fault> {
        let call = match step {
            Step::Mmap { len, prot, flags, backing, at } => {
                return self.mmap(len, *prot, *flags, backing, at.as_ref()).map(Some);
            }
            Step::Munmap { addr, len } => Call::Munmap { addr: self.address(addr)?, len: self.number(len)? },
            Step::Mprotect { addr, len, prot } => {
                Call::Mprotect { addr: self.address(addr)?, len: self.number(len)?, prot: *prot }
            }
            Step::Mremap { addr, old, new, flags, to } => {
                return self.mremap(addr, [old, new], *flags, to.as_ref()).map(Some);
            }
            Step::Madvise { addr, len, advice } => {
                return self.madvise(addr, len, *advice).map(Some);
            }
            Step::Mlock { addr, len, flags } if flags.is_empty() => {
                Call::Mlock { addr: self.address(addr)?, len: self.number(len)? }
            }
            Step::Mlock { addr, len, flags } => {
                Call::Mlock2 { addr: self.address(addr)?, len: self.number(len)?, flags: *flags }
            }
            Step::Munlock { addr, len } => {
                Call::Munlock { addr: self.address(addr)?, len: self.number(len)? }
            }
            Step::Mlockall { flags } => Call::Mlockall { flags: *flags },
            Step::Munlockall => Call::Munlockall {},
            Step::Msync { addr, len, flags } => {
                Call::Msync { addr: self.address(addr)?, len: self.number(len)?, flags: *flags }
            }
            Step::Mincore { addr, len } => {
                return Ok(Some(Action::Mincore(self.address(addr)?, self.number(len)?)));
            }
            Step::Mseal { addr, len } => {
                Call::Mseal { addr: self.address(addr)?, len: self.number(len)?, flags: 0 }
            }
            Step::Brk(to) => Call::Brk { addr: self.new_brk(to.as_ref())? },
            other => return self.access_of(other),
        };
        Ok(Some(Action::Call(call)))
    }

    /// The access or limit that a step means.
    fn access_of(&self, step: &Step) -> Result<Option<Action>, Fault> {
        Ok(Some(match step {
            Step::Touch { addr, len, how } => {
                let access = if *how == Touch::Write { Access::Write } else { Access::Read };
                let len = len.as_ref().map(|len| self.at_most(len, TOUCH_BYTES_MAX, "in one line"));
                Action::Touch(self.address(addr)?, len.transpose()?.unwrap_or(1), access)
            }
            Step::Exec { addr } => Action::Fetch(self.address(addr)?),
            Step::Limit { resource, soft } => {
                let soft = soft.as_ref().map(|soft| self.number(soft)).transpose()?;
                let limit = Rlimit { soft: soft.unwrap_or(Rlimit::INFINITY), hard: Rlimit::INFINITY };
                Action::Limit(*resource, self.kept_below(*resource, limit))
            }
            _ => return Ok(None),
        }))
    }

    /// The hard limit stays what it is.
    fn kept_below(&self, resource: abi::Resource, limit: Rlimit) -> Rlimit {
        let memory = self.thread().memory;
        let hard = match (&self.twin, &self.kernel) {
            (Some(twin), _) => twin.memory(memory).and_then(|space| space.limit(resource)).map(|l| l.hard),
            (None, Some(kernel)) => kernel.hard_limit(memory, resource),
            (None, None) => None,
        };
        Rlimit { hard: hard.unwrap_or(Rlimit::INFINITY), ..limit }
    }

    fn mmap(
        &self,
        len: &Expr,
        prot: Prot,
        flags: MapFlags,
        backing: &Backing,
        at: Option<&Expr>,
    ) -> Result<Action, Fault> {
        let (fd, offset) = match backing {
            Backing::Anonymous => (Fd(-1), 0),
            Backing::BadDescriptor => (Fd(-1), 0),
            Backing::File(name, offset) => {
                let open = self.world.opens[self.file(name)?];
                (open.fd, offset.as_ref().map(|offset| self.number(offset)).transpose()?.unwrap_or(0))
            }
        };
        let addr = at.map(|at| self.address(at)).transpose()?.unwrap_or(VirtAddr::NULL);
        let len = self.number(len)?;
        Ok(Action::Call(Call::Mmap { addr, len, prot, flags, fd, offset }))
    }

    fn mremap(
        &self,
        addr: &Expr,
        [old, new]: [&Expr; 2],
        flags: RemapFlags,
        to: Option<&Expr>,
    ) -> Result<Action, Fault> {
        Ok(Action::Call(Call::Mremap {
            addr: self.address(addr)?,
            old_len: self.number(old)?,
            new_len: self.number(new)?,
            flags,
            new_addr: to.map(|to| self.address(to)).transpose()?.unwrap_or(VirtAddr::NULL),
        }))
    }

    fn madvise(&self, addr: &Expr, len: &Expr, advice: Advice) -> Result<Action, Fault> {
        let fills = matches!(advice, Advice::POPULATE_READ | Advice::POPULATE_WRITE);
        let len = if fills { self.at_most(len, TOUCH_BYTES_MAX, "in one line")? } else { self.number(len)? };
        Ok(Action::Call(Call::Madvise { addr: self.address(addr)?, len, advice }))
    }

    fn new_brk(&self, to: Option<&(Option<Give>, Expr)>) -> Result<VirtAddr, Fault> {
        let Some((give, expr)) = to else { return Ok(VirtAddr::NULL) };
        let number = self.number(expr)?;
        let end = self.process(self.thread().memory).heap.end.0;
        let moved = match give {
            None => Some(number),
            Some(Give::Add) => end.checked_add(number),
            Some(Give::Take) => end.checked_sub(number),
        };
        let what = "this leaves the range of 64-bit numbers";
        moved.map(VirtAddr).ok_or_else(|| Fault::new(expr.span(), what))
    }
}
