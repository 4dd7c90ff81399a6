//! `munmap`: a range without mappings.
//!
//! ```text
//! whole    AAA[BBB]CCC  -> AAA...CCC
//! edge     AAAB[BBB]CC  -> AAAB...CC      one split, allowed at any count
//! middle   AAAB[BB]BCC  -> AAAB..BCC      two splits: refused at vm.max_map_count
//! ```

use abi::{AddrRange, VirtAddr};

use super::Answer;
use crate::flags::VmFlags;
use crate::op::Op;
use crate::pages::{Keeps, Memory};
use crate::space::AddressSpace;
use crate::vma::Vma;
use crate::why::Refusal;

/// What is mapped in a range that is to be free.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Gathered {
    /// Mappings.
    pub(crate) mappings: u64,
    /// Where the first one starts.
    pub(crate) first: VirtAddr,
    /// Mapped pages.
    pub(crate) pages: u64,
    /// Pages charged against the commit limit.
    pub(crate) accounted: u64,
    /// Where the one starts that reaches over the end.
    over: Option<VirtAddr>,
}

impl<M: Memory> Op<'_, M> {
    /// Linux: `mm/mmap.c: munmap`, `mm/vma.c: do_vmi_munmap`.
    pub(crate) fn munmap(&mut self, addr: VirtAddr, len: u64) -> Answer {
        let task_size = self.sys.profile.task_size.0;
        if !addr.is_page_aligned() || addr.0 > task_size || len > task_size - addr.0 {
            return Err(Refusal::UnmapRange);
        }
        let end = VirtAddr(addr.0 + len).page_up_wrapping();
        if end == addr {
            return Err(Refusal::UnmapRange);
        }
        self.unmap(AddrRange { start: addr, end })?;
        Ok(0)
    }

    /// Unmaps whatever is in a range, if it may be.
    ///
    /// Linux: `mm/vma.c: do_vmi_align_munmap`, `vms_gather_munmap_vmas`.
    ///
    /// # Errors
    /// [`Refusal::Sealed`] or [`Refusal::UnmapSplits`]; splits at the edges may have happened.
    pub(crate) fn unmap(&mut self, range: AddrRange) -> Result<(), Refusal> {
        match self.gather(range)? {
            Gathered { mappings: 0, .. } => {}
            Gathered { mappings: 1, first, .. } => self.remove_one(first),
            _ => self.remove_all(range),
        }
        Ok(())
    }

    /// Checks that a range may be unmapped and splits what reaches over its edges.
    ///
    /// Linux: `mm/vma.c: vms_gather_munmap_vmas`.
    #[inline]
    pub(crate) fn gather(&mut self, range: AddrRange) -> Result<Gathered, Refusal> {
        let there = loop {
            let there = self.survey(range)?;
            if there.mappings == 0 || there.first >= range.start {
                break there;
            }
            self.split(there.first, range.start)?;
        };
        if let Some(over) = there.over {
            self.split(over, range.end)?;
        }
        Ok(there)
    }

    /// Looks at the mappings of a range up to one that may not go; only at the first where that has to be split.
    #[inline]
    fn survey(&self, range: AddrRange) -> Result<Gathered, Refusal> {
        let mut there = Gathered::default();
        for vma in self.space.vmas.range(range) {
            let below = vma.range.start < range.start;
            let within = vma.range.end > range.end;
            if below && within && self.space.map_count() >= self.sys.profile.max_map_count {
                return Err(Refusal::UnmapSplits);
            }
            if vma.flags.contains(VmFlags::SEALED) {
                return Err(Refusal::Sealed);
            }
            if there.mappings == 0 {
                there.first = vma.range.start;
            }
            there.mappings += 1;
            if below {
                return Ok(there);
            }
            // Of the last one, only what lies inside.
            let pages = vma.range.intersection(range).map_or(0, AddrRange::pages);
            there.pages += pages;
            there.over = within.then_some(vma.range.start);
            if vma.flags.contains(VmFlags::ACCOUNT) {
                there.accounted += pages;
            }
        }
        Ok(there)
    }

    /// Removes whatever is in a range, without checks.
    ///
    /// Linux: `mm/vma.c: vms_complete_munmap_vmas`.
    pub(crate) fn cut_out(&mut self, range: AddrRange) {
        for edge in [range.start, range.end] {
            if let Some(over) = self.space.vmas.last_starting_before(edge)
                && over.range.end > edge
            {
                let start = over.range.start;
                self.split_unasked(start, edge);
            }
        }
        self.remove_all(range);
    }

    /// Removes what is in a range, which nothing reaches over.
    pub(crate) fn remove_all(&mut self, range: AddrRange) {
        while let Some(start) = self.space.vmas.first_ending_after(range.start).map(Vma::start)
            && start < range.end
        {
            self.remove_one(start);
        }
    }

    /// Removes the mapping that starts at `start`.
    fn remove_one(&mut self, start: VirtAddr) {
        let Self { space, sys, .. } = self;
        let AddressSpace { vmas, counters, guards, .. } = &mut **space;
        let gone = vmas.remove_with(start, |vma| {
            let pages = vma.pages();
            if let Some(chain) = &vma.anon {
                sys.anon_vmas.unlink(chain);
            }
            counters.remove(vma.flags, pages);
            if vma.flags.contains(VmFlags::LOCKED) {
                counters.locked_vm = counters.locked_vm.saturating_sub(pages);
            }
            if vma.flags.contains(VmFlags::ACCOUNT) {
                sys.uncharge(pages);
            }
            guards.remove(vma.range);
            (vma.range, vma.backing.clone(), vma.flags)
        });
        if let Some((range, backing, flags)) = gone {
            if flags.contains(VmFlags::LOCKED) {
                M::kept(self, range, Keeps::No);
            }
            M::unmapped(self, range, &backing);
        }
    }
}
