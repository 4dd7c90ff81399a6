//! `MADV_COLLAPSE`: huge pages now. Which mappings can have any is a rule; what comes of it depends on pages, and is known
//! where they are kept, of anonymous memory.

use abi::{AddrRange, PAGE_SHIFT, VirtAddr};

use crate::file::FileKind;
use crate::flags::VmFlags;
use crate::input::Basis;
use crate::op::Op;
use crate::ops::piece::Piece;
use crate::pages::Memory;
use crate::vma::Vma;
use crate::why::Refusal;

impl<M: Memory> Op<'_, M> {
    /// Linux: `mm/khugepaged.c: madvise_collapse`.
    pub(super) fn collapse(&mut self, piece: &Piece) -> Result<(), Refusal> {
        if !self.may_collapse(&piece.vma) {
            return Err(Refusal::AdviceCollapse);
        }
        let mask = self.sys.profile.pmd_size - 1;
        let first = (piece.range.start.0 + mask) & !mask;
        let end = piece.range.end.0 & !mask;
        if first > end {
            return Err(Refusal::AdviceCollapse);
        }
        if first >= end {
            return Ok(());
        }
        let blocks = AddrRange { start: VirtAddr(first), end: VirtAddr(end) };
        M::collapsed(self, piece, blocks).unwrap_or_else(|| {
            self.basis = Basis::TakenOver;
            Ok(())
        })
    }

    /// Linux: `mm/huge_memory.c: __thp_vma_allowable_orders` for `TVA_FORCED_COLLAPSE`.
    fn may_collapse(&self, vma: &Vma) -> bool {
        let barred = VmFlags::SPECIAL.with(VmFlags::HUGETLB).with(VmFlags::NOHUGEPAGE);
        if vma.flags.intersects(barred) || self.space.settings.thp_disabled || !self.has_huge_place(vma) {
            return false;
        }
        match vma.backing.file_kind() {
            Some(FileKind::Shmem | FileKind::SysV) => true,
            Some(FileKind::ZeroDevice) if vma.flags.contains(VmFlags::SHARED) => true,
            _ => vma.is_anonymous() && vma.anon.is_some(),
        }
    }

    /// Tells whether the last aligned block below the mapping's end lies inside it, and the file's offset too.
    ///
    /// The sums wrap, as in the kernel: a mapping that ends below the first huge page's end has a place.
    ///
    /// Linux: `include/linux/huge_mm.h: thp_vma_suitable_order`.
    fn has_huge_place(&self, vma: &Vma) -> bool {
        let size = self.sys.profile.pmd_size;
        let pages = size >> PAGE_SHIFT;
        let AddrRange { start, end } = vma.range;
        let block = VirtAddr(end.0.wrapping_sub(size) & !(size - 1));
        let in_step =
            vma.is_anonymous() || (start.0 >> PAGE_SHIFT).wrapping_sub(vma.pgoff.0).is_multiple_of(pages);
        in_step && block >= start && block.0.wrapping_add(size) <= end.0
    }
}
