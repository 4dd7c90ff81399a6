//! The check that every cached number about pages is what it stands for.

use alloc::collections::BTreeMap;

use super::frames::{Frames, Holds};
use super::pte::Pte;
use super::table::PageTable;
use super::{Pages, Rss};
use crate::space::AddressSpace;
use crate::system::System;

/// A number about pages that is wrong: a bug of the twin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PageInconsistency {
    /// An address space's counters are not the sums over its page table.
    Rss {
        /// What is kept.
        kept: Rss,
        /// What the entries sum up to.
        summed: Rss,
    },
    /// The entries of huge pages are not as many as counted, not alike, or not in one mapping.
    Huge(u64),
    /// A page lies outside every mapping.
    Unmapped(u64),
    /// A frame is not held as often as it says.
    Frame(u32),
    /// An exclusive frame is held more than once, or a free one at all.
    Held(u32),
}

impl<F: Frames> System<Pages<F>> {
    /// Recomputes every number about pages.
    ///
    /// # Preconditions
    /// `spaces` are all address spaces of the system that have not ended.
    ///
    /// # Errors
    /// The first number that is wrong.
    pub fn validate_pages<'a>(
        &self,
        spaces: impl IntoIterator<Item = &'a AddressSpace<Pages<F>>>,
    ) -> Result<(), PageInconsistency> {
        let mut maps: BTreeMap<u32, (u32, u32)> = BTreeMap::new();
        for space in spaces {
            let mut summed = Rss::default();
            let mut outside = None;
            let mut huge = space.pages.huge;
            let mut uneven = None;
            space.pages.tree.walk(0..PageTable::PAGES, |first, ptes| {
                if ptes.iter().any(|pte| pte.is_huge()) {
                    huge = huge.wrapping_sub(1);
                    let start = abi::VirtAddr(first << abi::PAGE_SHIFT);
                    let end = abi::VirtAddr((first + PageTable::LEAF_PAGES) << abi::PAGE_SHIFT);
                    let within = space.vmas.find(start).is_some_and(|vma| end <= vma.range.end);
                    if !within || !ptes.iter().all(|pte| pte.is_huge() && pte.same_bits(ptes[0])) {
                        uneven = Some(first);
                    }
                }
                for (page, pte) in (first..).zip(ptes).filter(|(_, pte)| !pte.is_none()) {
                    if pte.is_mark() {
                        continue;
                    }
                    let (present, swapped) = maps.entry(pte.frame().0).or_default();
                    count(*pte, self.pool.meta(pte.frame()).holds, &mut summed, present, swapped);
                    if space.vmas.find(abi::VirtAddr(page << abi::PAGE_SHIFT)).is_none() {
                        outside = Some(page);
                    }
                }
            });
            if summed != space.pages.rss {
                return Err(PageInconsistency::Rss { kept: space.pages.rss, summed });
            }
            if let Some(page) = uneven.or((huge != 0).then_some(huge)) {
                return Err(PageInconsistency::Huge(page));
            }
            if let Some(page) = outside {
                return Err(PageInconsistency::Unmapped(page));
            }
        }
        for (frame, meta) in self.pool.metas().skip(1) {
            let (present, swapped) = maps.get(&frame.0).copied().unwrap_or_default();
            if (meta.maps, meta.swaps) != (present, swapped) {
                return Err(PageInconsistency::Frame(frame.0));
            }
            if meta.exclusive && present + swapped > 1 || meta.holds == Holds::Nothing && present > 0 {
                return Err(PageInconsistency::Held(frame.0));
            }
        }
        Ok(())
    }
}

fn count(pte: Pte, holds: Holds, rss: &mut Rss, present: &mut u32, swapped: &mut u32) {
    if pte.is_swapped() {
        rss.swap += 1;
        *swapped += 1;
    } else if !pte.is_zero_page() {
        rss.add(holds);
        *present += 1;
    }
}
