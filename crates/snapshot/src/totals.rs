//! The leaves added up: by kind, by object, all.

use crate::classify::{Leaf, Owner};
use crate::kind::Kind;
use crate::pages::PageSums;
use crate::sums::MappingSums;
use crate::value::Snapshot;

/// Sums over a part of the map.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Amounts {
    /// Virtual size in bytes.
    pub size: u64,
    /// Pages, where they were read (at the snapshot's `pages_moment`).
    pub pages: Option<PageSums>,
    /// The kernel's own sums, where they were read. Those of a mapping of several kinds are divided among
    /// them: see `divided`.
    pub sums: Option<MappingSums>,
    /// Bytes whose contents a core file holds; `None` for anything else.
    pub held: Option<u64>,
    /// Whether some of `sums` comes from a mapping of several kinds: its resident size is divided by its
    /// pages where they were read, everything else in proportion.
    pub divided: bool,
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
        for (at, leaf) in leaves.iter().enumerate() {
            let amounts = amounts(snapshot, leaves, at);
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
    /// Adds other sums to these. What is not known of both is not known of the sum.
    pub fn add(&mut self, other: Self) {
        if self.size == 0 {
            *self = other;
            return;
        }
        self.size += other.size;
        self.mappings += other.mappings;
        self.divided |= other.divided;
        self.held = self.held.zip(other.held).map(|(a, b)| a + b);
        self.pages = self.pages.zip(other.pages).map(|(mut sums, more)| {
            sums.add(more);
            sums
        });
        self.sums = self.sums.zip(other.sums).map(|(mut sums, more)| {
            sums.add(more);
            sums
        });
    }
}

fn amounts(snapshot: &Snapshot, leaves: &[Leaf], at: usize) -> Amounts {
    let leaf = &leaves[at];
    let mapping = snapshot.mappings[leaf.mapping].range;
    Amounts {
        size: leaf.range.len(),
        pages: snapshot.pages.as_ref().map(|runs| PageSums::within(runs, leaf.range)),
        held: snapshot.held_within(leaf.range),
        sums: snapshot.sums.get(leaf.mapping).map(|sums| share(snapshot, leaves, at, *sums)),
        divided: leaf.range != mapping && !snapshot.sums.is_empty(),
        mappings: usize::from(leaf.range.start == mapping.start),
    }
}

/// A leaf's share of its mapping's sums: by resident pages where they were read and agree, else by size.
fn share(snapshot: &Snapshot, leaves: &[Leaf], at: usize, sums: MappingSums) -> MappingSums {
    let leaf = &leaves[at];
    let mapping = snapshot.mappings[leaf.mapping].range;
    if leaf.range == mapping {
        return sums;
    }
    let before = abi::AddrRange::new(mapping.start, leaf.range.start);
    let resident = |range| snapshot.pages.as_ref().map(|runs| PageSums::within(runs, range).resident);
    match (resident(before), resident(leaf.range), resident(mapping)) {
        (Some(before), Some(part), Some(whole)) if whole > 0 => sums.share(before, part, whole),
        _ => sums.share(before.len(), leaf.range.len(), mapping.len()),
    }
}
