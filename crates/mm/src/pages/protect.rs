//! `mprotect` and `UFFDIO_WRITEPROTECT`: entries lose or gain the right to write, where no fault is needed to ask.

use abi::{AddrRange, PAGE_SHIFT, VirtAddr};

use super::frames::{Frames, Holds};
use super::pte::Pte;
use super::table::{PageTable, pages_of};
use super::userfault::Then;
use super::{Pages, Table};
use crate::flags::VmFlags;
use crate::input::Uffd;
use crate::op::Op;
use crate::space::AddressSpace;

impl<F: Frames> Op<'_, Pages<F>> {
    /// Gives the entries of a range the protection of their mapping.
    ///
    /// Linux: `mm/mprotect.c: change_pte_range`, `can_change_pte_writable`.
    pub(crate) fn protect_pages(&mut self, range: AddrRange) {
        self.change_rights(range, None);
    }

    /// Write-protects the pages of a range for a userfaultfd, or ends that.
    ///
    /// Linux: `mm/userfaultfd.c: uffd_wp_range`.
    pub(crate) fn write_protect_pages(&mut self, range: AddrRange, then: Then) {
        self.split_huge_edges(range);
        if then == Then::Protected && self.uses_marks(range.start) {
            let mut page = range.start.0 >> PAGE_SHIFT;
            while page < range.end.0 >> PAGE_SHIFT {
                self.space.pages.tree.leaf(page);
                page = (page | (PageTable::LEAF_PAGES - 1)) + 1;
            }
        }
        self.change_rights(range, Some(then));
    }

    /// Tells whether pages that are missing can be write-protected.
    ///
    /// Linux: `include/linux/userfaultfd_k.h: userfaultfd_wp_use_markers`.
    fn uses_marks(&self, at: VirtAddr) -> bool {
        self.space.vmas.find(at).is_some_and(|vma| {
            let uffd = vma.extra.as_ref().and_then(|extra| extra.uffd);
            !vma.is_anonymous() || uffd.is_some_and(|uffd| uffd.has(Uffd::WP_UNPOPULATED | Uffd::WP_ASYNC))
        })
    }

    fn change_rights(&mut self, range: AddrRange, by_uffd: Option<Then>) {
        self.split_huge_edges(range);
        let uses_marks = by_uffd.is_some() && self.uses_marks(range.start);
        let Some(vma) = self.space.vmas.find(range.start) else { return };
        let write = vma.flags.contains(VmFlags::WRITE) && by_uffd != Some(Then::Protected);
        let shared = vma.flags.contains(VmFlags::SHARED);
        let heeds_uffd = vma.flags.contains(VmFlags::UFFD_WP);
        let notify = super::fault::wants_notice(vma);
        // Where only a userfaultfd wants it, each page waits for its fault (`mm/vma.c: vma_wants_writenotify`).
        let by_file = super::fault::file_wants_notice(vma);
        let AddressSpace { pages: Table { tree, tlb, mm, upgraded, .. }, guards, .. } = &mut *self.space;
        let pool = &self.sys.pool;
        tree.walk_mut(pages_of(range), |first, ptes| {
            super::folio::spread(pool, *mm, ptes);
            for (page, pte) in (first..).zip(ptes) {
                if !pte.is_present() {
                    let may_mark = uses_marks && !guards.contains(VirtAddr(page << PAGE_SHIFT));
                    *pte = marked(*pte, by_uffd, may_mark);
                    continue;
                }
                let was_writable = pte.is_writable();
                *pte = match by_uffd {
                    Some(Then::Protected) => pte.uffd_wp(),
                    Some(Then::Open) => pte.without_uffd_wp(),
                    None => *pte,
                };
                let may_write = write
                    && !pte.is_zero_page()
                    && !(heeds_uffd && pte.is_uffd_wp())
                    && if shared {
                        !notify || by_file && pte.is_dirty()
                    } else {
                        let meta = pool.meta(pte.frame());
                        meta.holds == Holds::Anon && meta.exclusive
                    };
                *upgraded += u64::from(may_write && !was_writable);
                *pte = if may_write { pte.writable() } else { pte.protected() };
            }
        });
        tlb.forget_range(range);
    }
}

/// What stands where no page is after a userfaultfd write-protected it, or ended that.
fn marked(pte: Pte, by_uffd: Option<Then>, uses_marks: bool) -> Pte {
    match by_uffd {
        Some(Then::Protected) if pte.is_swapped() => pte.uffd_wp(),
        Some(Then::Protected) if pte.is_none() && uses_marks => Pte::UFFD_WP_MARK,
        Some(Then::Open) => pte.without_uffd_wp(),
        _ => pte,
    }
}
