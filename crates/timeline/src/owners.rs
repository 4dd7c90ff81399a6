//! Which call each byte of a map goes back to.

use std::collections::BTreeMap;

use abi::{AddrRange, Tid, VirtAddr};
use recording::{StackId, TimeNs};

/// The call that mapped something.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Owner {
    /// The number of its event.
    pub event: u64,
    /// When.
    pub time: TimeNs,
    /// The thread.
    pub tid: Tid,
    /// Who called, if that is known.
    pub stack: Option<StackId>,
}

/// The calls of one memory's ranges: disjoint, by first address.
#[derive(Clone, Debug, Default)]
pub(crate) struct Owners(BTreeMap<VirtAddr, (VirtAddr, Owner)>);

impl Owners {
    /// Gives a range to a call.
    pub(crate) fn set(&mut self, range: AddrRange, owner: Owner) {
        self.clear(range);
        if !range.is_empty() {
            self.0.insert(range.start, (range.end, owner));
        }
    }

    /// Takes a range from whoever had it.
    pub(crate) fn clear(&mut self, range: AddrRange) {
        let hit: Vec<_> = self
            .0
            .range(..range.end)
            .rev()
            .take_while(|(_, (end, _))| *end > range.start)
            .map(|(start, (end, owner))| (AddrRange { start: *start, end: *end }, *owner))
            .collect();
        for (old, owner) in hit {
            self.0.remove(&old.start);
            if old.start < range.start {
                self.0.insert(old.start, (range.start, owner));
            }
            if range.end < old.end {
                self.0.insert(range.end, (old.end, owner));
            }
        }
    }

    /// Returns the calls in a range and what each of them has of it, ascending.
    pub(crate) fn within(&self, range: AddrRange) -> impl Iterator<Item = (AddrRange, Owner)> {
        let first = self.0.range(..=range.start).next_back().map_or(range.start, |(start, _)| *start);
        self.0.range(first..range.end).filter_map(move |(start, (end, owner))| {
            let part = AddrRange { start: *start, end: *end }.intersection(range)?;
            (!part.is_empty()).then_some((part, *owner))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(event: u64) -> Owner {
        Owner { event, time: TimeNs(event), tid: Tid(1), stack: None }
    }

    fn range(start: u64, end: u64) -> AddrRange {
        AddrRange::new(VirtAddr(start), VirtAddr(end))
    }

    #[test]
    fn the_later_call_has_what_it_took() {
        let mut owners = Owners::default();
        owners.set(range(10, 50), owner(1));
        owners.set(range(20, 30), owner(2));
        owners.clear(range(45, 60));
        let found: Vec<_> = owners.within(range(0, 100)).map(|(range, owner)| (range, owner.event)).collect();
        assert_eq!(found, [(range(10, 20), 1), (range(20, 30), 2), (range(30, 45), 1)]);
        let found: Vec<_> = owners.within(range(25, 31)).map(|(range, owner)| (range, owner.event)).collect();
        assert_eq!(found, [(range(25, 30), 2), (range(30, 31), 1)]);
    }
}
