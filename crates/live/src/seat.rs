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
    /// Which texts it has opened.
    pub(crate) opened: [bool; Text::ALL.len()],
    /// How much of the free part is taken.
    pub(crate) used: usize,
    /// The first step whose answer may still be wanted.
    pub(crate) first: u32,
}

/// The raw numbers of the system calls that the tree itself needs.
pub(crate) mod nr {
    pub(crate) const RT_SIGACTION: u32 = 13;
    pub(crate) const WAIT4: u32 = 61;
    pub(crate) const SIGALTSTACK: u32 = 131;
    pub(crate) const PRCTL: u32 = 157;
    pub(crate) const EXIT_GROUP: u32 = 231;
    pub(crate) const MSEAL: u32 = 462;
}
