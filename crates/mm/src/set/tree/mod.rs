//! The set of mappings as a gap-augmented, copy-on-write B-tree.
//!
//! All entries lie in leaves; inner nodes hold, for each child, the first address and the last end below it and
//! the longest free gap between its entries. Each has an array of its own, so that a search reads neighbouring
//! words and never a value:
//!
//! ```text
//! Inner   ranges [ 10..70  80..1f0  2a0..300 ]   first address to last end below each child
//!         gaps   [     10       90         0 ]   longest gap inside each child
//!         kids   [      .        .         . ]
//!                       |                        find: the first child that ends after the address
//!                       v                        gap:  children whose gap is long enough, and the gaps
//! Leaf    ranges [ 10..20 20..40 50..70 ]              between them (70..80, 1f0..2a0)
//!         values [    A      B      C   ]
//!                  AABB.CC    the gap 40..50 is the longest: 10
//! ```
//!
//! Unused places at the end of the arrays of ranges hold the highest address, so a search reads whole groups
//! and counts.
//!
//! **Copy on write.** Nodes are shared through [`Arc`]: a clone of the set shares the root. A change copies
//! the nodes on its path that are shared and changes the others in place.
//!
//! **Balance.** A full node splits in the middle, or nearer to its edge when filled from there, as programs do
//! that map downwards. A node under a quarter joins a neighbour where both fit in three quarters of one; this
//! relaxed rule keeps map and unmap at one place from splitting and joining in turn.

mod balance;
mod build;
mod change;
mod find;
mod gap;
mod inner;
mod iter;
mod leaf;
mod node;
mod path;
mod places;
mod ranges;
mod row;
mod spot;
#[cfg(test)]
mod tests;
mod validate;

use alloc::sync::Arc;

use self::leaf::Leaf;
use self::node::Node;
use self::path::Trail;
use super::Entry;

pub use self::iter::Iter;
pub use self::spot::Spot;

/// Entries of disjoint ranges in the order of their addresses; a clone costs O(1) and is independent.
///
/// Every other operation takes time logarithmic in the number of entries.
#[derive(Clone)]
pub struct Tree<V> {
    root: Node<V>,
    len: usize,
    /// Where the last search went.
    trail: Trail,
}

impl<V: Entry> Tree<V> {
    /// Makes a set without entries.
    pub fn new() -> Self {
        Self { root: Node::Leaf(Arc::new(Leaf::new())), len: 0, trail: Trail::default() }
    }

    /// Returns the number of entries.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Tells whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<V: Entry> Default for Tree<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V: Entry + core::fmt::Debug> core::fmt::Debug for Tree<V> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<V: Entry> FromIterator<V> for Tree<V> {
    /// Collects entries in any order.
    ///
    /// # Preconditions
    /// Their ranges are disjoint and not empty.
    fn from_iter<I: IntoIterator<Item = V>>(entries: I) -> Self {
        let mut tree = Self::new();
        for entry in entries {
            tree.insert(entry);
        }
        tree
    }
}
