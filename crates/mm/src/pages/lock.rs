//! Pages kept in memory by `mlock`: the queues of the kernel count the locked mappings of each.
//!
//! Only what shares a page without locking it can tell: `MADV_FREE` leaves a page alone that a relative by fork has locked.

use abi::AddrRange;

use super::frames::{Frames, Holds, Meta, Pool};
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

/// Linux: `mm/mlock.c: mlock_pte_range`.
pub(super) fn keep_range<F: Frames>(table: &Table, pool: &mut Pool<F>, range: AddrRange, keeps: Keeps) {
    table.tree.walk(pages_of(range), |_, ptes| {
        for pte in ptes.iter().filter(|pte| pte.is_present() && !pte.is_zero_page()) {
            let meta = pool.meta_mut(pte.frame());
            if meta.holds == Holds::Anon {
                meta.keep(keeps);
            }
        }
    });
}

impl<F: Frames> Op<'_, Pages<F>> {
    /// The pages of a range are locked from here on, or no longer.
    pub(crate) fn keep_pages(&mut self, range: AddrRange, keeps: Keeps) {
        keep_range(&self.space.pages, &mut self.sys.pool, range, keeps);
    }
}
