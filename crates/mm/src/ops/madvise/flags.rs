//! Advice that changes a mapping's flags, and so splits and merges mappings.

use abi::Advice;

use crate::file::Backing;
use crate::flags::VmFlags;
use crate::merge::existing::Change;
use crate::op::Op;
use crate::ops::mmap::NO_KSM;
use crate::ops::piece::Piece;
use crate::pages::Memory;
use crate::vma::Vma;
use crate::why::Refusal;

impl<M: Memory> Op<'_, M> {
    /// Linux: `mm/madvise.c: madvise_vma_behavior`, `madvise_update_vma`.
    pub(super) fn change_flags(&mut self, piece: &Piece, advice: Advice) -> Result<(), Refusal> {
        let flags = advised_flags(&piece.vma, advice)?;
        if flags == piece.vma.flags {
            return Ok(());
        }
        match self.modify(piece.range, Change::flags(flags)) {
            Ok(_) => Ok(()),
            Err(Refusal::Splits) => Err(Refusal::AdviceSplits),
            Err(refusal) => Err(refusal),
        }
    }
}

/// Returns the flags that a mapping gets by an advice.
fn advised_flags(vma: &Vma, advice: Advice) -> Result<VmFlags, Refusal> {
    let flags = vma.flags;
    let has_file = matches!(vma.backing, Backing::File(_));
    Ok(match advice {
        Advice::NORMAL => flags.without(VmFlags::RAND_READ).without(VmFlags::SEQ_READ),
        Advice::SEQUENTIAL => flags.without(VmFlags::RAND_READ).with(VmFlags::SEQ_READ),
        Advice::RANDOM => flags.without(VmFlags::SEQ_READ).with(VmFlags::RAND_READ),
        Advice::DONTFORK => flags.with(VmFlags::DONTCOPY),
        Advice::DOFORK if flags.contains(VmFlags::IO) => return Err(Refusal::AdviceSpecial),
        Advice::DOFORK => flags.without(VmFlags::DONTCOPY),
        Advice::WIPEONFORK if has_file || flags.contains(VmFlags::SHARED) => {
            return Err(Refusal::AdviceFileOrShared);
        }
        Advice::WIPEONFORK => flags.with(VmFlags::WIPEONFORK),
        Advice::KEEPONFORK if flags.contains(VmFlags::DROPPABLE) => return Err(Refusal::AdviceDroppable),
        Advice::KEEPONFORK => flags.without(VmFlags::WIPEONFORK),
        Advice::DONTDUMP => flags.with(VmFlags::DONTDUMP),
        Advice::DODUMP if !vma.is_hugetlb() && flags.intersects(VmFlags::SPECIAL) => {
            return Err(Refusal::AdviceSpecial);
        }
        Advice::DODUMP if flags.contains(VmFlags::DROPPABLE) => return Err(Refusal::AdviceDroppable),
        Advice::DODUMP => flags.without(VmFlags::DONTDUMP),
        // Else the advice is ignored.
        Advice::MERGEABLE if !flags.intersects(NO_KSM) => flags.with(VmFlags::MERGEABLE),
        Advice::UNMERGEABLE => flags.without(VmFlags::MERGEABLE),
        Advice::HUGEPAGE => flags.without(VmFlags::NOHUGEPAGE).with(VmFlags::HUGEPAGE),
        Advice::NOHUGEPAGE => flags.without(VmFlags::HUGEPAGE).with(VmFlags::NOHUGEPAGE),
        _ => flags,
    })
}
