//! What one event changed: where a view must look again.

use abi::AddrRange;
use recording::MmId;

/// A memory whose map an event may have changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Changed {
    /// The memory.
    pub mm: MmId,
    /// Where.
    pub what: What,
}

/// Where a map may have changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// In these ranges, and in the mappings that touch them.
    Ranges([Option<AddrRange>; 2]),
    /// Anywhere: the memory is new, or the kernel's map was taken over.
    Whole,
    /// The memory is no more.
    Gone,
}
