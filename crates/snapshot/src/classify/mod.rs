//! The division of a map into leaves: every mapped byte in exactly one.
//!
//! Rules that know a range exactly come first, as *claims*: objects by their program headers, the heap by its
//! bounds, stacks by the calls that mapped them. What no claim covers is told by the mapping as a whole.
//!
//! ```text
//!  mapping:  |-------------------------------------|
//!  claims:   [data][bss      ]      [heap     ]
//!  leaves:   dddddd bbbbbbbbbb aaaaa hhhhhhhhhh aaaa    a = by the mapping as a whole
//! ```

mod allocators;
mod arenas;
mod claim;
mod heap;
mod mapping;
mod objects;
mod stacks;

use abi::AddrRange;

pub use objects::{load_bias, own_address};

use crate::kind::{Backing, Kind, Nature, Sharing};
use crate::rule::Rule;
use crate::value::Snapshot;
use claim::Claim;

/// A range of memory of one kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Leaf {
    /// Where; inside one mapping.
    pub range: AddrRange,
    /// The mapping, by its place in the snapshot.
    pub mapping: usize,
    /// What it is.
    pub kind: Kind,
    /// To whom it belongs, where that is known.
    pub owner: Option<Owner>,
    /// Why it is of this kind.
    pub rule: Rule,
}

/// To whom a leaf belongs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Owner {
    /// An object, by its place in the snapshot.
    Object(usize),
    /// A thread.
    Thread(abi::Tid),
}

impl Leaf {
    /// Its attributes.
    ///
    /// # Preconditions
    /// The leaf is of this snapshot.
    pub fn nature(&self, snapshot: &Snapshot) -> Nature {
        let mapping = &snapshot.mappings[self.mapping];
        let no_file = mapping.file == abi::FileId::default() || self.kind == Kind::SharedAnonymous;
        Nature {
            origin: self.kind.origin(),
            backing: if no_file { Backing::Anonymous } else { Backing::File },
            sharing: if mapping.shared { Sharing::Shared } else { Sharing::Private },
        }
    }
}

/// Divides the map of a snapshot into leaves, ascending; together they are exactly the mappings.
pub fn classify(snapshot: &Snapshot) -> Vec<Leaf> {
    let claims = claims(snapshot);
    let loaded = objects::executable_files(snapshot);

    let mut leaves = Vec::with_capacity(snapshot.mappings.len() + claims.len() * 2);
    let mut next = 0;
    for (index, mapping) in snapshot.mappings.iter().enumerate() {
        let whole = mapping::classify(mapping, &loaded);
        let mut at = mapping.range.start;
        while next < claims.len() && claims[next].range.end <= at {
            next += 1;
        }
        for claim in &claims[next..] {
            let Some(range) = claim.range.intersection(mapping.range) else { break };
            if at < range.start {
                leaves.push(whole.leaf(AddrRange::new(at, range.start), index));
            }
            leaves.push(claim.leaf(range, index));
            at = range.end;
        }
        if at < mapping.range.end {
            leaves.push(whole.leaf(AddrRange::new(at, mapping.range.end), index));
        }
    }
    leaves
}

/// What rules know exactly, ascending and disjoint.
fn claims(snapshot: &Snapshot) -> Vec<Claim> {
    let mut claims = Vec::new();
    heap::claim(snapshot, &mut claims);
    allocators::claim_go(snapshot, &mut claims);
    stacks::claim(snapshot, &mut claims);
    objects::claim(snapshot, &mut claims);
    arenas::claim(snapshot, &mut claims);
    allocators::claim(snapshot, &mut claims);
    claim::settle(claims)
}

/// The mappings that are divided among kinds or hold a stack, ascending: those of which pages tell more than sums.
pub(crate) fn divided_or_stacks(snapshot: &Snapshot) -> Vec<AddrRange> {
    let mut found: Vec<AddrRange> = Vec::new();
    for claim in claims(snapshot) {
        let is_stack = matches!(claim.verdict.kind, Kind::MainStack | Kind::ThreadStack);
        let first = snapshot.mappings.partition_point(|mapping| mapping.range.end <= claim.range.start);
        let overlapped =
            snapshot.mappings[first..].iter().take_while(|mapping| mapping.range.start < claim.range.end);
        for mapping in overlapped {
            let is_whole = claim.range.covers(mapping.range);
            if (is_stack || !is_whole) && found.last() != Some(&mapping.range) {
                found.push(mapping.range);
            }
        }
    }
    found
}

/// The ranges that hold variables of programs and libraries, ascending; those that touch are one.
pub(crate) fn variables(snapshot: &Snapshot) -> Vec<AddrRange> {
    let holds = |kind| matches!(kind, Kind::Data | Kind::Bss | Kind::Relro);
    let claims = claims(snapshot);
    let loaded = objects::executable_files(snapshot);
    let named = snapshot.mappings.iter().filter(|mapping| !mapping.name.is_empty());
    let is_claimed = |range: AddrRange| {
        let first = claims.partition_point(|claim| claim.range.end <= range.start);
        claims.get(first).is_some_and(|claim| claim.range.overlaps(range))
    };
    let by_mapping = named
        .filter(|mapping| holds(mapping::classify(mapping, &loaded).kind) && !is_claimed(mapping.range))
        .map(|mapping| mapping.range);
    let by_claim = claims.iter().filter(|claim| holds(claim.verdict.kind)).map(|claim| claim.range);
    let mut all: Vec<AddrRange> = by_claim.chain(by_mapping).collect();
    all.sort();
    all.into_iter().fold(Vec::new(), |mut joined: Vec<AddrRange>, range| {
        match joined.last_mut().filter(|last| last.end == range.start) {
            Some(last) => last.end = range.end,
            None => joined.push(range),
        }
        joined
    })
}

/// What a rule says of a range, before it is cut to a mapping.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Verdict {
    kind: Kind,
    owner: Option<Owner>,
    rule: Rule,
}

impl Verdict {
    const fn new(kind: Kind, rule: Rule) -> Self {
        Self { kind, owner: None, rule }
    }

    const fn leaf(self, range: AddrRange, mapping: usize) -> Leaf {
        Leaf { range, mapping, kind: self.kind, owner: self.owner, rule: self.rule }
    }
}

impl Claim {
    const fn leaf(&self, range: AddrRange, mapping: usize) -> Leaf {
        self.verdict.leaf(range, mapping)
    }
}

#[cfg(test)]
mod tests;
