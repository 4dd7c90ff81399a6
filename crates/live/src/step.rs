//! What a process can be told to do.

use abi::{AddrRange, Call, Fd, FileOff, VirtAddr};

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
    /// Loads eight bytes.
    LoadWord(VirtAddr),
    /// Stores eight bytes.
    StoreWord(VirtAddr, u64),
    /// Fetches and executes one instruction, which must be harmless.
    Fetch(VirtAddr),
    /// Calls the C library's `malloc`; the answer is a word, the address. [`crate::Live::library_calls`] has the system
    /// calls that it made.
    Malloc(u64),
    /// Calls the C library's `free`.
    Free(VirtAddr),
    /// Forks.
    Fork,
    /// Makes a thread of the same memory.
    Thread,
    /// Loads every byte of these pages and takes the hash of each, as [`crate::hash_page`] does: [`crate::Live::words`]
    /// has them, those before the page that raised a signal too.
    Hash(AddrRange),
    /// Reads the words of these pages from `/proc/self/pagemap`: [`crate::Live::pagemap`] has them.
    Pagemap(AddrRange),
    /// Asks `PAGEMAP_SCAN` for the runs of pages that are there, swapped or guarded: [`crate::Live::runs`] has them.
    Scan {
        /// Where.
        range: AddrRange,
        /// The most runs that there may be; one more is an error.
        runs_max: usize,
    },
    /// `mincore`: [`crate::Live::bytes`] has the vector where it succeeds.
    Mincore(AddrRange),
    /// Copies memory: [`crate::Live::bytes`] has it, up to the first page that cannot be read.
    Copy(AddrRange),
    /// `pread64`: [`crate::Live::bytes`] has what was read.
    FileRead {
        /// Of which file.
        fd: Fd,
        /// From where on.
        offset: FileOff,
        /// How many bytes.
        bytes: usize,
    },
    /// `pwrite64` of bytes that were [`crate::Live::put`] somewhere, or of the world's own memory.
    FileWrite {
        /// To which file.
        fd: Fd,
        /// From where on.
        offset: FileOff,
        /// Where the bytes lie.
        from: VirtAddr,
        /// How many.
        bytes: u64,
    },
    /// `ftruncate`.
    FileTruncate {
        /// Of which file.
        fd: Fd,
        /// Its new size.
        bytes: u64,
    },
    /// `unlink` of the path that was [`crate::Live::put`] somewhere, with its ending 0.
    Unlink(VirtAddr),
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
    /// `/proc/self/smaps_rollup`.
    Rollup,
}

impl Text {
    /// Every text, in the order of their slots.
    pub(crate) const ALL: [Self; 4] = [Self::Maps, Self::Smaps, Self::Status, Self::Rollup];

    /// The slot of `/proc/self/pagemap`, after those of the texts.
    pub(crate) const PAGEMAP_SLOT: usize = Self::ALL.len();

    pub(crate) fn slot(self) -> usize {
        match self {
            Self::Maps => 0,
            Self::Smaps => 1,
            Self::Status => 2,
            Self::Rollup => 3,
        }
    }

    pub(crate) fn path(self) -> &'static [u8] {
        match self {
            Self::Maps => b"/proc/self/maps\0",
            Self::Smaps => b"/proc/self/smaps\0",
            Self::Status => b"/proc/self/status\0",
            Self::Rollup => b"/proc/self/smaps_rollup\0",
        }
    }
}
