//! `msync`: shared file pages written back. It changes no mapping; only its answer is of interest.

use abi::{AddrRange, MsyncFlags, PAGE_SIZE, VirtAddr};

use super::Answer;
use crate::file::FileKind;
use crate::flags::VmFlags;
use crate::input::{Basis, Input};
use crate::op::Op;
use crate::pages::IoError;
use crate::pages::Memory;
use crate::why::Refusal;

impl<M: Memory> Op<'_, M> {
    /// Linux: `mm/msync.c: msync`.
    pub(crate) fn msync(&mut self, addr: VirtAddr, len: u64, flags: MsyncFlags, input: &Input) -> Answer {
        // The kernel reads an int.
        let flags = MsyncFlags(u64::from(flags.0 as u32));
        let known = MsyncFlags::ASYNC | MsyncFlags::INVALIDATE | MsyncFlags::SYNC;
        let both = MsyncFlags::ASYNC | MsyncFlags::SYNC;
        if !flags.without(known).is_empty() || !addr.is_page_aligned() || flags.contains(both) {
            return Err(Refusal::MsyncArguments);
        }
        let len = len.wrapping_add(PAGE_SIZE - 1) & !(PAGE_SIZE - 1);
        let mut rest = AddrRange::from_len(addr, len).ok_or(Refusal::MsyncOverflow)?;
        let mut hole = false;
        while !rest.is_empty() {
            let piece = self.piece(rest).ok_or(Refusal::MsyncHole)?;
            if piece.range.start > rest.start {
                if flags == MsyncFlags::ASYNC {
                    return Err(Refusal::MsyncHole);
                }
                hole = true;
            }
            let vma = &piece.vma;
            if flags.contains(MsyncFlags::INVALIDATE) && vma.flags.contains(VmFlags::LOCKED) {
                return Err(Refusal::MsyncLocked);
            }
            if flags.contains(MsyncFlags::SYNC)
                && vma.flags.contains(VmFlags::SHARED)
                && let Some(file) = vma.backing.file()
            {
                let first = vma.pgoff_at(piece.range.start).0;
                M::synced(self, file, first..first + piece.range.pages())
                    .map_err(|IoError| Refusal::MsyncIo)?;
            }
            if flags.contains(MsyncFlags::SYNC) && vma.flags.contains(VmFlags::SHARED) {
                match vma.backing.file_kind() {
                    Some(FileKind::AioRing) => return Err(Refusal::MsyncNoSync),
                    Some(FileKind::Special(_)) => self.basis = Basis::TakenOver,
                    _ => {}
                }
            }
            rest.start = piece.range.end;
        }
        if self.basis == Basis::TakenOver {
            return self.take_over(input);
        }
        if hole { Err(Refusal::MsyncHole) } else { Ok(0) }
    }
}
