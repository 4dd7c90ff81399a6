//! userfaultfd: ranges whose faults a program handles itself. Registering splits and merges mappings as flags do.

use abi::{AddrRange, VirtAddr};

use super::Answer;
use super::piece::Piece;
use crate::file::FileKind;
use crate::flags::VmFlags;
use crate::input::{Input, Uffd};
use crate::merge::existing::Change;
use crate::op::Op;
use crate::pages::{Memory, Then};
use crate::space::AddressSpace;
use crate::system::System;
use crate::vma::{Extra, Vma};
use crate::why::{Refusal, Why};

/// `UFFDIO_*`.
pub(super) mod request {
    pub(in crate::ops) const REGISTER: u64 = 0xc020_aa00;
    pub(in crate::ops) const UNREGISTER: u64 = 0x8010_aa01;
    pub(in crate::ops) const COPY: u64 = 0xc028_aa03;
    pub(in crate::ops) const CONTINUE: u64 = 0xc020_aa07;
    pub(in crate::ops) const ZEROPAGE: u64 = 0xc020_aa04;
    pub(in crate::ops) const MOVE: u64 = 0xc028_aa05;
    pub(in crate::ops) const WRITEPROTECT: u64 = 0xc018_aa06;
    pub(in crate::ops) const POISON: u64 = 0xc020_aa08;
}

/// `UFFDIO_REGISTER_MODE_*`.
mod mode {
    pub(super) const MISSING: u64 = 1;
    pub(super) const WP: u64 = 2;
    pub(super) const MINOR: u64 = 4;
}

/// `UFFD_API_RANGE_IOCTLS` and its parts: what `UFFDIO_REGISTER` tells.
mod calls {
    pub(super) const ALL: u64 = 0x1fc;
    /// Neither `ZEROPAGE` nor `MOVE`.
    pub(super) const OF_HUGE_PAGES: u64 = 0x1cc;
    pub(super) const WRITEPROTECT: u64 = 1 << 6;
    pub(super) const CONTINUE: u64 = 1 << 7;
}

/// The bytes of `struct uffdio_register` that are read, and of `struct uffdio_range`.
const REGISTER_BYTES: u64 = 24;
const RANGE_BYTES: u64 = 16;

impl<M: Memory> Op<'_, M> {
    /// `Input::uffd` says which userfaultfd the descriptor is, `Input::words` holds the structure: the start and
    /// length of the range, and for `UFFDIO_REGISTER` the mode.
    ///
    /// Linux: `fs/userfaultfd.c: userfaultfd_ioctl`.
    pub(crate) fn uffd_ioctl(&mut self, command: u64, arg: VirtAddr, input: &Input) -> Answer {
        // The kernel reads an unsigned int.
        let command = command & 0xffff_ffff;
        let Some(uffd) = input.uffd else { return self.take_over(input) };
        if !uffd.ready {
            return self.take_over(input);
        }
        match command {
            request::REGISTER => {
                self.user_read(arg, REGISTER_BYTES)?;
                let calls = self.register(uffd, input)?;
                let at = VirtAddr(arg.0 + REGISTER_BYTES);
                self.user_write(at, 8)?;
                M::put(self, at, &calls.to_le_bytes());
                Ok(0)
            }
            request::UNREGISTER => {
                self.user_read(arg, RANGE_BYTES)?;
                self.unregister(uffd, input)
            }
            request::COPY | request::ZEROPAGE | request::CONTINUE | request::POISON if M::KEEPS_PAGES => {
                self.answer(command, arg, input)
            }
            request::WRITEPROTECT if M::KEEPS_PAGES => self.write_protect(arg, input),
            request::COPY | request::ZEROPAGE | request::CONTINUE | request::POISON | request::MOVE => {
                let answer = self.take_over(input);
                if answer.is_ok() {
                    self.fill(input);
                }
                answer
            }
            _ => self.take_over(input),
        }
    }

    /// Registers a range; returns which calls can be made on it, one bit each.
    ///
    /// Linux: `fs/userfaultfd.c: userfaultfd_register`, `mm/userfaultfd.c: userfaultfd_register_range`.
    fn register(&mut self, uffd: Uffd, input: &Input) -> Result<u64, Refusal> {
        let asked = input.words.get(2).copied().unwrap_or(0);
        let flags = registered_flags(asked).ok_or(Refusal::UffdMode)?;
        let range = self.uffd_range(input)?;
        let Some(first) = self.space.vmas.range(range).next() else { return Err(Refusal::UffdHole) };
        if cuts_huge_page(first, range.start) {
            return Err(Refusal::UffdUnfit);
        }
        for vma in self.space.vmas.range(range) {
            if !can_register(vma, flags, uffd) {
                return Err(Refusal::UffdUnfit);
            }
            if !vma.flags.contains(VmFlags::MAYWRITE) {
                return Err(Refusal::UffdNotWritable);
            }
            let ends_here = vma.range.start < range.end && range.end <= vma.range.end;
            if ends_here && cuts_huge_page(vma, range.end) {
                return Err(Refusal::UffdUnfit);
            }
            if vma.uffd().is_some_and(|owner| owner != uffd.id) {
                return Err(Refusal::UffdBusy);
            }
        }
        let calls = calls_for(flags, self.space.vmas.range(range).any(Vma::is_hugetlb));
        let mut rest = range;
        while let Some(piece) = self.piece(rest) {
            rest.start = piece.range.end;
            if piece.vma.uffd() == Some(uffd.id) && piece.vma.flags.contains(flags) {
                continue;
            }
            self.set_uffd(&piece, Some(uffd), flags)?;
        }
        Ok(calls)
    }

    /// Linux: `fs/userfaultfd.c: userfaultfd_unregister`.
    fn unregister(&mut self, uffd: Uffd, input: &Input) -> Answer {
        let range = self.uffd_range(input)?;
        let Some(first) = self.space.vmas.range(range).next() else { return Err(Refusal::UffdHole) };
        if cuts_huge_page(first, range.start) {
            return Err(Refusal::UffdUnfit);
        }
        for vma in self.space.vmas.range(range) {
            let foreign = vma.uffd().is_some_and(|owner| owner != uffd.id);
            if foreign || !can_register(vma, vma.flags, uffd) {
                return Err(Refusal::UffdUnfit);
            }
        }
        let mut rest = range;
        while let Some(piece) = self.piece(rest) {
            rest.start = piece.range.end;
            if piece.vma.uffd().is_some() {
                self.set_uffd(&piece, None, VmFlags::NONE)?;
            }
        }
        Ok(0)
    }

    fn set_uffd(&mut self, piece: &Piece, owner: Option<Uffd>, flags: VmFlags) -> Result<(), Refusal> {
        let vma = &piece.vma;
        if owner.is_none() && vma.flags.contains(VmFlags::UFFD_WP) {
            M::write_protected(self, piece.range, Then::Open);
        }
        let flags = vma.flags.without(VmFlags::UFFD).with(flags);
        let extra = Extra::changed(vma.extra.as_ref(), |extra| extra.uffd = owner);
        self.modify(piece.range, Change::extra(flags, extra))?;
        Ok(())
    }

    /// Linux: `fs/userfaultfd.c: validate_range`.
    fn uffd_range(&self, input: &Input) -> Result<AddrRange, Refusal> {
        let word = |at: usize| input.words.get(at).copied().unwrap_or(0);
        self.valid_range(VirtAddr(word(0)), word(1))
    }

    /// Linux: `fs/userfaultfd.c: validate_range`.
    pub(super) fn valid_range(&self, start: VirtAddr, len: u64) -> Result<AddrRange, Refusal> {
        let range = AddrRange::from_len(start, len).ok_or(Refusal::UffdRange)?;
        if !start.is_page_aligned()
            || !len.is_multiple_of(abi::PAGE_SIZE)
            || len == 0
            || range.end > self.sys.profile.task_size
        {
            return Err(Refusal::UffdRange);
        }
        Ok(range)
    }

    /// Pages put into a private mapping give it an anon_vma.
    ///
    /// Linux: `mm/userfaultfd.c: uffd_mfill_lock`.
    fn fill(&mut self, input: &Input) {
        let at = VirtAddr(input.words.first().copied().unwrap_or(0));
        let Some(vma) = self.space.vmas.find(at) else { return };
        if !vma.flags.contains(VmFlags::SHARED) {
            let start = vma.range.start;
            self.space.prepare_anon(self.sys, start);
        }
    }
}

impl<M: Memory> AddressSpace<M> {
    /// Takes every registration with a userfaultfd away: its last descriptor was closed.
    ///
    /// Linux: `mm/userfaultfd.c: userfaultfd_release_all`.
    pub fn release_userfaultfd(&mut self, sys: &mut System<M>, id: u64) {
        let mut why = Why::default();
        let mut op = Op::new(self, sys, &Input::default(), &mut why);
        let mut rest = AddrRange { start: VirtAddr::NULL, end: VirtAddr(u64::MAX) };
        while let Some(piece) = op.piece(rest) {
            rest.start = piece.range.end;
            if piece.vma.uffd() == Some(id) {
                // A whole mapping is changed: nothing splits, nothing can be refused.
                let _whole = op.set_uffd(&piece, None, VmFlags::NONE);
            }
        }
    }
}

/// Returns the flags of a mode; `None` where it is not one.
fn registered_flags(asked: u64) -> Option<VmFlags> {
    let mut flags = VmFlags::NONE;
    for (bit, flag) in [
        (mode::MISSING, VmFlags::UFFD_MISSING),
        (mode::WP, VmFlags::UFFD_WP),
        (mode::MINOR, VmFlags::UFFD_MINOR),
    ] {
        if asked & bit != 0 {
            flags = flags.with(flag);
        }
    }
    let known = asked & !(mode::MISSING | mode::WP | mode::MINOR) == 0;
    (asked != 0 && known).then_some(flags)
}

/// Returns the calls that can be made on a range registered so.
///
/// Linux: `fs/userfaultfd.c: userfaultfd_register`.
fn calls_for(flags: VmFlags, has_huge_pages: bool) -> u64 {
    let mut calls = if has_huge_pages { calls::OF_HUGE_PAGES } else { calls::ALL };
    if !flags.contains(VmFlags::UFFD_WP) {
        calls &= !calls::WRITEPROTECT;
    }
    if !flags.contains(VmFlags::UFFD_MINOR) {
        calls &= !calls::CONTINUE;
    }
    calls
}

/// Linux: `include/linux/userfaultfd_k.h: vma_can_userfault`.
fn can_register(vma: &Vma, flags: VmFlags, uffd: Uffd) -> bool {
    let flags = VmFlags(flags.0 & VmFlags::UFFD.0);
    let shmem = match vma.backing.file_kind() {
        Some(FileKind::Shmem) => true,
        Some(FileKind::ZeroDevice) => vma.flags.contains(VmFlags::SHARED),
        _ => false,
    };
    // Special mappings since some release between 6.18.35 and 6.18.44.
    let special = vma.flags.intersects(VmFlags::SPECIAL) && !vma.is_hugetlb();
    if vma.flags.contains(VmFlags::DROPPABLE) || special {
        return false;
    }
    if flags.contains(VmFlags::UFFD_MINOR) && !vma.is_hugetlb() && !shmem {
        return false;
    }
    if uffd.has(Uffd::WP_ASYNC) && flags == VmFlags::UFFD_WP {
        return true;
    }
    vma.is_anonymous() || vma.is_hugetlb() || shmem
}

/// Tells whether an edge of a range lies inside a huge page of hugetlbfs.
fn cuts_huge_page(vma: &Vma, edge: VirtAddr) -> bool {
    vma.huge_page_bytes().is_some_and(|bytes| !edge.0.is_multiple_of(bytes))
}
