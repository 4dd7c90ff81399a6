//! Processes, and steps on their way to them.

use abi::AddrRange;

/// A process of the tree.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Process(pub(crate) usize);

/// A step under way, to be exchanged for its answer.
#[derive(Clone, Copy, Debug)]
pub struct Ticket {
    pub(crate) number: u32,
    pub(crate) seat: usize,
    pub(crate) kind: Kind,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Call,
    Load,
    LoadWord,
    Access,
    Library,
    Fork(usize),
    Thread(usize),
    Read {
        at: usize,
        bytes_max: usize,
    },
    Hash {
        at: usize,
        range: AddrRange,
    },
    Scan {
        at: usize,
        runs_max: usize,
    },
    /// The call succeeds and fills this in.
    Vector {
        at: usize,
        bytes: usize,
    },
    /// The call tells how many bytes it filled in.
    Bytes {
        at: usize,
    },
}
