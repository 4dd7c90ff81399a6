//! Faulting in the pages of a range at once.

use alloc::vec::Vec;

use abi::AddrRange;

use crate::flags::VmFlags;
use crate::op::Op;
use crate::vma::Vma;

impl Op<'_> {
    /// Faults in what `MAP_POPULATE` and locking fault in: private writable mappings get an anon_vma, as for a
    /// store; all others are only read.
    ///
    /// Linux: `mm/gup.c: __mm_populate`, `populate_vma_page_range`.
    pub(crate) fn populate(&mut self, range: AddrRange) {
        let starts: Vec<_> =
            self.space.vmas.range(range).filter(|vma| is_populated_by_writing(vma)).map(Vma::start).collect();
        for start in starts {
            self.space.prepare_anon(self.sys, start);
        }
    }
}

fn is_populated_by_writing(vma: &Vma) -> bool {
    let unlocked = VmFlags::LOCKONFAULT | VmFlags::IO | VmFlags::PFNMAP;
    vma.flags.contains(VmFlags::WRITE)
        && !vma.flags.intersects(VmFlags::SHARED | unlocked)
        && vma.anon.is_none()
}
