//! A node of either level, and what its parent knows of it.

use alloc::sync::Arc;

use abi::{AddrRange, VirtAddr};

use super::inner::Inner;
use super::leaf::Leaf;
use crate::set::Entry;

/// A leaf or an inner node, possibly shared with other sets.
pub(super) enum Node<V> {
    /// Entries.
    Leaf(Arc<Leaf<V>>),
    /// Children, all of the same height.
    Inner(Arc<Inner<V>>),
}

/// What a parent keeps of a child, so that a search need not read it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Summary {
    /// The first address below the node.
    pub(super) first: VirtAddr,
    /// The last end below the node.
    pub(super) last: VirtAddr,
    /// The longest gap between two entries below the node, in bytes.
    pub(super) gap: u64,
}

impl Summary {
    /// Returns the range from the first address to the last end.
    pub(super) fn range(self) -> AddrRange {
        AddrRange { start: self.first, end: self.last }
    }
}

impl<V: Entry> Node<V> {
    /// Returns what the parent keeps.
    ///
    /// # Preconditions
    /// The node is not an empty root.
    pub(super) fn summary(&self) -> Summary {
        match self {
            Self::Leaf(leaf) => leaf.summary(),
            Self::Inner(inner) => inner.summary(),
        }
    }

    /// Returns the number of entries of a leaf or of children of an inner node.
    pub(super) fn width(&self) -> usize {
        match self {
            Self::Leaf(leaf) => leaf.len(),
            Self::Inner(inner) => inner.len(),
        }
    }
}

impl<V> Clone for Node<V> {
    /// Shares the node.
    fn clone(&self) -> Self {
        match self {
            Self::Leaf(leaf) => Self::Leaf(Arc::clone(leaf)),
            Self::Inner(inner) => Self::Inner(Arc::clone(inner)),
        }
    }
}

/// Makes a node this set's own: one that others share is copied first.
///
/// As [`Arc::make_mut`], but short where nothing is shared: every change does it at each level.
#[inline(always)]
pub(super) fn own<T: Clone>(node: &mut Arc<T>) -> &mut T {
    if Arc::strong_count(node) > 1 {
        copy(node);
    }
    Arc::get_mut(node).expect("nobody else has the node, and there are no weak references")
}

/// Puts a copy in the place of a node.
#[cold]
#[inline(never)]
fn copy<T: Clone>(node: &mut Arc<T>) {
    *node = Arc::new(T::clone(node));
}

/// Says where a full node of `capacity` splits when something comes in at `index`.
///
/// At an edge the next ones will most likely come in there too: the part beside it stays small.
///
/// ```text
/// at the front  AAAAAAAA -> AA|AAAAAA     in the middle  AAAA|AAAA     at the back  AAAAAA|AA
/// ```
pub(super) fn split_point(index: usize, capacity: usize) -> usize {
    match index {
        0 => capacity / 4,
        _ if index == capacity => capacity - capacity / 4,
        _ => capacity / 2,
    }
}
