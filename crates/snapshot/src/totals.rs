//! The leaves added up: by kind, by object, all.

use crate::classify::{Leaf, Owner};
use crate::kind::Kind;
use crate::pages::{PageSums, PageWalk};
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
    /// Whether some of it is a good guess rather than known.
    pub inferred: bool,
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
    ///
    /// # Preconditions
    /// The leaves are of this snapshot, and ascending.
    pub fn of(snapshot: &Snapshot, leaves: &[Leaf]) -> Self {
        let none = Amounts::none(snapshot);
        let mut kinds = [None; Kind::ALL.len()];
        let mut objects = vec![[None; Kind::ALL.len()]; snapshot.objects.len()];
        let mut pages = snapshot.pages.as_deref().map(PageWalk::new);
        for leaf in leaves {
            let pages = pages.as_mut().map(|pages| pages.within(leaf.range));
            let kind = leaf.kind;
            let total =
                kinds[kind as usize].get_or_insert(KindTotal { kind, inferred: false, amounts: none });
            total.inferred |= leaf.rule.is_inferred();
            total.amounts.add_leaf(snapshot, leaf, pages);
            if let Some(Owner::Object(object)) = leaf.owner {
                let total =
                    objects[object][kind as usize].get_or_insert(ObjectTotal { object, kind, amounts: none });
                total.amounts.add_leaf(snapshot, leaf, pages);
            }
        }
        let mut totals = Self {
            kinds: kinds.into_iter().flatten().collect(),
            objects: objects.into_iter().flatten().flatten().collect(),
            all: Amounts::default(),
        };
        for total in &totals.kinds {
            totals.all.add(total.amounts);
        }
        totals
    }
}

impl Amounts {
    /// Sums of nothing: zero where the snapshot tells, unknown where it does not.
    fn none(snapshot: &Snapshot) -> Self {
        Self {
            size: 0,
            pages: snapshot.pages.is_some().then(PageSums::default),
            held: snapshot.held.is_some().then_some(0),
            sums: (!snapshot.sums.is_empty()).then_some(MappingSums::ZERO),
            divided: false,
            mappings: 0,
        }
    }

    fn add_leaf(&mut self, snapshot: &Snapshot, leaf: &Leaf, pages: Option<PageSums>) {
        let mapping = snapshot.mappings[leaf.mapping].range;
        self.size += leaf.range.len();
        self.mappings += usize::from(leaf.range.start == mapping.start);
        if let (Some(sum), Some(pages)) = (&mut self.pages, pages) {
            sum.add(pages);
        }
        if let Some(held) = &mut self.held {
            *held += snapshot.held_within(leaf.range).unwrap_or(0);
        }
        if let (Some(sum), Some(sums)) = (&mut self.sums, snapshot.sums.get(leaf.mapping)) {
            if leaf.range == mapping {
                sum.add(sums);
            } else {
                sum.add(&share(snapshot, leaf, *sums));
                self.divided = true;
            }
        }
    }

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
            sums.add(&more);
            sums
        });
    }
}

/// A leaf's share of its mapping's sums: by resident pages where they were read and agree, else by size.
fn share(snapshot: &Snapshot, leaf: &Leaf, sums: MappingSums) -> MappingSums {
    let mapping = snapshot.mappings[leaf.mapping].range;
    let before = abi::AddrRange::new(mapping.start, leaf.range.start);
    let resident = |range| snapshot.pages.as_ref().map(|runs| PageSums::within(runs, range).resident);
    match (resident(before), resident(leaf.range), resident(mapping)) {
        (Some(before), Some(part), Some(whole)) if whole > 0 => sums.share(before, part, whole),
        _ => sums.share(before.len(), leaf.range.len(), mapping.len()),
    }
}
