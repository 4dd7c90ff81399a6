//! Pages kept in memory by `mlock`: the queues of the kernel count the locked mappings of each.
//!
//! Only what has a page without locking it can tell: `MADV_FREE` leaves a page alone that a relative by fork has locked,
//! `MADV_PAGEOUT` one that a mapping locked which `mremap` has left behind unlocked. Of files' pages only the latter are
//! counted.

use abi::AddrRange;

use super::frames::{FrameId, Frames, Holds, Meta, Pool};
use super::table::pages_of;
use super::{Pages, Table};
use crate::op::Op;

/// Whether a mapping keeps its pages in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Keeps {
    Yes,
    No,
}

impl Meta {
    /// A locked mapping holds the page, or does so no longer; one that goes may go for another's.
    ///
    /// Linux: `mm/mlock.c: __mlock_folio`, `__munlock_folio`.
    pub(super) fn keep(&mut self, keeps: Keeps) {
        self.locks = match keeps {
            Keeps::Yes => self.locks + 1,
            Keeps::No => self.locks.saturating_sub(1),
        };
    }
}

/// Counts one locked mapping of a page, or of what it is a part of.
pub(super) fn keep<F: Frames>(pool: &mut Pool<F>, frame: FrameId, keeps: Keeps) {
    let folio = pool.meta(frame).folio;
    if folio.is_large() {
        pool.folio_mut(folio).keep(keeps);
    } else {
        pool.meta_mut(frame).keep(keeps);
    }
}

/// A large folio is counted once for each run of its pages, and as locked only where all of it lies there.
///
/// Linux: `mm/mlock.c: mlock_pte_range`, `allow_mlock_munlock`.
pub(super) fn keep_range<F: Frames>(table: &Table, pool: &mut Pool<F>, range: AddrRange, keeps: Keeps) {
    table.tree.walk(pages_of(range), |_, ptes| {
        let mut rest = ptes;
        while let Some(pte) = rest.first().copied() {
            rest = &rest[1..];
            if !pte.is_present() || pte.is_zero_page() || pool.meta(pte.frame()).holds != Holds::Anon {
                continue;
            }
            let folio = pool.meta(pte.frame()).folio;
            if !folio.is_large() {
                pool.meta_mut(pte.frame()).keep(keeps);
                continue;
            }
            let more = pool.run_after(folio, pte, rest);
            rest = &rest[more..];
            if keeps == Keeps::No || more + 1 == pool.folio(folio).frames.len() {
                pool.folio_mut(folio).keep(keeps);
            }
        }
    });
}

impl<F: Frames> Op<'_, Pages<F>> {
    /// The pages of a range are locked from here on, or no longer.
    pub(crate) fn keep_pages(&mut self, range: AddrRange, keeps: Keeps) {
        keep_range(&self.space.pages, &mut self.sys.pool, range, keeps);
    }

    /// The pages of a mapping that is not locked any more stay so.
    ///
    /// Linux: `mm/mremap.c: dontunmap_complete`.
    pub(crate) fn leave_locked(&mut self, range: AddrRange) {
        let pool = &mut self.sys.pool;
        self.space.pages.tree.walk(pages_of(range), |_, ptes| {
            for pte in ptes.iter().filter(|pte| pte.is_present() && !pte.is_zero_page()) {
                let meta = pool.meta_mut(pte.frame());
                if matches!(meta.holds, Holds::File | Holds::Shmem) {
                    meta.keep(Keeps::Yes);
                }
            }
        });
    }
}
