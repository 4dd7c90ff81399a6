//! `UFFDIO_COPY`, `UFFDIO_ZEROPAGE`, `UFFDIO_CONTINUE`, `UFFDIO_POISON`: what a program puts
//! where its faults wait, with pages that are kept. `UFFDIO_WRITEPROTECT`: what waits to be written.

use abi::{AddrRange, PAGE_SIZE, VirtAddr};

use super::Answer;
use super::userfaultfd::request;
use crate::file::FileKind;
use crate::flags::VmFlags;
use crate::input::Input;
use crate::op::Op;
use crate::pages::{Answered, Memory, Then};
use crate::vma::Vma;
use crate::why::Refusal;

/// `UFFDIO_COPY_MODE_WP`, `UFFDIO_CONTINUE_MODE_WP`: pages come write-protected.
const MODE_WP: u64 = 2;

/// What is asked: where, with what, how.
struct Asked {
    dst: VirtAddr,
    len: u64,
    with: Answered,
    mode: u64,
    /// The modes that there are.
    known: u64,
    /// The bytes of the structure that are read; the answer stands behind them.
    read: u64,
}

impl Asked {
    fn of(command: u64, input: &Input) -> Self {
        let word = |at: usize| input.words.get(at).copied().unwrap_or(0);
        let dst = VirtAddr(word(0));
        if command == request::COPY {
            let with = Answered::Copy(VirtAddr(word(1)));
            return Self { dst, len: word(2), with, mode: word(3), known: 1 | MODE_WP, read: 32 };
        }
        let (with, known) = match command {
            request::CONTINUE => (Answered::Continue, 1 | MODE_WP),
            request::POISON => (Answered::Poison, 1),
            _ => (Answered::Zeroes, 1),
        };
        Self { dst, len: word(1), with, mode: word(2), known, read: 24 }
    }
}

impl<M: Memory> Op<'_, M> {
    /// Linux: `fs/userfaultfd.c: userfaultfd_copy`, `userfaultfd_zeropage`, `userfaultfd_continue`,
    /// `userfaultfd_poison`.
    pub(super) fn answer(&mut self, command: u64, arg: VirtAddr, input: &Input) -> Answer {
        let asked = Asked::of(command, input);
        self.user_read(arg, asked.read)?;
        if let Answered::Copy(from) = asked.with {
            // It need not begin at a page.
            let end = from.0.checked_add(asked.len).ok_or(Refusal::UffdRange)?;
            if end > self.sys.profile.task_size.0 {
                return Err(Refusal::UffdRange);
            }
        }
        let range = self.valid_range(asked.dst, asked.len)?;
        if asked.mode & !asked.known != 0 {
            return Err(Refusal::UffdMode);
        }
        let then = if asked.mode & MODE_WP != 0 { Then::Protected } else { Then::Open };
        let (told, answer) = match self.answer_range(range, asked.with, then) {
            Ok(bytes) if bytes == asked.len => (bytes as i64, Ok(0)),
            Ok(bytes) => (bytes as i64, Err(Refusal::UffdPart)),
            Err(refusal) => (-i64::from(refusal.errno().0), Err(refusal)),
        };
        let at = VirtAddr(arg.0 + asked.read);
        self.user_write(at, 8)?;
        M::put(self, at, &told.to_le_bytes());
        answer
    }

    /// Fills a range up to the first page that can't be; returns how many bytes.
    ///
    /// Linux: `mm/userfaultfd.c: mfill_atomic`.
    fn answer_range(&mut self, range: AddrRange, with: Answered, then: Then) -> Result<u64, Refusal> {
        let vma = self.space.vmas.find(range.start).ok_or(Refusal::UffdGone)?;
        let start = vma.range.start;
        if !vma.flags.contains(VmFlags::SHARED) {
            self.space.prepare_anon(self.sys, start);
        }
        let vma = self.space.vmas.find(start).ok_or(Refusal::UffdGone)?.clone();
        if range.end > vma.range.end || vma.uffd().is_none() {
            return Err(Refusal::UffdGone);
        }
        if then == Then::Protected && !vma.flags.contains(VmFlags::UFFD_WP) {
            return Err(Refusal::UffdOpen);
        }
        if !vma.is_anonymous() && !is_shared_memory(&vma)
            || with == Answered::Continue && !is_shared_memory(&vma)
        {
            return Err(Refusal::UffdUnfit);
        }
        let mut done = 0;
        while done < range.len() {
            let at = VirtAddr(range.start.0 + done);
            let next = match with {
                Answered::Copy(from) => Answered::Copy(VirtAddr(from.0 + done)),
                other => other,
            };
            match M::answered(self, &vma, at, next, then) {
                Some(Err(refusal)) if done == 0 => return Err(refusal),
                Some(Err(_)) => break,
                Some(Ok(())) | None => done += PAGE_SIZE,
            }
        }
        Ok(done)
    }
}

impl<M: Memory> Op<'_, M> {
    /// `UFFDIO_WRITEPROTECT`.
    ///
    /// Linux: `fs/userfaultfd.c: userfaultfd_writeprotect`, `mm/userfaultfd.c: mwriteprotect_range`.
    pub(super) fn write_protect(&mut self, arg: VirtAddr, input: &Input) -> Answer {
        const PROTECT: u64 = 1;
        const DONT_WAKE: u64 = 2;
        let word = |at: usize| input.words.get(at).copied().unwrap_or(0);
        self.user_read(arg, 24)?;
        let range = self.valid_range(VirtAddr(word(0)), word(1))?;
        let mode = word(2);
        if mode & !(PROTECT | DONT_WAKE) != 0 || mode == PROTECT | DONT_WAKE {
            return Err(Refusal::UffdMode);
        }
        let then = if mode & PROTECT != 0 { Then::Protected } else { Then::Open };
        let mut answer = Err(Refusal::UffdNotWatched);
        let mut rest = range;
        while let Some(piece) = self.piece(rest) {
            rest.start = piece.range.end;
            if !piece.vma.flags.contains(VmFlags::UFFD_WP) {
                return Err(Refusal::UffdNotWatched);
            }
            let bytes = piece.vma.huge_page_bytes();
            if bytes.is_some_and(|bytes| !(range.start.0 | range.len()).is_multiple_of(bytes)) {
                return Err(Refusal::UffdUnfit);
            }
            M::write_protected(self, piece.range, then);
            answer = Ok(0);
        }
        answer
    }
}

fn is_shared_memory(vma: &Vma) -> bool {
    match vma.backing.file_kind() {
        Some(FileKind::Shmem | FileKind::SysV) => true,
        Some(FileKind::ZeroDevice) => vma.flags.contains(VmFlags::SHARED),
        _ => false,
    }
}
