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

pub use objects::own_address;

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
    let mut claims = Vec::new();
    heap::claim(snapshot, &mut claims);
    stacks::claim(snapshot, &mut claims);
    objects::claim(snapshot, &mut claims);
    arenas::claim(snapshot, &mut claims);
    allocators::claim(snapshot, &mut claims);
    let claims = claim::settle(claims);
    let loaded = objects::executable_files(snapshot);

    let mut leaves = Vec::new();
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
