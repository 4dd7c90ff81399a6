//! `PR_SET_VMA_ANON_NAME`: names for anonymous memory. Names keep mappings apart as flags do.

use alloc::sync::Arc;

use abi::{AddrRange, VirtAddr};

use super::Args;
use crate::file::{Backing, DescriptionId, FileKind};
use crate::flags::VmFlags;
use crate::input::{Input, Pointers};
use crate::merge::existing::Change;
use crate::op::Op;
use crate::ops::Answer;
use crate::ops::piece::{Piece, rounded};
use crate::pages::Memory;
use crate::vma::{Extra, Vma};
use crate::why::Refusal;

/// `ANON_VMA_NAME_MAX_LEN`: the longest name, its final zero included.
const NAME_BYTES_MAX: usize = 80;
const ANON_NAME: u64 = 0;

impl<M: Memory> Op<'_, M> {
    /// Linux: `kernel/sys.c: prctl_set_vma`, `mm/madvise.c: set_anon_vma_name`.
    pub(super) fn set_vma(&mut self, [what, addr, len, pointer]: Args, input: &Input) -> Answer {
        if what != ANON_NAME || !self.sys.profile.options.anon_vma_name {
            return Err(Refusal::NameArguments);
        }
        let name = if pointer == 0 { None } else { input.name.as_ref() };
        if pointer != 0 && (input.pointers == Pointers::Bad || name.is_none()) {
            return Err(Refusal::Unreadable);
        }
        if name.is_some_and(|name| name.len() >= NAME_BYTES_MAX || !name.iter().all(is_name_byte)) {
            return Err(Refusal::NameArguments);
        }
        let range = rounded(VirtAddr(addr), len).ok_or(Refusal::NameArguments)?;
        self.name_range(range, name)
    }

    /// Linux: `mm/madvise.c: madvise_set_anon_name`, `madvise_walk_vmas`.
    fn name_range(&mut self, range: AddrRange, name: Option<&Arc<[u8]>>) -> Answer {
        let mut rest = range;
        let mut hole = false;
        while !rest.is_empty() {
            let piece = self.piece(rest).ok_or(Refusal::NameHole)?;
            hole |= piece.range.start > rest.start;
            self.name_piece(&piece, name)?;
            rest.start = piece.range.end;
        }
        if hole { Err(Refusal::NameHole) } else { Ok(0) }
    }

    fn name_piece(&mut self, piece: &Piece, name: Option<&Arc<[u8]>>) -> Result<(), Refusal> {
        let vma = &piece.vma;
        if matches!(vma.backing, Backing::File(_)) && !is_anonymous_shmem(vma) {
            return Err(Refusal::NameFile);
        }
        if vma.name() == name {
            return Ok(());
        }
        let extra = Extra::changed(vma.extra.as_ref(), |extra| extra.name = name.cloned());
        match self.modify(piece.range, Change::extra(vma.flags, extra)) {
            Ok(_) => Ok(()),
            Err(Refusal::Splits) => Err(Refusal::AdviceSplits),
            Err(refusal) => Err(refusal),
        }
    }
}

/// Linux: `mm/madvise.c: is_valid_name_char`.
fn is_name_byte(byte: &u8) -> bool {
    (0x20..0x7f).contains(byte) && !b"\\`$[]".contains(byte)
}

/// Tells whether it is shared anonymous memory.
///
/// Linux: `mm/shmem.c: vma_is_anon_shmem`.
fn is_anonymous_shmem(vma: &Vma) -> bool {
    vma.backing.file().is_some_and(|file| match file.kind {
        FileKind::Shmem => matches!(file.description, DescriptionId::Nameless(_)),
        FileKind::ZeroDevice => vma.flags.contains(VmFlags::SHARED),
        _ => false,
    })
}
