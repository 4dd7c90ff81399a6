//! Recomputation of everything that nodes keep.

use abi::VirtAddr;

use super::Tree;
use super::inner::Inner;
use super::leaf::Leaf;
use super::node::Node;
use crate::set::Entry;

impl<V: Entry> Tree<V> {
    /// Checks every invariant of the tree; costs time linear in the number of entries.
    ///
    /// # Panics
    /// If one is broken, which is a bug of this module or of a caller that broke a precondition.
    pub fn validate(&self) {
        if let Node::Inner(root) = &self.root {
            assert!(root.len() >= 2, "a root with one child is replaced by it");
        }
        let entries = if self.is_empty() { 0 } else { check(&self.root).entries };
        assert_eq!(self.len, entries, "the number of entries");
        let mut end = VirtAddr(0);
        for entry in self {
            assert!(entry.range().start >= end, "{} follows an entry that ends at {end}", entry.range());
            end = entry.range().end;
        }
    }
}

/// What a check of a node found below it.
struct Found {
    entries: usize,
    height: usize,
}

fn check<V: Entry>(node: &Node<V>) -> Found {
    match node {
        Node::Leaf(leaf) => check_leaf(leaf),
        Node::Inner(inner) => check_inner(inner),
    }
}

fn check_leaf<V: Entry>(leaf: &Leaf<V>) -> Found {
    assert!(leaf.len() > 0, "a leaf below a node, or of a set with entries, has some");
    assert!(leaf.ranges.is_valid(leaf.len()), "addresses rise");
    for (index, value) in leaf.values.iter().enumerate() {
        assert_eq!(value.range(), leaf.ranges.get(index), "the addresses beside a value are its own");
        assert!(!value.range().is_empty(), "an entry occupies something");
    }
    assert_eq!(leaf.summary().gap, leaf.longest_gap(), "a leaf's longest gap");
    Found { entries: leaf.len(), height: 0 }
}

fn check_inner<V: Entry>(inner: &Inner<V>) -> Found {
    assert!(inner.ranges.is_valid(inner.len()), "addresses rise");
    assert_eq!(inner.summary().gap, inner.longest_gap(), "a node's longest gap");
    let mut found = Found { entries: 0, height: 0 };
    for (index, kid) in inner.kids.iter().enumerate() {
        assert_eq!(kid.summary(), inner.kept(index), "what is kept of a child");
        let below = check(kid);
        assert!(index == 0 || below.height == found.height, "all children have one height");
        found = Found { entries: found.entries + below.entries, height: below.height };
    }
    Found { height: found.height + 1, ..found }
}
