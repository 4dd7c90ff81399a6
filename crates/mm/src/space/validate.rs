//! The check that every cached number is what it stands for.

use core::fmt;

use abi::AddrRange;

use super::{AddressSpace, Counters};
use crate::flags::VmFlags;
use crate::pages::Memory;

/// A cached number or an order that is wrong: a bug of the twin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Inconsistency {
    /// A mapping is empty or not page-aligned.
    Shape(AddrRange),
    /// A mapping starts before the one below ends.
    Overlap(AddrRange),
    /// The counters are not the sums over the mappings.
    Counters {
        /// What is kept.
        kept: Counters,
        /// What the mappings sum up to.
        summed: Counters,
    },
}

impl fmt::Display for Inconsistency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape(range) => write!(f, "the mapping {range} is empty or unaligned"),
            Self::Overlap(range) => write!(f, "the mapping {range} overlaps the one below"),
            Self::Counters { kept, summed } => write!(f, "kept {kept:?}, but the sums are {summed:?}"),
        }
    }
}

impl<M: Memory> AddressSpace<M> {
    /// Recomputes every cached number.
    ///
    /// # Errors
    /// The first one that is wrong.
    pub fn validate(&self) -> Result<(), Inconsistency> {
        let mut summed = Counters::default();
        let mut last = abi::VirtAddr::NULL;
        for vma in self.vmas() {
            let range = vma.range;
            if range.is_empty() || !range.start.is_page_aligned() || !range.end.is_page_aligned() {
                return Err(Inconsistency::Shape(range));
            }
            if range.start < last {
                return Err(Inconsistency::Overlap(range));
            }
            last = range.end;
            summed.add(vma.flags, vma.pages());
            if vma.flags.contains(VmFlags::LOCKED) {
                summed.locked_vm += vma.pages();
            }
        }
        let kept = self.counters;
        let sums = |counters: Counters| Counters { locked_vm: 0, ..counters };
        if sums(kept) != sums(summed) || kept.locked_vm < summed.locked_vm {
            return Err(Inconsistency::Counters { kept, summed });
        }
        Ok(())
    }
}
