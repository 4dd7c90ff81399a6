//! What was read from the rings, held until it is in order.

use std::collections::HashSet;

use abi::{Pid, Tid, VirtAddr};
use recording::{Body, Bytes, FaultAccess, FaultEvent, FaultMode, LossSource, MappedEvent, StackId, TimeNs};
use sys::perf::{Access, Mapping, Mode, Name, NamedBy, Sample, Stamp};

use crate::stack_table::StackTable;
use crate::stacks::StackCopies;

const NAMES_MAX: usize = 1 << 14;

/// Something the kernel told, with its time and who did it.
#[derive(Clone, PartialEq, Debug)]
pub struct Seen {
    /// When.
    pub time: TimeNs,
    /// The process.
    pub pid: Pid,
    /// The thread.
    pub tid: Tid,
    /// [`Body::Fault`], [`Body::Mapped`], [`Body::ThreadName`], [`Body::Lost`] or [`Body::FaultPeriod`].
    pub body: Body,
    /// What it says of the process's memory.
    pub memory: Memory,
}

/// What a record says of the process's memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Memory {
    /// It is what it was.
    Same,
    /// It is a new one from here on: the process is inside an exec.
    New,
}

/// A small form of [`Seen`], to be sorted.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) monotonic_ns: u64,
    pub(super) pid: Pid,
    pub(super) tid: Tid,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    Fault(FaultEvent),
    Mapped(Box<MappedEvent>),
    Name(Bytes, NamedBy),
    Lost(u64),
    Period(u32),
}

impl Held {
    /// A fault, with its call chain numbered, or what its chain will be made of.
    pub(super) fn fault(
        sample: &Sample<'_>,
        stacks: &mut StackTable,
        copies: Option<&StackCopies>,
        chain: &mut Vec<VirtAddr>,
    ) -> Self {
        chain.clear();
        chain.extend(sample.chain());
        let copied = copies
            .zip(sample.user)
            .and_then(|(copies, user)| copies.put_fault(sample.stamp.tid, &user, chain));
        Self::fault_with(sample, copied.or_else(|| stacks.intern(chain)))
    }

    /// A fault whose stack is not taken.
    pub(super) fn fault_without_stack(sample: &Sample<'_>) -> Self {
        Self::fault_with(sample, None)
    }

    fn fault_with(sample: &Sample<'_>, stack: Option<StackId>) -> Self {
        let mode = match sample.mode {
            Mode::User => FaultMode::User,
            Mode::Kernel => FaultMode::Kernel,
        };
        let access = match sample.access {
            None => FaultAccess::Unknown,
            Some(Access::Read) => FaultAccess::Read,
            Some(Access::Write) => FaultAccess::Write,
            Some(Access::Exec) => FaultAccess::Exec,
        };
        let fault = FaultEvent { addr: sample.addr, ip: sample.ip, mode, access, stack };
        Self::new(sample.stamp, What::Fault(fault))
    }

    /// Takes over what another record of the same fault tells of its stack.
    pub(super) fn take_in(&mut self, other: Self, copies: Option<&StackCopies>) {
        let (What::Fault(own), What::Fault(other)) = (&mut self.what, other.what) else { return };
        let copied = |fault: &FaultEvent| fault.stack.filter(|id| StackCopies::is_copy(*id));
        match (copied(own), copied(&other)) {
            (None, Some(id)) => own.stack = Some(id),
            // One tells how many faults there are, the other carries more of the stack.
            (Some(one), Some(other)) => {
                own.stack = Some(copies.map_or(one, |copies| copies.larger(one, other)));
            }
            (_, None) => {}
        }
    }

    /// Drops what was copied of a fault's stack.
    pub(super) fn drop_copy(self, copies: Option<&StackCopies>) {
        if let (What::Fault(FaultEvent { stack: Some(id), .. }), Some(copies)) = (self.what, copies) {
            copies.drop_fault(id);
        }
    }

    /// The kernel's word on a mapping.
    pub(super) fn mapped(mapping: &Mapping<'_>, names: &mut HashSet<Bytes>) -> Self {
        let Mapping { stamp, range, prot, shared, offset, file, name } = *mapping;
        let name = kept(name, names);
        let mapped = MappedEvent { range, prot, shared, offset, file, name };
        Self::new(stamp, What::Mapped(Box::new(mapped)))
    }

    /// The name of a thread.
    pub(super) fn name(name: &Name<'_>, names: &mut HashSet<Bytes>) -> Self {
        let Name { stamp, name, by } = *name;
        Self::new(stamp, What::Name(kept(name, names), by))
    }

    pub(super) const fn new(stamp: Stamp, what: What) -> Self {
        Self { monotonic_ns: stamp.monotonic_ns, pid: stamp.pid, tid: stamp.tid, what }
    }

    /// As it is handed on; times count from `zero_ns`.
    pub(super) fn into_seen(self, zero_ns: u64) -> Seen {
        let memory = match self.what {
            What::Name(_, NamedBy::Exec) => Memory::New,
            _ => Memory::Same,
        };
        let body = match self.what {
            What::Fault(fault) => Body::Fault(fault),
            What::Mapped(mapped) => Body::Mapped(*mapped),
            What::Name(name, _) => Body::ThreadName(name),
            What::Lost(count) => Body::Lost { source: LossSource::Faults, count },
            What::Period(period) => Body::FaultPeriod { period },
        };
        let time = TimeNs(self.monotonic_ns.saturating_sub(zero_ns));
        Seen { time, pid: self.pid, tid: self.tid, body, memory }
    }
}

/// A name, stored once.
fn kept(name: &[u8], names: &mut HashSet<Bytes>) -> Bytes {
    names.get(name).cloned().unwrap_or_else(|| {
        if names.len() > NAMES_MAX {
            names.clear();
        }
        let name = Bytes::from(name);
        names.insert(name.clone());
        name
    })
}
