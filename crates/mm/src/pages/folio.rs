//! Large folios: pages that were allocated as one, and share what the kernel keeps for each allocation only.
//!
//! ```text
//! frame  f0 f1 f2 ... f511       each: mapped how often, exclusive
//!        `----- folio -----'     all: dirty, remembered as accessed, lazily freed, locked; mapped by whom
//! ```
//!
//! A frame without one is a folio by itself.

use alloc::boxed::Box;

use super::frames::{FrameId, Frames, Pool};
use super::lock::Keeps;
use super::pte::Pte;

/// The number of a large folio; 0: none.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub(crate) struct FolioId(pub(super) u32);

impl FolioId {
    /// No large folio: the page is one by itself.
    pub(crate) const NONE: Self = Self(0);

    pub(super) const fn is_large(self) -> bool {
        self.0 != 0
    }
}

/// The number of a memory, as large folios tell them apart; 0: it never mapped any.
///
/// Linux: `mm_id`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct MmId(pub(super) u32);

impl MmId {
    /// It never mapped a large folio.
    pub(crate) const NONE: Self = Self(0);
}

/// What one memory maps of a folio. Linux: `_mm_id`, `_mm_id_mapcount`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Slot {
    mm: MmId,
    /// Entries of its page tables; a huge one counts once.
    maps: u32,
}

/// A large folio.
#[derive(Clone, Debug, Default)]
pub(crate) struct Folio {
    /// Its frames in order; those of pages that nobody maps any more are used for others.
    pub(super) frames: Box<[FrameId]>,
    /// Frames that are still its own.
    left: u32,
    /// Entries of page tables that map it or a page of it; a huge one counts once. Linux: `_large_mapcount` + 1.
    pub(super) maps: u32,
    slots: [Slot; 2],
    /// Whether more than one memory may map it. Linux: `FOLIO_MM_IDS_SHARED_BITNUM`.
    shared: bool,
    /// Linux: `PG_dirty`.
    pub(super) dirty: bool,
    /// Linux: `PG_referenced`.
    pub(super) marked: bool,
    /// Linux: no `PG_swapbacked`.
    pub(super) lazy_free: bool,
    /// Linux: `mlock_count`.
    pub(super) locks: u32,
}

impl Folio {
    /// Counts entries of a memory's page table more.
    ///
    /// Linux: `include/linux/rmap.h: folio_add_return_large_mapcount`.
    fn add(&mut self, mm: MmId, entries: u32) {
        self.maps += entries;
        if let Some(slot) = self.slots.iter_mut().find(|slot| slot.mm == mm) {
            slot.maps += entries;
        } else if let Some(free) = self.slots.iter_mut().find(|slot| slot.mm == MmId::NONE) {
            *free = Slot { mm, maps: entries };
            self.shared |= self.maps != entries;
        }
    }

    /// Counts entries of a memory's page table less. One that came when two others held it has no place of its own:
    /// then it may be thought shared when it no longer is, as in the kernel.
    ///
    /// Linux: `include/linux/rmap.h: folio_sub_return_large_mapcount`.
    fn remove(&mut self, mm: MmId, entries: u32) {
        self.maps -= entries;
        if let Some(slot) = self.slots.iter_mut().find(|slot| slot.mm == mm) {
            if slot.maps > entries {
                slot.maps -= entries;
                return;
            }
            *slot = Slot::default();
        }
        if self.slots.iter().any(|slot| slot.maps == self.maps) {
            self.shared = false;
        }
    }

    /// Tells whether more than one memory may map it.
    ///
    /// Linux: `include/linux/mm.h: folio_maybe_mapped_shared`.
    pub(super) fn is_shared(&self) -> bool {
        self.maps > 1 && self.shared
    }

    /// Tells whether a write to one of its pages needs no copy, although no mark says so.
    ///
    /// Linux: `mm/memory.c: __wp_can_reuse_large_anon_folio`.
    pub(super) fn is_one_memorys(&self) -> bool {
        self.maps > 1 && !self.shared
    }

    /// A locked mapping holds it, or does so no longer.
    pub(super) fn keep(&mut self, keeps: Keeps) {
        self.locks = match keeps {
            Keeps::Yes => self.locks + 1,
            Keeps::No => self.locks.saturating_sub(1),
        };
    }

    /// The pages that it was made of.
    pub(super) fn pages(&self) -> u32 {
        self.frames.len() as u32
    }
}

/// The large folios of a system.
#[derive(Clone, Debug)]
pub(crate) struct Folios {
    /// The first is no folio.
    all: alloc::vec::Vec<Folio>,
    free: alloc::vec::Vec<FolioId>,
    /// The number of the memory that was numbered last.
    mms: u32,
}

impl Default for Folios {
    fn default() -> Self {
        Self { all: alloc::vec![Folio::default()], free: alloc::vec::Vec::new(), mms: 0 }
    }
}

impl<F: Frames> Pool<F> {
    /// Numbers a memory.
    pub(super) fn number(&mut self, mm: &mut MmId) -> MmId {
        if *mm == MmId::NONE {
            self.folios.mms += 1;
            *mm = MmId(self.folios.mms);
        }
        *mm
    }

    /// Makes frames one folio, which nobody maps yet.
    pub(super) fn join(&mut self, frames: Box<[FrameId]>) -> FolioId {
        let id = self.folios.free.pop().unwrap_or_else(|| {
            self.folios.all.push(Folio::default());
            FolioId(self.folios.all.len() as u32 - 1)
        });
        frames.iter().for_each(|frame| self.meta_mut(*frame).folio = id);
        let left = frames.len() as u32;
        self.folios.all[id.0 as usize] = Folio { frames, left, ..Folio::default() };
        id
    }

    /// Returns a folio.
    pub(super) fn folio(&self, id: FolioId) -> &Folio {
        &self.folios.all[id.0 as usize]
    }

    /// Returns how many entries hold the first page of a folio.
    pub(super) fn first_page_maps(&self, id: FolioId) -> u32 {
        self.folio(id).frames.first().map_or(0, |frame| self.meta(*frame).maps)
    }

    /// Returns a folio to change it.
    pub(super) fn folio_mut(&mut self, id: FolioId) -> &mut Folio {
        &mut self.folios.all[id.0 as usize]
    }

    /// A memory maps a folio by so many entries more.
    pub(super) fn folio_mapped(&mut self, id: FolioId, mm: MmId, entries: u32) {
        if id.is_large() {
            self.folio_mut(id).add(mm, entries);
        }
    }

    /// A memory maps a folio by so many entries less.
    pub(super) fn folio_unmapped(&mut self, id: FolioId, mm: MmId, entries: u32) {
        if id.is_large() {
            self.folio_mut(id).remove(mm, entries);
        }
    }

    /// A frame is used for others from now on.
    pub(super) fn leave_folio(&mut self, id: FolioId) {
        let folio = self.folio_mut(id);
        folio.left -= 1;
        if folio.left == 0 {
            *folio = Folio::default();
            self.folios.free.push(id);
        }
    }

    /// Splits a folio into its pages: each is one by itself, and as the whole was.
    ///
    /// Linux: `mm/huge_memory.c: __split_folio_to_order`.
    pub(super) fn part(&mut self, id: FolioId) {
        let folio = core::mem::take(self.folio_mut(id));
        self.folios.free.push(id);
        for frame in folio.frames {
            let meta = self.meta_mut(frame);
            if meta.folio == id {
                meta.folio = FolioId::NONE;
                meta.dirty = folio.dirty;
                meta.marked = folio.marked;
                meta.lazy_free = folio.lazy_free;
                meta.locks = folio.locks;
            }
        }
    }

    /// Counts the entries right after one of a folio's pages that map the pages after that. A frame that the folio has given
    /// back may be another page's by now.
    ///
    /// Linux: `mm/internal.h: folio_pte_batch`.
    pub(super) fn run_after(&self, id: FolioId, pte: Pte, rest: &[Pte]) -> usize {
        let frames = &self.folio(id).frames;
        let at = frames.iter().position(|frame| *frame == pte.frame()).map_or(frames.len(), |at| at + 1);
        let is_next = |pte: &Pte, frame: FrameId| {
            pte.is_present() && pte.frame() == frame && self.meta(frame).folio == id
        };
        rest.iter().zip(&frames[at..]).take_while(|(pte, frame)| is_next(pte, **frame)).count()
    }

    /// Tells whether a frame differs from what is behind it.
    pub(super) fn is_dirty(&self, frame: FrameId) -> bool {
        let meta = self.meta(frame);
        if meta.folio.is_large() { self.folio(meta.folio).dirty } else { meta.dirty }
    }

    /// Says that a frame differs from what is behind it.
    pub(super) fn set_dirty(&mut self, frame: FrameId) {
        let folio = self.meta(frame).folio;
        if folio.is_large() {
            self.folio_mut(folio).dirty = true;
        } else {
            self.meta_mut(frame).dirty = true;
        }
    }

    /// Tells whether a frame may be dropped instead of swapped out.
    pub(super) fn is_lazy_free(&self, frame: FrameId) -> bool {
        let meta = self.meta(frame);
        if meta.folio.is_large() { self.folio(meta.folio).lazy_free } else { meta.lazy_free }
    }

    /// Tells whether the kernel's queues may remember an access that no entry shows.
    pub(super) fn is_marked(&self, frame: FrameId) -> bool {
        let meta = self.meta(frame);
        if meta.folio.is_large() { self.folio(meta.folio).marked } else { meta.marked }
    }

    /// Says whether they may.
    pub(super) fn set_marked(&mut self, frame: FrameId, marked: bool) {
        let folio = self.meta(frame).folio;
        if folio.is_large() {
            self.folio_mut(folio).marked = marked;
        } else {
            self.meta_mut(frame).marked = marked;
        }
    }
}

/// Makes each run of a large folio's pages accessed and dirty where one of them is: mprotect takes the entries out as one.
/// mremap does so only where the processor itself joins entries, which this one does not (`pte_batch_hint`).
///
/// Linux: `mm/mprotect.c: change_pte_range` (`modify_prot_start_ptes`).
pub(super) fn spread<F: Frames>(pool: &Pool<F>, mm: MmId, ptes: &mut [Pte]) {
    if mm == MmId::NONE {
        return;
    }
    let mut rest = ptes;
    while let Some(pte) = rest.first().copied() {
        let id = if pte.is_present() { pool.meta(pte.frame()).folio } else { FolioId::NONE };
        let mut run = 1;
        if id.is_large() {
            let same = pool.run_after(id, pte, &rest[1..]);
            run += rest[1..=same].iter().take_while(|next| next.is_writable() == pte.is_writable()).count();
        }
        let (these, others) = rest.split_at_mut(run);
        let young = these.iter().any(|pte| pte.is_young());
        let dirty = these.iter().any(|pte| pte.is_dirty());
        for pte in these.iter_mut().filter(|_| id.is_large()) {
            *pte = if young { pte.young() } else { *pte };
            *pte = if dirty { pte.dirty() } else { *pte };
        }
        rest = others;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_third_memory_leaves_a_folio_shared_until_one_holds_all() {
        let [a, b, c] = [MmId(1), MmId(2), MmId(3)];
        let mut folio = Folio::default();
        folio.add(a, 1);
        assert!(!folio.is_shared());
        folio.add(b, 1);
        folio.add(c, 512);
        assert!(folio.is_shared());
        folio.remove(a, 1);
        folio.remove(b, 1);
        assert!(folio.is_shared(), "the third has no place of its own");
        folio.remove(c, 511);
        assert!(!folio.is_shared(), "one entry is one memory's");
    }
}
