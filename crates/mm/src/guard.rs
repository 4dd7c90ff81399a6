//! Guard markers: pages that fault although their mapping allows the access (`MADV_GUARD_INSTALL`).

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::{AddrRange, VirtAddr};

/// The ranges with guard markers: disjoint, by first address.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Guards {
    ranges: Arc<BTreeMap<VirtAddr, VirtAddr>>,
}

impl Guards {
    /// Returns the ranges, ascending.
    pub(crate) fn ranges(&self) -> Vec<AddrRange> {
        self.ranges.iter().map(|(start, end)| AddrRange { start: *start, end: *end }).collect()
    }

    /// Tells whether a page has a marker.
    pub(crate) fn contains(&self, addr: VirtAddr) -> bool {
        self.ranges.range(..=addr).next_back().is_some_and(|(_, end)| addr < *end)
    }

    /// Tells whether any page of a range has a marker.
    pub(crate) fn touch(&self, range: AddrRange) -> bool {
        self.contains(range.start) || self.ranges.range(range.start..range.end).next().is_some()
    }

    /// Returns the first page of a range that has a marker.
    pub(crate) fn first_in(&self, range: AddrRange) -> Option<VirtAddr> {
        if self.contains(range.start) {
            return Some(range.start);
        }
        self.ranges.range(range.start..range.end).next().map(|(start, _)| *start)
    }

    /// Tells whether there is no marker at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Returns the ranges inside a range.
    pub(crate) fn ranges_in(&self, range: AddrRange) -> Vec<AddrRange> {
        let below = self.ranges.range(..=range.start).next_back();
        let rest = self.ranges.range(range.start..range.end).filter(|(start, _)| **start > range.start);
        let all = below.into_iter().chain(rest).map(|(start, end)| AddrRange { start: *start, end: *end });
        all.filter_map(|one| one.intersection(range)).collect()
    }

    /// Returns the first address of a range that has no marker.
    pub(crate) fn first_outside(&self, range: AddrRange) -> Option<VirtAddr> {
        let mut at = range.start;
        while at < range.end {
            match self.ranges.range(..=at).next_back() {
                Some((_, end)) if at < *end => at = *end,
                _ => return Some(at),
            }
        }
        None
    }

    /// Tells whether every page of a range has a marker.
    pub(crate) fn covers(&self, range: AddrRange) -> bool {
        self.first_outside(range).is_none()
    }

    /// Puts markers on a range.
    pub(crate) fn insert(&mut self, range: AddrRange) {
        self.remove(range);
        Arc::make_mut(&mut self.ranges).insert(range.start, range.end);
    }

    /// Takes the markers off a range and returns where they were.
    pub(crate) fn remove(&mut self, range: AddrRange) -> Vec<AddrRange> {
        if self.ranges.is_empty() || !self.touch(range) {
            return Vec::new();
        }
        let ranges = Arc::make_mut(&mut self.ranges);
        let cut: Vec<_> = ranges
            .range(..range.end)
            .rev()
            .take_while(|(_, end)| **end > range.start)
            .map(|(start, end)| AddrRange { start: *start, end: *end })
            .collect();
        let mut removed = Vec::new();
        for old in cut {
            ranges.remove(&old.start);
            if old.start < range.start {
                ranges.insert(old.start, range.start);
            }
            if range.end < old.end {
                ranges.insert(range.end, old.end);
            }
            removed.extend(old.intersection(range));
        }
        removed
    }

    /// Moves the markers of a range to `to`.
    pub(crate) fn relocate(&mut self, from: AddrRange, to: VirtAddr) {
        for piece in self.remove(from) {
            let start = VirtAddr(to.0 + (piece.start.0 - from.start.0));
            self.insert(AddrRange { start, end: VirtAddr(start.0 + piece.len()) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: u64, end: u64) -> AddrRange {
        AddrRange::new(VirtAddr(start), VirtAddr(end))
    }

    #[test]
    fn a_hole_cuts_a_range_in_two() {
        let mut guards = Guards::default();
        guards.insert(range(0x1000, 0x6000));
        assert_eq!(guards.remove(range(0x2000, 0x3000)), [range(0x2000, 0x3000)]);
        assert!(guards.contains(VirtAddr(0x1fff)) && guards.contains(VirtAddr(0x3000)));
        assert!(!guards.contains(VirtAddr(0x2000)) && !guards.touch(range(0x2000, 0x3000)));
        guards.relocate(range(0x4000, 0x6000), VirtAddr(0xa000));
        assert!(guards.contains(VirtAddr(0xb000)) && !guards.contains(VirtAddr(0x4000)));
    }
}
