//! What became of a step.

use std::fmt;

use abi::{Errno, VirtAddr};

use crate::ticket::Process;

/// What became of a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// A system call returned.
    Returned(Result<u64, Errno>),
    /// A load gave this byte.
    Loaded(u8),
    /// A load of eight bytes gave this.
    LoadedWord(u64),
    /// A store or a fetch was done.
    Done,
    /// The access raised a signal.
    Fault(Fault),
    /// A fork gave a child.
    Forked(Process),
    /// A thread was made.
    Thread(Process),
    /// A text was read: so many bytes of it, to be had from [`crate::Live::text`].
    Text(usize),
    /// So many bytes were read of something else, to be had from [`crate::Live::bytes`] and its like.
    Bytes(usize),
}

/// A signal that an access raised.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// Its number.
    pub signal: i32,
    /// Its `si_code`.
    pub code: i32,
    /// Its `si_addr`.
    pub addr: VirtAddr,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match (self.signal, self.code) {
            (11, 1) => "SIGSEGV/SEGV_MAPERR",
            (11, 2) => "SIGSEGV/SEGV_ACCERR",
            (7, 2) => "SIGBUS/BUS_ADRERR",
            (signal, code) => return write!(f, "signal {signal} code {code} at {}", self.addr),
        };
        write!(f, "{name} at {}", self.addr)
    }
}
