//! What forks shared, and who wrote to it since.
//!
//! A fork gives the child the parent's anonymous pages without copying them. A write, on either side, makes the page
//! the writer's own: the kernel copies it, or hands it over where nobody else has it any longer. A page counts for the
//! fork that shared it last.

use std::collections::BTreeMap;

use abi::{PAGE_SIZE, Pid, Tid};
use recording::{MmId, StackId, TimeNs};

/// Writers of one fork told apart; beyond, they are told by their memory only.
const WRITERS_MAX: usize = 1 << 10;

/// A fork.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fork {
    /// When.
    pub time: TimeNs,
    /// The number of its event.
    pub event: u64,
    /// The memory that was forked.
    pub parent: MmId,
    /// The one it made.
    pub child: MmId,
    /// The process it made.
    pub child_pid: Pid,
    /// Bytes of anonymous pages that both had then; `None` where pages were not known.
    pub shared: Option<u64>,
    /// Who wrote to such pages since, and how many bytes of them: those whose faults were recorded.
    pub copied: BTreeMap<Copier, u64>,
}

/// Who wrote to pages that a fork had shared.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Copier {
    /// In which memory.
    pub mm: MmId,
    /// Which thread.
    pub tid: Tid,
    /// From where.
    pub stack: Option<StackId>,
}

/// A write that made a page one memory's own again, which a fork had left in two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unshared {
    /// The process that the fork made.
    pub child: Pid,
    /// What is known of the other memory of that fork.
    pub other: Other,
}

/// Whether the other memory of a fork still had the page when one wrote to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Other {
    /// It had: the page was copied.
    Had,
    /// It wrote to it first, gave it up or ended, or not all its faults were seen: the page was copied, or taken over where
    /// nobody had it any longer.
    Unknown,
}

impl Fork {
    /// Bytes that one of the two memories wrote to since.
    pub fn copied_in(&self, mm: MmId) -> u64 {
        self.copied.iter().filter(|(copier, _)| copier.mm == mm).map(|(_, bytes)| *bytes).sum()
    }
}

/// All forks of a recording, by the memory that each made.
#[derive(Debug, Default)]
pub(crate) struct Forks(BTreeMap<MmId, Fork>);

impl Forks {
    pub(crate) fn begin(&mut self, fork: Fork) {
        self.0.insert(fork.child, fork);
    }

    /// The fork that made a memory.
    pub(crate) fn of(&self, child: MmId) -> Option<&Fork> {
        self.0.get(&child)
    }

    /// The memory that was forked, by the one that it made.
    pub(crate) fn parent_of(&self, child: MmId) -> Option<MmId> {
        self.0.get(&child).map(|fork| fork.parent)
    }

    /// A page that the fork of `child` had shared was written to.
    pub(crate) fn copied(&mut self, child: MmId, copier: Copier) {
        let Some(fork) = self.0.get_mut(&child) else { return };
        let is_told = fork.copied.contains_key(&copier) || fork.copied.len() < WRITERS_MAX;
        let copier = if is_told { copier } else { Copier { tid: Tid(0), stack: None, ..copier } };
        *fork.copied.entry(copier).or_default() += PAGE_SIZE;
    }

    /// All of them in their order.
    pub(crate) fn into_all(self) -> Vec<Fork> {
        let mut all: Vec<Fork> = self.0.into_values().collect();
        all.sort_by_key(|fork| fork.event);
        all
    }
}
