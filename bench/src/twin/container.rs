//! What can hold ranges of addresses: the twin's set and its peers, under one trait.

use std::collections::BTreeMap;
use std::ops::Range;

use abi::{AddrRange, VirtAddr};
use memory_set::{MappingBackend, MemoryArea, MemorySet};
use mm::set::{Entry, VmaSet};
use rangemap::RangeMap;

/// A mapping of the size that a real one has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mapping {
    range: AddrRange,
    protection: u64,
    rest: [u64; 8],
}

/// The protection of every mapping.
const READ_WRITE: u64 = 3;

impl Mapping {
    /// Makes a readable and writable mapping.
    pub fn new(range: AddrRange) -> Self {
        Self { range, protection: READ_WRITE, rest: [range.start.0; 8] }
    }
}

impl Entry for Mapping {
    fn range(&self) -> AddrRange {
        self.range
    }
}

/// What the rows ask of a container. `None` and `false` mean that it cannot.
pub trait Container {
    /// Inserts a mapping at a free place.
    fn insert(&mut self, range: AddrRange);
    /// Removes the mapping that occupies exactly this range.
    fn remove(&mut self, range: AddrRange);
    /// Returns the first address of the mapping at `addr`.
    fn find(&self, addr: VirtAddr) -> Option<VirtAddr>;
    /// Returns the start of a free gap.
    fn gap(&self, bounds: AddrRange, len: u64) -> Option<VirtAddr>;
    /// Makes an independent copy and drops it.
    fn snapshot(&self) -> bool;
}

impl Container for VmaSet<Mapping> {
    fn insert(&mut self, range: AddrRange) {
        self.insert(Mapping::new(range));
    }

    fn remove(&mut self, range: AddrRange) {
        self.remove(range.start);
    }

    fn find(&self, addr: VirtAddr) -> Option<VirtAddr> {
        self.find(addr).map(|mapping| mapping.range.start)
    }

    fn gap(&self, bounds: AddrRange, len: u64) -> Option<VirtAddr> {
        self.highest_gap(bounds, len).map(|gap| gap.start)
    }

    fn snapshot(&self) -> bool {
        std::hint::black_box(self.clone());
        true
    }
}

impl Container for BTreeMap<u64, Mapping> {
    fn insert(&mut self, range: AddrRange) {
        self.insert(range.start.0, Mapping::new(range));
    }

    fn remove(&mut self, range: AddrRange) {
        self.remove(&range.start.0);
    }

    fn find(&self, addr: VirtAddr) -> Option<VirtAddr> {
        let (_, mapping) = self.range(..=addr.0).next_back()?;
        mapping.range.contains(addr).then_some(mapping.range.start)
    }

    fn gap(&self, bounds: AddrRange, len: u64) -> Option<VirtAddr> {
        let mut end = bounds.end;
        for (_, mapping) in self.range(..bounds.end.0).rev() {
            if end.0.saturating_sub(mapping.range.end.0) >= len {
                return Some(mapping.range.end);
            }
            end = mapping.range.start;
        }
        None
    }

    fn snapshot(&self) -> bool {
        std::hint::black_box(self.clone());
        true
    }
}

fn plain(range: AddrRange) -> Range<u64> {
    range.start.0..range.end.0
}

impl Container for RangeMap<u64, Mapping> {
    fn insert(&mut self, range: AddrRange) {
        self.insert(plain(range), Mapping::new(range));
    }

    fn remove(&mut self, range: AddrRange) {
        self.remove(plain(range));
    }

    fn find(&self, addr: VirtAddr) -> Option<VirtAddr> {
        self.get_key_value(&addr.0).map(|(range, _)| VirtAddr(range.start))
    }

    fn gap(&self, bounds: AddrRange, len: u64) -> Option<VirtAddr> {
        let gap = self.gaps(&plain(bounds)).find(|gap| gap.end - gap.start >= len)?;
        Some(VirtAddr(gap.start))
    }

    fn snapshot(&self) -> bool {
        std::hint::black_box(self.clone());
        true
    }
}

/// A backend of `memory_set` that has no page table to keep.
#[derive(Clone)]
pub struct NoPages;

impl MappingBackend for NoPages {
    type Addr = usize;
    type Flags = u64;
    type PageTable = ();

    fn map(&self, _: usize, _: usize, _: u64, (): &mut ()) -> bool {
        true
    }

    fn unmap(&self, _: usize, _: usize, (): &mut ()) -> bool {
        true
    }

    fn protect(&self, _: usize, _: usize, _: u64, (): &mut ()) -> bool {
        true
    }
}

impl Container for MemorySet<NoPages> {
    fn insert(&mut self, range: AddrRange) {
        let area = MemoryArea::new(range.start.0 as usize, range.len() as usize, READ_WRITE, NoPages);
        self.map(area, &mut (), false).expect("the place is free");
    }

    fn remove(&mut self, range: AddrRange) {
        self.unmap(range.start.0 as usize, range.len() as usize, &mut ()).expect("it is there");
    }

    fn find(&self, addr: VirtAddr) -> Option<VirtAddr> {
        self.find(addr.0 as usize).map(|area| VirtAddr(area.start() as u64))
    }

    fn gap(&self, bounds: AddrRange, len: u64) -> Option<VirtAddr> {
        let limit = memory_addr::AddrRange::new(bounds.start.0 as usize, bounds.end.0 as usize);
        let start = self.find_free_area(limit.start, len as usize, limit, abi::PAGE_SIZE as usize)?;
        Some(VirtAddr(start as u64))
    }

    fn snapshot(&self) -> bool {
        false
    }
}
