//! What a twin without pages keeps of the page tables: in which blocks of 2 MiB there is one.
//!
//! ```text
//! block     |   nothing yet   |   4 KiB pages   |
//! a read     0                 z                   advised for huge pages
//!            `-> sets the      `-> does not
//!                anon_vma
//! ```
//! The first fault where a huge page may be prepares for a write even if it reads; where a table is, small pages are
//! mapped, and reading prepares nothing. Which entries a table has is not kept: one that only parts of a drop leave empty
//! stays here, though the kernel may free it.
//!
//! Linux: `mm/huge_memory.c: do_huge_pmd_anonymous_page`.

use alloc::vec::Vec;

use abi::{AddrRange, PAGE_SHIFT, VirtAddr};

use super::NoPages;
use crate::access::Access;
use crate::guard::Guards;
use crate::op::Op;
use crate::space::AddressSpace;
use crate::thp::{HUGE_PAGES, is_allowed, place_in};

const BYTES: u64 = HUGE_PAGES << PAGE_SHIFT;

/// The blocks with a page table.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Blocks {
    /// Of whole blocks.
    with_table: Guards,
}

/// The whole blocks that a range lies in.
fn around(range: AddrRange) -> AddrRange {
    let end = range.end.0.checked_next_multiple_of(BYTES).unwrap_or(!(BYTES - 1));
    AddrRange { start: VirtAddr(range.start.0 & !(BYTES - 1)), end: VirtAddr(end) }
}

/// The blocks that lie in a range as a whole.
fn inside(range: AddrRange) -> Option<AddrRange> {
    let start = VirtAddr(range.start.0.checked_next_multiple_of(BYTES)?);
    let end = VirtAddr(range.end.0 & !(BYTES - 1));
    (start < end).then_some(AddrRange { start, end })
}

impl Blocks {
    /// Returns the ranges of those with a table, ascending.
    pub(super) fn ranges(&self) -> Vec<AddrRange> {
        self.with_table.ranges()
    }

    /// The blocks of a range have a table.
    pub(super) fn insert(&mut self, range: AddrRange) {
        let range = around(range);
        if !self.with_table.covers(range) {
            self.with_table.insert(range);
        }
    }

    /// All of a range is dropped: a table that this empties is freed.
    ///
    /// Linux: `mm/pt_reclaim.c: try_get_and_clear_pmd`.
    pub(super) fn dropped(&mut self, range: AddrRange) {
        if let Some(blocks) = inside(range) {
            self.with_table.remove(blocks);
        }
    }

    /// The page tables of a range move: whole ones as they are, parts into tables of their own.
    ///
    /// Linux: `mm/mremap.c: move_page_tables`.
    pub(super) fn moved(&mut self, from: AddrRange, to: VirtAddr) {
        let offset = to.0.wrapping_sub(from.start.0);
        let whole = inside(from).filter(|_| offset.is_multiple_of(BYTES));
        let parts = self.with_table.ranges_in(from);
        if let Some(whole) = whole {
            self.with_table.remove(whole);
        }
        for part in parts {
            let start = VirtAddr(part.start.0.wrapping_add(offset));
            self.insert(AddrRange { start, end: VirtAddr(start.0.wrapping_add(part.len())) });
        }
    }

    /// A child gets the tables of a range.
    pub(super) fn copy_to(&self, child: &mut Self, range: AddrRange) {
        self.with_table.ranges_in(range).into_iter().for_each(|part| child.insert(part));
    }
}

impl AddressSpace {
    /// Tells whether the 2 MiB around an address have a page table, or a huge page, by the faults and calls that the twin
    /// was told of.
    pub fn has_table(&self, addr: VirtAddr) -> bool {
        self.pages.with_table.contains(addr)
    }

    /// Says that a page was faulted in, where the access is not done by the twin ([`Self::touch`]).
    pub fn note_table(&mut self, addr: VirtAddr) {
        self.pages.insert(AddrRange { start: addr, end: VirtAddr(addr.0.saturating_add(1)) });
    }
}

impl Op<'_, NoPages> {
    /// Pages of a mapping are faulted in.
    pub(super) fn fault_blocks(&mut self, start: VirtAddr, range: AddrRange, access: Access) {
        if access != Access::Write && self.may_be_huge(start, range) {
            self.space.prepare_anon(self.sys, start);
        }
        self.space.pages.insert(range);
    }

    /// Tells whether a fault in a range meets a block without a table where a huge page may be.
    fn may_be_huge(&self, start: VirtAddr, range: AddrRange) -> bool {
        let profile = &self.sys.profile;
        let Some(vma) = self.space.vmas.find(start) else { return false };
        if vma.anon.is_some()
            || !vma.is_anonymous()
            || !profile.options.thp
            || !is_allowed(profile.thp, self.space.settings, vma.flags)
        {
            return false;
        }
        let mut rest = around(range);
        while let Some(free) = self.space.pages.with_table.first_outside(rest) {
            if place_in(vma, free.0 >> PAGE_SHIFT).is_some() {
                return true;
            }
            rest.start = VirtAddr(free.0.saturating_add(BYTES)).min(rest.end);
        }
        false
    }

    /// A mapping is gone: the tables go of blocks in which nothing is mapped any more.
    ///
    /// Linux: `mm/memory.c: free_pgtables`.
    pub(super) fn free_blocks(&mut self, range: AddrRange) {
        let (pages, vmas) = (&mut self.space.pages, &self.space.vmas);
        if pages.with_table.is_empty() {
            return;
        }
        // What touches the edges may have a table in common with what is gone.
        let mut free = around(range);
        let is_mapped = |block: VirtAddr| {
            let block = AddrRange { start: block, end: VirtAddr(block.0.saturating_add(BYTES)) };
            vmas.range(block).next().is_some()
        };
        if is_mapped(free.start) {
            free.start = VirtAddr(free.start.0 + BYTES);
        }
        if free.start < free.end && is_mapped(VirtAddr(free.end.0 - BYTES)) {
            free.end = VirtAddr(free.end.0 - BYTES);
        }
        if free.start < free.end {
            pages.with_table.remove(free);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: u64, end: u64) -> AddrRange {
        AddrRange { start: VirtAddr(start << 20), end: VirtAddr(end << 20) }
    }

    #[test]
    fn tables_move_whole_or_into_new_ones() {
        let mut blocks = Blocks::default();
        blocks.insert(range(8, 9));
        blocks.insert(range(11, 12));
        assert_eq!(blocks.ranges(), [range(8, 10), range(10, 12)]);
        blocks.moved(range(8, 10), VirtAddr(20 << 20));
        assert_eq!(blocks.ranges(), [range(10, 12), range(20, 22)]);
        blocks.moved(range(20, 22), VirtAddr(31 << 20));
        assert_eq!(blocks.ranges(), [range(10, 12), range(20, 22), range(30, 34)]);
        blocks.dropped(range(20, 33));
        assert_eq!(blocks.ranges(), [range(10, 12), range(32, 34)]);
    }

    #[test]
    fn a_range_has_whole_blocks_inside_and_around() {
        assert_eq!((inside(range(3, 9)), around(range(3, 9))), (Some(range(4, 8)), range(2, 10)));
        assert_eq!((inside(range(3, 4)), inside(range(5, 7))), (None, None));
    }
}
