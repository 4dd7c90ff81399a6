//! A set made at once of entries that are in order.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Tree;
use super::inner::{INNER, Inner};
use super::leaf::{LEAF, Leaf};
use super::node::{Node, own};
use super::path::Trail;
use crate::set::Entry;

/// How much of a node is filled: what comes in later finds room.
const fn filled(capacity: usize) -> usize {
    capacity - capacity / 4
}

impl<V: Entry> Tree<V> {
    /// Makes a set of entries in the order of their addresses, node by node instead of entry by entry.
    ///
    /// # Preconditions
    /// Their ranges are disjoint and not empty.
    pub fn of_sorted(entries: impl IntoIterator<Item = V>) -> Self {
        let mut leaves = Vec::new();
        let mut leaf = Leaf::new();
        let mut len = 0;
        for entry in entries {
            if leaf.len() == filled(LEAF) {
                leaves.push(Node::Leaf(Arc::new(core::mem::replace(&mut leaf, Leaf::new()))));
            }
            leaf.insert(leaf.len(), entry);
            len += 1;
        }
        // Empty only where the set is.
        leaves.push(Node::Leaf(Arc::new(leaf)));
        Self { root: over(leaves), len, trail: Trail::default() }
    }
}

/// Builds the nodes over others, level by level.
fn over<V: Entry>(mut nodes: Vec<Node<V>>) -> Node<V> {
    loop {
        let mut above = Vec::with_capacity(nodes.len() / filled(INNER) + 1);
        let mut below = nodes.into_iter();
        while let Some(first) = below.next() {
            let Some(second) = below.next() else {
                // One left over joins the parts before it; the only one is the root.
                match above.last_mut() {
                    None => return first,
                    Some(Node::Inner(last)) => {
                        let inner = own(last);
                        inner.insert(inner.len(), first);
                    }
                    Some(Node::Leaf(_)) => unreachable!("only inner nodes are built"),
                }
                break;
            };
            let mut inner = Inner::over(first, second);
            for kid in below.by_ref().take(filled(INNER) - 2) {
                inner.insert(inner.len(), kid);
            }
            above.push(Node::Inner(Arc::new(inner)));
        }
        nodes = above;
    }
}
