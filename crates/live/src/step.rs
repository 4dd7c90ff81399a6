//! What a process can be told to do.

use abi::{Call, VirtAddr};

/// One thing to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// A memory call.
    Call(Call),
    /// Any other system call.
    Raw {
        /// Its x86-64 number.
        nr: u32,
        /// Its arguments.
        args: [u64; 6],
    },
    /// Loads a byte.
    Load(VirtAddr),
    /// Stores a byte.
    Store(VirtAddr, u8),
    /// Fetches and executes one instruction, which must be harmless.
    Fetch(VirtAddr),
    /// Forks.
    Fork,
    /// Reads a text that the kernel writes about the process.
    Read {
        /// Which.
        text: Text,
        /// The longest that it may be, in bytes; one more is an error.
        bytes_max: usize,
    },
}

/// A text that the kernel writes about a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Text {
    /// `/proc/self/maps`.
    Maps,
    /// `/proc/self/smaps`.
    Smaps,
    /// `/proc/self/status`.
    Status,
}

impl Text {
    /// Every text, in the order of their slots.
    pub(crate) const ALL: [Self; 3] = [Self::Maps, Self::Smaps, Self::Status];

    pub(crate) fn slot(self) -> usize {
        match self {
            Self::Maps => 0,
            Self::Smaps => 1,
            Self::Status => 2,
        }
    }

    pub(crate) fn path(self) -> &'static [u8] {
        match self {
            Self::Maps => b"/proc/self/maps\0",
            Self::Smaps => b"/proc/self/smaps\0",
            Self::Status => b"/proc/self/status\0",
        }
    }
}
