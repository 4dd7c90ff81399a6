//! What is kept of one process of the tree.

use abi::Pid;

use crate::step::Text;

/// One process of the tree.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seat {
    /// Who forked it; the origin is its own parent.
    pub(crate) parent: usize,
    /// Its process id, once its parent told it.
    pub(crate) pid: Option<Pid>,
    /// What shares the memory with its parent.
    pub(crate) shares: Shares,
    /// Which texts it has opened, and its pagemap.
    pub(crate) opened: [bool; Text::ALL.len() + 1],
    /// How much of the free part is taken.
    pub(crate) used: usize,
    /// The first step whose answer may still be wanted.
    pub(crate) first: u32,
}

/// Whether a seat's user has a memory of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Shares {
    /// It has: a process.
    #[default]
    Nothing,
    /// It shares all with its parent: a thread.
    Memory,
}

/// The raw numbers of the system calls that the tree itself needs.
pub(crate) mod nr {
    pub(crate) const IOCTL: u32 = 16;
    pub(crate) const PWRITE64: u32 = 18;
    pub(crate) const PREAD64: u32 = 17;
    pub(crate) const MINCORE: u32 = 27;
    pub(crate) const EXIT: u32 = 60;
    pub(crate) const FTRUNCATE: u32 = 77;
    pub(crate) const UNLINK: u32 = 87;
    pub(crate) const RT_SIGACTION: u32 = 13;
    pub(crate) const WAIT4: u32 = 61;
    pub(crate) const SIGALTSTACK: u32 = 131;
    pub(crate) const PRCTL: u32 = 157;
    pub(crate) const EXIT_GROUP: u32 = 231;
    pub(crate) const MSEAL: u32 = 462;
}
