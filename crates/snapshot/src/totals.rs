//! The leaves added up: by kind, by object, all.

use crate::classify::{Leaf, Owner};
use crate::kind::Kind;
use crate::pages::PageSums;
use crate::value::Snapshot;

/// Sums over a part of the map.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Amounts {
    /// Virtual size in bytes.
    pub size: u64,
    /// Pages, where they were read (at the snapshot's `pages_moment`).
    pub pages: Option<PageSums>,
    /// Mappings; one that holds several kinds counts for the kind of its first byte.
    pub mappings: usize,
}

/// The sums of a kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KindTotal {
    /// The kind.
    pub kind: Kind,
    /// Its sums.
    pub amounts: Amounts,
}

/// The sums of one kind in one object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ObjectTotal {
    /// The object, by its place in the snapshot.
    pub object: usize,
    /// The kind.
    pub kind: Kind,
    /// Its sums.
    pub amounts: Amounts,
}

/// The leaves added up.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Totals {
    /// The whole map.
    pub all: Amounts,
    /// By kind, in the order of [`Kind::ALL`]; kinds that do not occur are left out.
    pub kinds: Vec<KindTotal>,
    /// By object and kind, for leaves that belong to an object.
    pub objects: Vec<ObjectTotal>,
}

impl Totals {
    /// Adds the leaves up.
    pub fn of(snapshot: &Snapshot, leaves: &[Leaf]) -> Self {
        let mut totals = Self::default();
        for leaf in leaves {
            let amounts = amounts(snapshot, leaf);
            totals.all.add(amounts);
            let kind = leaf.kind;
            match totals.kinds.iter_mut().find(|total| total.kind == kind) {
                Some(total) => total.amounts.add(amounts),
                None => totals.kinds.push(KindTotal { kind, amounts }),
            }
            let Some(Owner::Object(object)) = leaf.owner else { continue };
            match totals.objects.iter_mut().find(|total| (total.object, total.kind) == (object, kind)) {
                Some(total) => total.amounts.add(amounts),
                None => totals.objects.push(ObjectTotal { object, kind, amounts }),
            }
        }
        totals.kinds.sort_by_key(|total| total.kind);
        totals.objects.sort_by_key(|total| (total.object, total.kind));
        totals
    }
}

impl Amounts {
    /// Adds other sums to these. Pages are known only where they are known of both.
    pub fn add(&mut self, other: Self) {
        let empty = self.size == 0;
        self.size += other.size;
        self.mappings += other.mappings;
        self.pages = match (self.pages, other.pages) {
            (Some(mut sums), Some(more)) => {
                sums.add(more);
                Some(sums)
            }
            (None, more) if empty => more,
            _ => None,
        };
    }
}

fn amounts(snapshot: &Snapshot, leaf: &Leaf) -> Amounts {
    Amounts {
        size: leaf.range.len(),
        pages: snapshot.pages.as_ref().map(|runs| PageSums::within(runs, leaf.range)),
        mappings: usize::from(leaf.range.start == snapshot.mappings[leaf.mapping].range.start),
    }
}
