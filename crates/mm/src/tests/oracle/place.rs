//! Where a mapping goes that has no place of its own: every place is tried.
//!
//! ```text
//! from above   ....AAA.....**|....     the highest free place that ends at or below TOP
//! from below   ....AAA**....|.....     the lowest from LOW on, if there is none
//! a stack      ...**...SSSS            ends at least GAP below a stack that is next
//! from above   **....AA.SSS            what is free only too near to a stack sends the search below the whole gap,
//!                ^top                  even if something else lies in it
//! huge         **......|               a multiple of a huge page is placed at such a multiple
//! ```

use core::ops::Range;

use super::model::{FIRST, GAP, HUGE, LOW, Memory, Object, PAGES, TOP};
use crate::flags::VmFlags;

impl Memory {
    /// Finds a place.
    ///
    /// Linux: `mm/mmap.c: __get_unmapped_area`.
    pub(super) fn place(&self, hint: Option<usize>, pages: usize, object: Object) -> Option<usize> {
        if object == Object::Anonymous && hint.is_none() && pages.is_multiple_of(HUGE) {
            // Linux: mm/huge_memory.c: __thp_get_unmapped_area
            if let Some(at) = self.place_plain(None, pages + HUGE) {
                let beyond = (at + FIRST as usize) % HUGE;
                return Some(at + HUGE - beyond);
            }
        }
        self.place_plain(hint, pages)
    }

    /// Linux: `arch/x86/kernel/sys_x86_64.c: arch_get_unmapped_area_topdown`.
    fn place_plain(&self, hint: Option<usize>, pages: usize) -> Option<usize> {
        let fits = |at: &usize| self.is_clear(*at..*at + pages);
        let hinted = hint.filter(fits);
        hinted.or_else(|| self.place_from_above(pages)).or_else(|| (LOW..PAGES).find(fits))
    }

    /// Linux: `mm/vma.c: unmapped_area_topdown`.
    fn place_from_above(&self, pages: usize) -> Option<usize> {
        let mut top = TOP;
        loop {
            let at = (0..=top).rev().find(|at| at + pages <= top && self.is_free(*at..*at + pages))?;
            match self.gap_start(at + pages) {
                Some(start) if start < at + pages => top = start,
                _ => return Some(at),
            }
        }
    }

    /// Tells whether a range is free and keeps its distance from a stack above.
    fn is_clear(&self, range: Range<usize>) -> bool {
        self.is_free(range.clone()) && self.gap_start(range.end).is_none_or(|start| range.end <= start)
    }

    /// Returns the lowest page that belongs to the next mapping, the guard gap of a stack counted.
    pub(super) fn gap_start(&self, at: usize) -> Option<usize> {
        let next = self.next_mapped(at)?;
        let grows = self.page(next).is_some_and(|page| page.has(VmFlags::GROWSDOWN));
        Some(if grows { next.saturating_sub(GAP) } else { next })
    }
}
