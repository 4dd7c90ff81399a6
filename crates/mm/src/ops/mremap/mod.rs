//! `mremap`: a mapping grown, shrunk, moved or doubled.
//!
//! | asked for | sizes | what happens |
//! |---|---|---|
//! | nothing, or MAYMOVE | equal | nothing |
//! | nothing, or MAYMOVE | smaller | the end is unmapped, over however many mappings it reaches |
//! | nothing | larger | grown in place, else `ENOMEM` |
//! | MAYMOVE | larger | grown in place, else moved to a free range |
//! | MAYMOVE, FIXED | any | the target is unmapped, the rest of the source too, then moved |
//! | MAYMOVE, FIXED | equal | as above, for each mapping of the source; holes stay holes |
//! | MAYMOVE, DONTUNMAP | equal | moved, an empty mapping stays |
//! | MAYMOVE | old 0 | a second mapping of the same shared memory |
//!
//! The target is unmapped before the limits are asked, and of several mappings those before a refusal have moved.

mod check;
mod grow;
mod relocate;

use abi::{AddrRange, RemapFlags, VirtAddr};

use super::Answer;
use crate::file::FileKind;
use crate::flags::VmFlags;
use crate::op::Op;
use crate::pages::Memory;
use crate::vma::Vma;
use crate::why::Refusal;

/// What is asked for; lengths are whole pages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Remap {
    /// Linux: `vma_remap_struct::addr`.
    pub(crate) addr: VirtAddr,
    /// Linux: `vma_remap_struct::old_len`.
    pub(crate) old_len: u64,
    /// Linux: `vma_remap_struct::new_len`.
    pub(crate) new_len: u64,
    /// Linux: `vma_remap_struct::flags`.
    pub(crate) flags: RemapFlags,
    /// Linux: `vma_remap_struct::new_addr`.
    pub(crate) new_addr: VirtAddr,
}

impl Remap {
    /// Tells whether the mapping certainly moves.
    fn implies_new_addr(&self) -> bool {
        self.flags.intersects(RemapFlags::FIXED | RemapFlags::DONTUNMAP)
    }

    fn keeps_source(&self) -> bool {
        self.flags.contains(RemapFlags::DONTUNMAP)
    }

    fn delta(&self) -> u64 {
        self.old_len.abs_diff(self.new_len)
    }

    fn source(&self) -> AddrRange {
        AddrRange { start: self.addr, end: VirtAddr(self.addr.0.wrapping_add(self.old_len)) }
    }
}

impl<M: Memory> Op<'_, M> {
    /// Linux: `mm/mremap.c: do_mremap`.
    pub(crate) fn mremap(&mut self, asked: Remap) -> Answer {
        let mut remap = asked;
        remap.old_len = VirtAddr(asked.old_len).page_up_wrapping().0;
        remap.new_len = VirtAddr(asked.new_len).page_up_wrapping().0;
        self.check_params(&remap)?;
        if remap.flags.contains(RemapFlags::FIXED) && remap.old_len == remap.new_len {
            return self.move_all(remap).map(|addr| addr.0);
        }
        self.check_mapping(&mut remap)?;
        let grows = remap.new_len > remap.old_len;
        let locked = self.space.vmas.find(remap.addr).is_some_and(|vma| vma.flags.contains(VmFlags::LOCKED));
        let moved = if remap.implies_new_addr() {
            self.move_to(&mut remap)?
        } else if grows {
            self.grow(&mut remap)?
        } else {
            self.shrink_in_place(&remap)?
        };
        if grows && locked {
            let start = VirtAddr(moved.0 + remap.old_len);
            let end = VirtAddr(moved.0 + remap.new_len);
            self.populate(AddrRange { start, end });
        }
        Ok(moved.0)
    }

    fn shrink_in_place(&mut self, remap: &Remap) -> Result<VirtAddr, Refusal> {
        if remap.new_len < remap.old_len {
            self.shrink(remap)?;
        }
        Ok(remap.addr)
    }

    /// Unmaps what the source loses.
    ///
    /// Linux: `mm/mremap.c: shrink_vma`.
    fn shrink(&mut self, remap: &Remap) -> Result<(), Refusal> {
        self.munmap(VirtAddr(remap.addr.0.wrapping_add(remap.new_len)), remap.delta())?;
        Ok(())
    }

    /// Moves each mapping of the source; the gaps between them stay as wide as they are.
    ///
    /// ```text
    /// AAA.BB..C  ->  A'A'A'.B'B'..C'
    /// ```
    ///
    /// Linux: `mm/mremap.c: remap_move`.
    fn move_all(&mut self, asked: Remap) -> Result<VirtAddr, Refusal> {
        let source = asked.source();
        let mut target = asked.new_addr;
        let mut first: Option<VirtAddr> = None;
        let mut last_end = source.start;
        let mut rest = source;
        while let Some(piece) = self.piece(rest) {
            let vma = &piece.vma;
            if first.is_none() && source.start < vma.range.start {
                return Err(Refusal::RemapHole);
            }
            let gap = if first.is_some() { vma.range.start.0 - last_end.0 } else { 0 };
            last_end = vma.range.end;
            rest.start = vma.range.end.min(rest.end);
            if !may_move_with_others(vma) && (first.is_some() || vma.range.end < source.end) {
                return Err(Refusal::RemapMultiple);
            }
            let len = piece.range.len();
            let new_addr = VirtAddr(target.0 + gap);
            let mut remap = Remap { addr: piece.range.start, old_len: len, new_len: len, new_addr, ..asked };
            self.check_mapping(&mut remap)?;
            let moved = self.move_to(&mut remap)?;
            first = first.or(Some(moved));
            target = VirtAddr(moved.0 + len);
        }
        first.ok_or(Refusal::RemapHole)
    }
}

/// Tells whether a mapping may be moved together with others: nobody must be told, and its file places it where
/// it is asked to.
///
/// Linux: `mm/mremap.c: vma_multi_allowed`.
fn may_move_with_others(vma: &Vma) -> bool {
    if vma.uffd().is_some() {
        return false;
    }
    match vma.backing.file_kind() {
        Some(FileKind::SysV | FileKind::ZeroDevice) => false,
        Some(FileKind::Special(driver)) => !driver.places_itself(),
        _ => true,
    }
}
