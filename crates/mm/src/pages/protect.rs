//! `mprotect`: entries lose or gain the right to write, where no fault is needed to ask.

use abi::AddrRange;

use super::frames::{Frames, Holds};
use super::table::pages_of;
use super::{Pages, Table};
use crate::flags::VmFlags;
use crate::op::Op;

impl<F: Frames> Op<'_, Pages<F>> {
    /// Gives the entries of a range the protection of their mapping.
    ///
    /// Linux: `mm/mprotect.c: change_pte_range`, `can_change_pte_writable`.
    pub(crate) fn protect_pages(&mut self, range: AddrRange) {
        self.split_huge_edges(range);
        let Some(vma) = self.space.vmas.find(range.start) else { return };
        let write = vma.flags.contains(VmFlags::WRITE);
        let shared = vma.flags.contains(VmFlags::SHARED);
        let notify = super::fault::wants_notice(vma);
        let Table { tree, tlb, mm, upgraded, .. } = &mut self.space.pages;
        let pool = &self.sys.pool;
        tree.walk_mut(pages_of(range), |_, ptes| {
            super::folio::spread(pool, *mm, ptes);
            for pte in ptes.iter_mut().filter(|pte| pte.is_present()) {
                let may_write = write
                    && !pte.is_zero_page()
                    && if shared {
                        !notify || pte.is_dirty()
                    } else {
                        let meta = pool.meta(pte.frame());
                        meta.holds == Holds::Anon && meta.exclusive
                    };
                *upgraded += u64::from(may_write && !pte.is_writable());
                *pte = if may_write { pte.writable() } else { pte.protected() };
            }
        });
        tlb.forget_range(range);
    }
}
