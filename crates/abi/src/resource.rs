//! Resource limits that steer memory.

use crate::bits::bits;

/// The resource argument of `setrlimit` and `prlimit64`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Resource(pub u32);

impl Resource {
    /// `RLIMIT_DATA`: heap, private writable memory.
    pub const DATA: Self = Self(2);
    /// `RLIMIT_STACK`: the main thread's stack.
    pub const STACK: Self = Self(3);
    /// `RLIMIT_MEMLOCK`: locked memory.
    pub const MEMLOCK: Self = Self(8);
    /// `RLIMIT_AS`: the whole address space.
    pub const AS: Self = Self(9);
    /// The four limits that change what a memory call answers.
    pub const OF_MEMORY: [Self; 4] = [Self::DATA, Self::STACK, Self::MEMLOCK, Self::AS];
}

/// A soft and a hard limit in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Rlimit {
    /// The limit in force.
    pub soft: u64,
    /// The ceiling the soft limit may be raised to.
    pub hard: u64,
}

impl Rlimit {
    /// `RLIM_INFINITY`.
    pub const INFINITY: u64 = u64::MAX;
    /// No limit at all.
    pub const UNLIMITED: Self = Self { soft: Self::INFINITY, hard: Self::INFINITY };
}

bits! {
    /// The part of `personality` that steers memory.
    Personality: u64 {
        /// No address-space randomisation for programs executed from here on.
        ADDR_NO_RANDOMIZE = 0x004_0000 => "ADDR_NO_RANDOMIZE",
        /// Map page zero.
        MMAP_PAGE_ZERO = 0x010_0000 => "MMAP_PAGE_ZERO",
        /// The legacy bottom-up layout.
        ADDR_COMPAT_LAYOUT = 0x020_0000 => "ADDR_COMPAT_LAYOUT",
        /// `PROT_READ` implies `PROT_EXEC`.
        READ_IMPLIES_EXEC = 0x040_0000 => "READ_IMPLIES_EXEC",
    }
}
