//! When pages beside become one mapping with a range, and who shares an anon_vma: by looking at the pages beside.
//!
//! ```text
//! LLLL****RRRR    L the page below, R the page above, `*` the range with what it is to be
//! ^       ^       where mappings begin before
//! ^               and after, if both merge
//! ```

use alloc::vec::Vec;
use core::ops::Range;

use abi::Errno;

use super::model::{Chain, Memory, Oracle, PAGES, Page};
use crate::flags::VmFlags;

/// What a range is that may merge.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// New memory, or more of a mapping that grows.
    New,
    /// A part of a mapping with other attributes, or a copy of a mapping.
    Existing,
}

/// With which sides a range merges.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Joins {
    pub(super) left: bool,
    pub(super) right: bool,
}

impl Joins {
    pub(super) const NONE: Self = Self { left: false, right: false };
    pub(super) const BOTH: Self = Self { left: true, right: true };
    pub(super) const LEFT: Self = Self { left: true, right: false };
}

/// Linux: `mm/vma.c: is_mergeable_vma`.
fn same_kind(one: &Page, two: &Page) -> bool {
    VmFlags(one.flags.0 ^ two.flags.0).without(VmFlags::MAYBE_GUARD) == VmFlags::NONE
        && one.object == two.object
        && one.name == two.name
}

/// Linux: `mm/vma.c: is_mergeable_anon_vma`.
fn chains_join(beside: Option<&Chain>, range: Option<&Chain>, source: Source) -> bool {
    match (beside, range) {
        (None, None) => true,
        (None, Some(range)) => source == Source::New || !range.is_forked(),
        (Some(beside), None) => !beside.is_forked(),
        (Some(beside), Some(range)) => beside.own == range.own,
    }
}

/// Tells which of the sides that are asked for merge with a range.
///
/// Linux: `mm/vma.c: can_vma_merge_left`, `can_vma_merge_right`.
pub(super) fn joins(
    memory: &Memory,
    range: &Range<usize>,
    pages: &[Page],
    source: Source,
    sides: Joins,
) -> Joins {
    let (first, last) = (&pages[0], &pages[pages.len() - 1]);
    let below = range.start.checked_sub(1).and_then(|at| memory.page(at)).filter(|_| sides.left);
    let above = memory.page(range.end).filter(|_| sides.right);
    let fits = |beside: &Page, edge: &Page| {
        same_kind(beside, edge) && chains_join(beside.chain.as_ref(), edge.chain.as_ref(), source)
    };
    let left = below.is_some_and(|below| fits(below, first) && below.pgoff + 1 == first.pgoff);
    let mut right = above.is_some_and(|above| fits(above, last) && last.pgoff + 1 == above.pgoff);
    if let (true, Some(below), Some(above)) = (left, below, above) {
        right &= match (&below.chain, &above.chain) {
            (Some(below), Some(above)) => below.own == above.own,
            _ => true,
        };
    }
    Joins { left, right }
}

impl Memory {
    /// Puts pages in their place, as a part of the mappings beside or as one of their own.
    pub(super) fn put(&mut self, range: Range<usize>, pages: Vec<Page>, joins: Joins) {
        let below =
            if joins.left { self.page(range.start - 1).and_then(|page| page.chain.clone()) } else { None };
        let above = if joins.right { self.page(range.end).and_then(|page| page.chain.clone()) } else { None };
        let chain = below.or(above).or_else(|| pages[0].chain.clone());
        for (at, page) in range.clone().zip(pages) {
            self.pages[at] = Some(Page { begins: at == range.start && !joins.left, ..page });
        }
        if let Some(Some(above)) = self.pages.get_mut(range.end) {
            above.begins = !joins.right;
        }
        let whole = self.mapping_of(range.start);
        let guards = self.pages[whole.clone()].iter().flatten().any(|page| page.has(VmFlags::MAYBE_GUARD));
        self.change(whole, |page| {
            page.chain.clone_from(&chain);
            if guards {
                page.flags = page.flags.with(VmFlags::MAYBE_GUARD);
            }
        });
    }

    /// Lets a mapping begin at a mapped page.
    pub(super) fn split(&mut self, at: usize) {
        self.change(at..at + 1, |page| page.begins = true);
    }

    /// Tells whether a mapping begins at a place or ends before it, or nothing is mapped there.
    pub(super) fn is_edge(&self, at: usize) -> bool {
        self.page(at).is_none_or(|page| page.begins)
    }
}

impl Oracle {
    /// Gives a part of a mapping other attributes: merges it with what is beside, or splits it off.
    ///
    /// Linux: `mm/vma.c: vma_modify`, `vma_merge_existing_range`.
    ///
    /// # Errors
    /// `ENOMEM` where a split would be one mapping too many; a split at the start may be done.
    pub(super) fn modify(&mut self, range: Range<usize>, change: impl Fn(&mut Page)) -> Result<(), Errno> {
        let mut pages: Vec<Page> = self.now().pages[range.clone()].iter().flatten().cloned().collect();
        pages.iter_mut().for_each(change);
        let sides = Joins { left: self.now().is_edge(range.start), right: self.now().is_edge(range.end) };
        let with = joins(self.now(), &range, &pages, Source::Existing, sides);
        if with == Joins::NONE {
            for at in [range.start, range.end] {
                if !self.now().is_edge(at) {
                    if self.map_count() >= self.max_map_count {
                        return Err(Errno::ENOMEM);
                    }
                    self.now_mut().split(at);
                }
            }
        }
        self.now_mut().put(range, pages, with);
        Ok(())
    }

    /// Gives the mapping of a page an anon_vma if it has none: that of the next one or of the one before if they might
    /// be one mapping once, else a new one.
    ///
    /// Linux: `mm/rmap.c: __anon_vma_prepare`, `mm/vma.c: find_mergeable_anon_vma`.
    pub(super) fn prepare(&mut self, at: usize) {
        let memory = self.now();
        let whole = memory.mapping_of(at);
        if memory.page(at).is_none_or(|page| page.chain.is_some()) {
            return;
        }
        let from = |has: usize, below: usize| {
            let (below, above) = (memory.page(below)?, memory.page(below + 1)?);
            let may_differ = VmFlags::ACCESS.with(VmFlags::MAYBE_GUARD);
            let alike = VmFlags(below.flags.0 ^ above.flags.0).without(may_differ) == VmFlags::NONE
                && below.object == above.object
                && below.pgoff + 1 == above.pgoff;
            memory.page(has)?.chain.clone().filter(|chain| alike && !chain.is_forked())
        };
        let next = if whole.end < PAGES { from(whole.end, whole.end - 1) } else { None };
        let shared = next.or_else(|| whole.start.checked_sub(1).and_then(|below| from(below, below)));
        let chain = shared.unwrap_or_else(|| {
            let own = self.parents.len();
            self.parents.push(own);
            Chain { own, links: alloc::vec![own] }
        });
        self.now_mut().change(whole, |page| page.chain = Some(chain.clone()));
    }
}
