//! `brk`: the heap's end. It answers the new end, or on any refusal the old one.
//!
//! ```text
//! HHHH|....|            |AAA   grows where a page more stays free below the next mapping and its guard gap
//!      ^old ^new  ^page
//! ```

use abi::{AddrRange, MapFlags, PAGE_SHIFT, PageOff, Rlimit, VirtAddr};

use super::Answer;
use crate::file::Backing;
use crate::flags::VmFlags;
use crate::merge::{Expansion, Proposal};
use crate::mutation::Mutation;
use crate::op::Op;
use crate::pages::Memory;
use crate::space::Placing;
use crate::vma::Vma;
use crate::why::Refusal;

impl<M: Memory> Op<'_, M> {
    /// Linux: `mm/mmap.c: brk`.
    pub(super) fn brk(&mut self, to: VirtAddr) -> Answer {
        if let Err(refusal) = self.move_brk(to) {
            self.why.refused = Some(refusal);
        }
        Ok(self.space.layout.brk.0)
    }

    fn move_brk(&mut self, to: VirtAddr) -> Result<(), Refusal> {
        let layout = &self.space.layout;
        if to < layout.start_brk {
            return Err(Refusal::BrkLow);
        }
        let data = layout.end_data.0.wrapping_sub(layout.start_data.0);
        let size = (to.0 - layout.start_brk.0).wrapping_add(data);
        let limit = self.space.limits.data.soft;
        if limit < Rlimit::INFINITY && size > limit {
            return Err(Refusal::BrkData);
        }
        let (old, new) = (layout.brk.page_up_wrapping(), to.page_up_wrapping());
        if new != old {
            if to <= layout.brk {
                self.shrink_heap(AddrRange { start: new, end: old }, to)?;
            } else {
                self.grow_heap(AddrRange { start: old, end: new })?;
            }
        }
        self.space.layout.brk = to;
        Ok(())
    }

    fn shrink_heap(&mut self, range: AddrRange, to: VirtAddr) -> Result<(), Refusal> {
        if self.space.vmas.is_free(range) {
            return Err(Refusal::BrkNotHeap);
        }
        self.unmap(range)?;
        self.space.layout.brk = to;
        Ok(())
    }

    fn grow_heap(&mut self, range: AddrRange) -> Result<(), Refusal> {
        let len = range.end.0.wrapping_sub(range.start.0);
        let placing = Placing {
            file: None,
            addr: range.start,
            len,
            pgoff: 0,
            flags: MapFlags::FIXED,
            vm_flags: VmFlags::NONE,
        };
        self.place(placing)?;
        self.space.lock_future(self.space.def_flags, len, self.caps)?;
        let page = self.sys.profile.page_size;
        let reach = AddrRange {
            start: range.start,
            end: VirtAddr(range.end.0 + page + self.sys.profile.guard_bytes()),
        };
        if let Some(next) = self.space.vmas.range(reach).next() {
            let free = if self.sys.profile.mutated(Mutation::BrkGapIgnored) { 0 } else { page };
            if range.end.0 + free > next.start_gap(&self.sys.profile).0 {
                return Err(Refusal::BrkBlocked);
            }
        }
        self.extend_heap(range, VmFlags::NONE, self.space.layout.start_brk)?;
        if self.space.def_flags.contains(VmFlags::LOCKED) {
            self.populate(range);
        }
        Ok(())
    }

    /// Maps zero pages that continue the mapping below if it ends above `lowest`.
    ///
    /// Linux: `mm/vma.c: do_brk_flags`.
    pub(crate) fn extend_heap(
        &mut self,
        range: AddrRange,
        more: VmFlags,
        lowest: VirtAddr,
    ) -> Result<(), Refusal> {
        let mut flags = VmFlags::DATA_DEFAULT | VmFlags::ACCOUNT | self.space.def_flags | more;
        if self.space.settings.read_implies_exec {
            flags = flags | VmFlags::EXEC;
        }
        let flags = self.space.ksm_flags(flags);
        let pages = range.pages();
        self.may_expand(flags, pages)?;
        self.check_map_count()?;
        self.charge(pages)?;
        let pgoff = PageOff(range.start.0 >> PAGE_SHIFT);
        let backing = Backing::Anonymous;
        let proposal =
            Proposal { range, pgoff, flags, backing: &backing, anon: None, forked: None, extra: None };
        let heap = self.space.vmas.last_starting_before(range.start);
        let touches = heap.is_some_and(|vma| vma.range.end == range.start && vma.range.end > lowest);
        if !touches || self.merge_new(&proposal, Expansion::LeftOnly, None).is_none() {
            self.space.vmas.insert(Vma { range, pgoff, flags, backing, anon: None, extra: None });
        }
        let counters = &mut self.space.counters;
        counters.total_vm += pages;
        counters.data_vm += pages;
        if flags.contains(VmFlags::LOCKED) {
            counters.locked_vm += pages;
        }
        Ok(())
    }
}
