//! Sets of disjoint address ranges, ordered by address: what an address space keeps its mappings in.

mod tree;

use abi::AddrRange;

pub use tree::{Iter, Spot, Tree};

/// The set that the twin uses.
pub type VmaSet<V> = Tree<V>;

/// What a set stores: a value that occupies one range of addresses.
pub trait Entry: Clone {
    /// The addresses that the entry occupies, not empty.
    fn range(&self) -> AddrRange;
}
