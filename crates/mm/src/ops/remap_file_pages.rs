//! `remap_file_pages`: another part of a shared mapping's file at the same place. The kernel does it by a new
//! mapping since long, which splits the old one.

use alloc::sync::Arc;

use abi::{AddrRange, MapFlags, PAGE_SHIFT, PAGE_SIZE, PageOff, Prot, VirtAddr};

use super::Answer;
use super::mmap::{Populate, Request};
use crate::flags::VmFlags;
use crate::op::Op;
use crate::pages::Memory;
use crate::vma::Vma;
use crate::why::Refusal;

impl<M: Memory> Op<'_, M> {
    /// Linux: `mm/mmap.c: remap_file_pages`.
    pub(crate) fn remap_file_pages(
        &mut self,
        addr: VirtAddr,
        size: u64,
        prot: Prot,
        pgoff: u64,
        flags: MapFlags,
    ) -> Answer {
        let start = addr.page_down();
        let len = size & !(PAGE_SIZE - 1);
        let range = AddrRange::from_len(start, len).filter(|range| !range.is_empty());
        let range = range.filter(|_| prot.is_empty()).ok_or(Refusal::RemapPages)?;
        if pgoff.checked_add(len >> PAGE_SHIFT).is_none() {
            return Err(Refusal::RemapPages);
        }
        let vma = self.space.vmas.find(start).filter(|vma| vma.flags.contains(VmFlags::SHARED));
        let vma = vma.cloned().ok_or(Refusal::RemapPages)?;
        let file = vma.backing.file().ok_or(Refusal::RemapPages)?;
        if !self.is_one_mapping(&vma, range) {
            return Err(Refusal::RemapPages);
        }
        let kept = MapFlags(flags.0 & MapFlags::NONBLOCK.0);
        let mut flags = kept | MapFlags::SHARED | MapFlags::FIXED | MapFlags::POPULATE;
        if vma.flags.contains(VmFlags::LOCKED) {
            flags = flags | MapFlags::LOCKED;
        }
        let request = Request {
            file: Some(Arc::clone(file)),
            addr: start,
            len,
            prot: vma.flags.prot(),
            flags,
            pgoff: PageOff(pgoff),
        };
        let mapped = self.do_mmap(request)?;
        if mapped.populate == Populate::Yes {
            self.populate(mapped.range);
        }
        Ok(0)
    }

    /// Tells whether a range is one mapping, or several of the same file and flags that touch.
    fn is_one_mapping(&self, first: &Vma, range: AddrRange) -> bool {
        self.is_mapped_whole(range)
            && self
                .space
                .vmas
                .range(range)
                .all(|vma| vma.flags == first.flags && vma.backing.same_file(&first.backing))
    }
}
