//! Sets of disjoint address ranges, ordered by address: what an address space keeps its mappings in.

use abi::AddrRange;

/// What a set stores: a value that occupies one range of addresses.
pub trait Entry: Clone {
    /// The addresses that the entry occupies, not empty.
    fn range(&self) -> AddrRange;
}
