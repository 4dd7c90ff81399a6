//! `MADV_COLLAPSE` of anonymous memory: the pages of 2 MiB become one huge page, what is missing of them zeroes.

use alloc::vec::Vec;

use abi::{AddrRange, PAGE_SHIFT, VirtAddr};

use super::frames::{Fill, FrameId, Frames};
use super::lock::{self, Keeps};
use super::pte::Pte;
use super::table::{PageTable, pages_of};
use super::{Pages, Table};
use crate::access::Access;
use crate::flags::VmFlags;
use crate::mutation::Mutation;
use crate::op::Op;
use crate::vma::Vma;
use crate::why::Refusal;

impl<F: Frames> Op<'_, Pages<F>> {
    /// Joins the pages of each 2 MiB of a range, up to the first that has no table; where there is not even one above it, the others
    /// are joined all the same.
    ///
    /// Linux: `mm/khugepaged.c: madvise_collapse`.
    pub(super) fn join_pages(&mut self, vma: &Vma, blocks: AddrRange) -> Result<(), Refusal> {
        let mut last = Ok(());
        for first in pages_of(blocks).step_by(PageTable::LEAF_PAGES as usize) {
            match self.join(vma, first) {
                Err(Refusal::CollapseNothing) => last = Err(Refusal::CollapseNothing),
                other => other?,
            }
        }
        last
    }

    /// Linux: `mm/khugepaged.c: hpage_collapse_scan_pmd`, `collapse_huge_page`.
    fn join(&mut self, vma: &Vma, first: u64) -> Result<(), Refusal> {
        let Table { tree, .. } = &self.space.pages;
        if !tree.reaches(first) {
            return Err(Refusal::CollapseNothing);
        }
        let lax = self.sys.profile.mutated(Mutation::CollapseWantsFirst);
        if !tree.has_leaf(first) || lax && tree.get(first).is_none() {
            return Err(Refusal::CollapseUntouched);
        }
        if tree.get(first).is_huge() {
            return Ok(());
        }
        let pages = first..first + PageTable::LEAF_PAGES;
        let is_there = |page: u64| {
            let pte = tree.get(page);
            pte.is_swapped() || pte.is_present() && !pte.is_zero_page()
        };
        if vma.flags.intersects(VmFlags::UFFD) && !pages.clone().all(is_there) {
            return Err(Refusal::CollapseMissing);
        }
        if pages.clone().any(|page| tree.get(page).is_uffd_wp()) {
            return Err(Refusal::CollapseProtected);
        }
        if !self.sys.pool.has_huge_page() {
            return Err(Refusal::CollapseMemory);
        }
        let at = |page: u64| VirtAddr(page << PAGE_SHIFT);
        let is_marked = pages.clone().any(|page| self.space.pages.tree.get(page).is_poisoned());
        if is_marked || self.space.guards.touch(AddrRange { start: at(pages.start), end: at(pages.end) }) {
            return Err(Refusal::CollapseGuarded);
        }
        // What is in swap is read back first.
        for page in pages {
            if self.space.pages.tree.get(page).is_swapped() {
                let _is_there_then = self.fault_page(vma.range.start, at(page), Access::Read);
            }
        }
        self.copy_into_huge(vma, first);
        Ok(())
    }

    /// Linux: `mm/khugepaged.c: __collapse_huge_page_copy`.
    fn copy_into_huge(&mut self, vma: &Vma, first: u64) {
        let pages = first..first + PageTable::LEAF_PAGES;
        let old: Vec<Pte> = pages.map(|page| self.space.pages.tree.get(page)).collect();
        self.map_huge(first, vma.flags);
        let new: Vec<FrameId> = self.space.pages.tree.leaf(first).iter().map(|pte| pte.frame()).collect();
        for (pte, frame) in old.into_iter().zip(new) {
            if !pte.is_present() || pte.is_zero_page() {
                continue;
            }
            let Table { rss, mm, .. } = &mut self.space.pages;
            self.sys.pool.fill(frame, Fill::Copy(pte.frame()));
            rss.anon -= 1;
            if vma.flags.contains(VmFlags::LOCKED) {
                lock::keep(&mut self.sys.pool, pte.frame(), Keeps::No);
            }
            self.sys.pool.unmap(pte.frame(), *mm);
        }
        self.space.pages.huge += 1;
        self.space.pages.tlb.flush();
    }
}
