//! Huge pages: 2 MiB that come with one page touched.
//!
//! ```text
//! block     | nothing, no table |  a write at x   |  the kernel's word
//! pages      ..................    AAAxAAAAAAAAAA     HHHHHHHHHHHHHH   as predicted
//!                                                     ...a..........   no huge page was free: an input
//! ```
//! Settings, advice and place decide where a huge page is asked for; whether memory had one is not told by any event. One
//! is taken to have come, and until the kernel confirms it, its block is *hoped*: where it turns out to have been small
//! pages, that is the free memory's doing and counts as asked of the kernel, not as a difference.

use abi::{AddrRange, PAGE_SIZE, VirtAddr};
use mm::{AddressSpace, Thp};

use super::{Access, How, Ledger, May, Touch};

pub(super) const HUGE_BYTES: u64 = 512 * PAGE_SIZE;

/// The blocks whose huge pages the kernel has not confirmed yet, by number.
pub(crate) type Hoped = std::collections::BTreeSet<u64>;

/// Whether the 2 MiB around a page had a page table, or a huge page, before it was touched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Table {
    /// They had.
    Yes,
    /// They had not, or nobody knows.
    No,
}

/// What decides whether a touch asks for a huge page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Huge {
    /// By which setting.
    pub thp: Thp,
    /// What was there before.
    pub table: Table,
}

impl Huge {
    /// No huge page is ever asked for.
    pub const NEVER: Self = Self { thp: Thp::Never, table: Table::No };
}

/// The whole blocks in a range.
pub(super) fn inside(range: AddrRange) -> Option<AddrRange> {
    let start = VirtAddr(range.start.0.checked_next_multiple_of(HUGE_BYTES)?);
    let end = VirtAddr(range.end.0 & !(HUGE_BYTES - 1));
    (start < end).then_some(AddrRange { start, end })
}

fn blocks(range: AddrRange) -> std::ops::Range<u64> {
    range.start.0 / HUGE_BYTES..range.end.0.div_ceil(HUGE_BYTES)
}

fn place_of(block: u64) -> AddrRange {
    AddrRange::new(VirtAddr(block * HUGE_BYTES), VirtAddr((block + 1) * HUGE_BYTES))
}

impl Ledger {
    /// Returns the block that a fault at an anonymous page brings in; where none, the fault may show that none came before.
    pub(super) fn huge_at(
        &mut self,
        space: &AddressSpace,
        touch: Touch,
        (page, access): (VirtAddr, Access),
        huge: Huge,
    ) -> Option<AddrRange> {
        let writes = access != Access::Read;
        let asked = self.asks_huge(space, huge, page, writes);
        if asked.is_none() && writes {
            self.doubt_huge(page, touch);
        }
        asked
    }

    /// Returns the block that a touch of an anonymous page brings in, or makes this memory's own, as one huge page.
    pub(super) fn asks_huge(
        &self,
        space: &AddressSpace,
        huge: Huge,
        page: VirtAddr,
        writes: bool,
    ) -> Option<AddrRange> {
        if huge.thp == Thp::Never {
            return None;
        }
        let place = space.huge_place(huge.thp, page)?;
        let runs = self.runs.within(place);
        let fresh = huge.table == Table::No && runs.iter().all(|(_, run)| run.may.contains(May::ABSENT));
        let came_whole = |by| self.who(by).is_some_and(|who| matches!(who.how, How::Huge | How::Found));
        // The huge page of zeros is replaced as a whole (mm/huge_memory.c: do_huge_zero_wp_pmd).
        let zeros = || {
            let pages: u64 = runs.iter().map(|(range, _)| range.pages()).sum();
            pages * PAGE_SIZE == HUGE_BYTES
                && runs.iter().all(|(_, run)| run.may.contains(May::ZERO) && !run.may.contains(May::ABSENT))
                && runs.iter().any(|(_, run)| came_whole(run.by))
        };
        (fresh || writes && zeros()).then_some(place)
    }

    /// A touch asked for a huge page: what it did to the page touched, it did to all.
    pub(super) fn come_huge(&mut self, place: AddrRange, touch: Touch, into: impl Fn(May) -> May) {
        let by = self.toucher(touch, How::Huge);
        self.become_(place, by, touch.time, |may| may.each(&into));
        self.hope(place);
    }

    /// Until the kernel's next word a range is of huge pages, if it had any.
    pub(super) fn hope(&mut self, range: AddrRange) {
        self.hoped.extend(blocks(range));
    }

    /// Whether all of a range is of huge pages that were not confirmed.
    pub(super) fn is_hoped(&self, range: AddrRange) -> bool {
        !self.hoped.is_empty() && blocks(range).all(|block| self.hoped.contains(&block))
    }

    /// A fault where a huge page should be shows that none came: small pages did, of which this is one.
    pub(super) fn doubt_huge(&mut self, page: VirtAddr, touch: Touch) {
        let Some(run) = self.at(page).copied() else { return };
        let Some(who) = self.who(run.by) else { return };
        let races = who.tid != touch.tid && touch.time.0.saturating_sub(run.last.0) < super::fault::RACE_NS;
        let block = page.0 / HUGE_BYTES;
        // After a fork each side is told of its first writes.
        if who.how != How::Huge || run.forked.is_some() || races || !self.hoped.contains(&block) {
            return;
        }
        for (range, run) in self.runs.within(place_of(block)) {
            if self.who(run.by).is_some_and(|who| who.how == How::Huge) {
                self.reading.note(range);
                self.runs.clear(range);
            }
        }
    }

    /// The kernel has confirmed or refuted what was hoped, but for where memory changed while it was asked.
    pub(super) fn end_hopes(&mut self, changed: &[AddrRange]) {
        self.hoped.retain(|block| changed.iter().any(|range| range.overlaps(place_of(*block))));
    }

    /// What is gone is not hoped for.
    pub(super) fn drop_hopes(&mut self, range: AddrRange) {
        if !self.hoped.is_empty()
            && let Some(whole) = inside(range)
        {
            let gone: Vec<u64> = self.hoped.range(blocks(whole)).copied().collect();
            gone.iter().for_each(|block| {
                self.hoped.remove(block);
            });
        }
    }

    /// Ranges that are of huge pages, if memory had any.
    pub(crate) fn hoped_ranges(&self) -> impl Iterator<Item = AddrRange> {
        self.hoped.iter().copied().map(place_of)
    }
}
