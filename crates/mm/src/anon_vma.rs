//! anon_vma: which mappings may hold the same anonymous pages. It decides what merges.
//!
//! ```text
//! parent  PPPP   chain [p]          touched: has an anon_vma of its own
//! child   PPPP   chain [p, c]       after fork: linked to the parent's and to its own new one
//! ```

use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::{AddrRange, VirtAddr};

use crate::set::{Entry, VmaSet};

/// The identity of an anon_vma.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct AnonVmaId(pub u64);

/// The anon_vmas of a mapping that has one. Mappings that were one share it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AnonChain(Arc<Links>);

#[derive(PartialEq, Eq, Debug)]
struct Links {
    own: AnonVmaId,
    /// `None` where it is `own` alone.
    all: Option<Vec<AnonVmaId>>,
}

impl AnonChain {
    /// Makes one of its own anon_vma, and of all links, the oldest first; `None` where `own` is the only one.
    pub fn new(own: AnonVmaId, all: Option<Vec<AnonVmaId>>) -> Self {
        Self(Arc::new(Links { own, all }))
    }

    /// Returns the anon_vma where new pages go. Linux: `anon_vma`.
    pub fn own(&self) -> AnonVmaId {
        self.0.own
    }

    /// Tells whether two mappings have the same one of their own.
    pub(crate) fn same_own(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.own == other.0.own
    }

    /// Tells whether its own is the only link (`list_is_singular`): no fork lies behind it.
    pub fn is_singular(&self) -> bool {
        self.0.all.is_none()
    }

    /// Returns every link, the oldest first. Linux: `anon_vma_chain`.
    pub fn links(&self) -> &[AnonVmaId] {
        let Links { own, all } = &*self.0;
        match all {
            Some(links) => links,
            None => core::slice::from_ref(own),
        }
    }
}

/// What is counted for one anon_vma.
#[derive(Clone, Debug)]
struct AnonVma {
    id: AnonVmaId,
    /// Linux: `parent`; the root is its own.
    parent: AnonVmaId,
    /// Linux: `num_children`, the root's link to itself included.
    children: u64,
    /// Linux: `num_active_vmas`: mappings whose own it is.
    active: u64,
    /// Mappings linked to it (the size of `rb_root`).
    links: u64,
}

impl Entry for AnonVma {
    fn range(&self) -> AddrRange {
        AddrRange { start: VirtAddr(self.id.0), end: VirtAddr(self.id.0 + 1) }
    }
}

/// All anon_vmas of the system.
#[derive(Clone, Debug, Default)]
pub(crate) struct AnonVmas {
    nodes: VmaSet<AnonVma>,
    next: u64,
}

impl AnonVmas {
    fn update(&mut self, id: AnonVmaId, change: impl FnOnce(&mut AnonVma)) {
        let found = self.nodes.update(VirtAddr(id.0), change);
        debug_assert!(found.is_some(), "{id:?} is alive");
    }

    fn create(&mut self, parent: Option<AnonVmaId>) -> AnonVmaId {
        let id = AnonVmaId(self.next);
        self.next += 1;
        let children = u64::from(parent.is_none());
        let parent = parent.unwrap_or(id);
        self.nodes.insert(AnonVma { id, parent, children, active: 1, links: 1 });
        id
    }

    /// Makes the anon_vma of a mapping that had none and found none to share.
    ///
    /// Linux: `mm/rmap.c: __anon_vma_prepare`.
    pub(crate) fn prepare_new(&mut self) -> AnonChain {
        AnonChain::new(self.create(None), None)
    }

    /// Links one more mapping to a neighbour's singular chain.
    pub(crate) fn prepare_shared(&mut self, neighbour: &AnonChain) -> AnonChain {
        self.update(neighbour.own(), |node| {
            node.active += 1;
            node.links += 1;
        });
        neighbour.clone()
    }

    /// Links one more mapping of the same memory to a chain: a split, a copy, a merge.
    ///
    /// Linux: `mm/rmap.c: anon_vma_clone` where the copy has the anon_vma already.
    pub(crate) fn duplicate(&mut self, chain: &AnonChain) -> AnonChain {
        for id in chain.links() {
            self.update(*id, |node| node.links += 1);
        }
        self.update(chain.own(), |node| node.active += 1);
        chain.clone()
    }

    /// Makes a forked child's chain; a vacant anon_vma of an ancestor is used again.
    ///
    /// Linux: `mm/rmap.c: anon_vma_fork`, `anon_vma_clone`.
    pub(crate) fn fork(&mut self, parent: &AnonChain) -> AnonChain {
        let mut reused = None;
        for id in parent.links() {
            self.update(*id, |node| {
                node.links += 1;
                if reused.is_none() && node.children < 2 && node.active == 0 {
                    reused = Some(node.id);
                }
            });
        }
        let mut links = parent.links().to_vec();
        let own = match reused {
            Some(own) => {
                self.update(own, |node| node.active += 1);
                own
            }
            None => {
                self.update(parent.own(), |node| node.children += 1);
                let own = self.create(Some(parent.own()));
                links.push(own);
                own
            }
        };
        let is_singular = links.len() == 1;
        AnonChain::new(own, (!is_singular).then_some(links))
    }

    /// Unlinks a mapping that goes away.
    ///
    /// Linux: `mm/rmap.c: unlink_anon_vmas`.
    pub(crate) fn unlink(&mut self, chain: &AnonChain) {
        self.update(chain.own(), |node| node.active -= 1);
        for id in chain.links() {
            let mut orphaned = None;
            self.update(*id, |node| {
                node.links -= 1;
                if node.links == 0 {
                    orphaned = Some(node.parent);
                }
            });
            let Some(parent) = orphaned else { continue };
            if parent != *id {
                self.release_child(parent);
            }
            self.retire(*id);
        }
    }

    /// Counts one child less. A parent may be gone already: then nobody can use it again.
    fn release_child(&mut self, parent: AnonVmaId) {
        self.nodes.update(VirtAddr(parent.0), |node| node.children = node.children.saturating_sub(1));
    }

    fn retire(&mut self, id: AnonVmaId) {
        let _unlinked = self.nodes.remove(VirtAddr(id.0));
    }

    /// Returns each one and its parent, and the number of the next.
    pub(crate) fn parents(&self) -> (Vec<(AnonVmaId, AnonVmaId)>, u64) {
        (self.nodes.iter().map(|node| (node.id, node.parent)).collect(), self.next)
    }

    /// Makes them from their parents and the chains of all mappings; `None` if a chain names one that is not there.
    pub(crate) fn of_parents<'a>(
        parents: &[(AnonVmaId, AnonVmaId)],
        next: u64,
        chains: impl Iterator<Item = &'a AnonChain>,
    ) -> Option<Self> {
        // The root's link to itself is counted below.
        let node = |(id, parent): &(AnonVmaId, AnonVmaId)| AnonVma {
            id: *id,
            parent: *parent,
            children: 0,
            active: 0,
            links: 0,
        };
        let mut nodes: Vec<AnonVma> = parents.iter().map(node).collect();
        if !nodes.is_sorted_by(|one, two| one.id < two.id)
            || nodes.last().is_some_and(|last| last.id.0 >= next)
        {
            return None;
        }
        let at = |nodes: &[AnonVma], id: AnonVmaId| nodes.binary_search_by_key(&id, |node| node.id).ok();
        for (_, parent) in parents {
            if let Some(at) = at(&nodes, *parent) {
                nodes[at].children += 1;
            }
        }
        for chain in chains {
            let is_wrong = chain.0.all.as_ref().is_some_and(|links| links.len() < 2);
            if is_wrong || !chain.links().contains(&chain.own()) {
                return None;
            }
            let own = at(&nodes, chain.own())?;
            nodes[own].active += 1;
            for id in chain.links() {
                let link = if *id == chain.own() { own } else { at(&nodes, *id)? };
                nodes[link].links += 1;
            }
        }
        // One that nothing is linked to would never be let go.
        let are_linked = nodes.iter().all(|node| node.links > 0);
        are_linked.then(|| Self { nodes: VmaSet::of_sorted(nodes), next })
    }

    /// Returns how many there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_no_singular_chain_and_all_goes_in_the_end() {
        let mut all = AnonVmas::default();
        let parent = all.prepare_new();
        let child = all.fork(&parent);
        assert!(parent.is_singular() && !child.is_singular());
        all.unlink(&parent);
        all.unlink(&child);
        assert_eq!(all.len(), 0);
    }

    #[test]
    fn a_vacant_ancestor_is_used_again() {
        let mut all = AnonVmas::default();
        let root = all.prepare_new();
        let child = all.fork(&root);
        let grandchild = all.fork(&child);
        all.unlink(&child);
        // The middle one's own anon_vma is vacant and has one child: the next fork takes it.
        let again = all.fork(&grandchild);
        assert_eq!(again.own(), child.own());
        assert_eq!(again.links().len(), 3);
    }
}
