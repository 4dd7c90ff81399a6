//! The mappings that every contender is filled with, and the random choices that all of them get alike.
//!
//! ```text
//! slot        0        1        2                  8 pages each
//!             MMM..... MMM..... MMM.....
//!                  ^ map+unmap takes one page here
//!              ^ protect+restore changes the middle page
//! ```
//!
//! The slot in the middle of the world is empty: the only gap of [`WANTED`] bytes lies there.

use abi::{AddrRange, PAGE_SIZE, VirtAddr};

/// The distance between two mappings.
pub const SLOT: u64 = 8 * PAGE_SIZE;
/// The length of a gap that is searched for: longer than any but the one in the middle.
pub const WANTED: u64 = 10 * PAGE_SIZE;

/// Slots from `base` on, of which all but the middle one hold a mapping.
#[derive(Clone, Copy)]
pub struct World {
    /// The first address of the first slot.
    pub base: VirtAddr,
    /// The number of mappings.
    pub mappings: u64,
}

impl World {
    /// Returns the three pages of each mapping.
    pub fn ranges(self) -> impl Iterator<Item = AddrRange> {
        (0..=self.mappings)
            .filter(move |slot| *slot != self.empty_slot())
            .map(move |slot| self.pages(slot, 0..3))
    }

    /// Returns everything from the first mapping to the last.
    pub fn bounds(self) -> AddrRange {
        AddrRange::new(self.base, VirtAddr(self.base.0 + self.mappings * SLOT + 3 * PAGE_SIZE))
    }

    /// Returns some pages of a slot.
    pub fn pages(self, slot: u64, pages: std::ops::Range<u64>) -> AddrRange {
        let start = self.base.0 + slot * SLOT;
        AddrRange::new(VirtAddr(start + pages.start * PAGE_SIZE), VirtAddr(start + pages.end * PAGE_SIZE))
    }

    /// Returns `count` random slots that hold a mapping, the same for the same `seed`.
    pub fn choices(self, count: usize, seed: u64) -> Vec<u64> {
        let mut random = seed | 1;
        let mut next = || {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % self.mappings
        };
        (0..count)
            .map(|_| Some(next()).filter(|slot| *slot != self.empty_slot()).unwrap_or(self.mappings))
            .collect()
    }

    fn empty_slot(self) -> u64 {
        self.mappings / 2
    }
}
