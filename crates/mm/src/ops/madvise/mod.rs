//! `madvise`: advice on a range, mapping by mapping.
//!
//! | advice | changes | stops at |
//! |---|---|---|
//! | NORMAL RANDOM SEQUENTIAL DONTFORK DOFORK DONTDUMP DODUMP WIPEONFORK KEEPONFORK MERGEABLE UNMERGEABLE HUGEPAGE NOHUGEPAGE | flags: splits and merges | the first mapping that refuses |
//! | GUARD_INSTALL GUARD_REMOVE | markers, an anon_vma, never a split | the same |
//! | POPULATE_READ POPULATE_WRITE | an anon_vma | the first page that can't be faulted in, or a hole |
//! | DONTNEED FREE COLD PAGEOUT WILLNEED REMOVE COLLAPSE | pages only | the first mapping that refuses |
//!
//! All but POPULATE pass over holes and answer `ENOMEM` at the end.

mod collapse;
mod discard;
mod flags;

use abi::{AddrRange, Advice, VirtAddr};

use super::Answer;
use super::piece::{Piece, rounded};
use crate::access::Access;
use crate::flags::VmFlags;
use crate::input::{Basis, Input};
use crate::mutation::Mutation;
use crate::op::Op;
use crate::pages::Memory;
use crate::why::Refusal;

impl<M: Memory> Op<'_, M> {
    /// Linux: `mm/madvise.c: do_madvise`, `is_valid_madvise`.
    pub(crate) fn madvise(&mut self, addr: VirtAddr, len: u64, advice: Advice, input: &Input) -> Answer {
        let advised = self.advise(addr, len, advice);
        // Where a mapping's answer is not known, neither is whether a later one was reached.
        if self.basis == Basis::TakenOver { self.take_over(input) } else { advised.map(|()| 0) }
    }

    /// Follows one piece of advice; sets the basis where what came of it is not known.
    pub(crate) fn advise(&mut self, addr: VirtAddr, len: u64, advice: Advice) -> Result<(), Refusal> {
        if !self.is_known(advice) {
            return Err(Refusal::AdviceUnknown);
        }
        let mut rest = rounded(addr, len).ok_or(Refusal::AdviceRange)?;
        match advice {
            Advice::POPULATE_READ => return self.populate_advice(rest, Access::Read),
            Advice::POPULATE_WRITE => return self.populate_advice(rest, Access::Write),
            _ => {}
        }
        let mut hole = false;
        while !rest.is_empty() {
            let piece = self.piece(rest).ok_or(Refusal::AdviceHole)?;
            hole |= piece.range.start > rest.start;
            if hole && self.sys.profile.mutated(Mutation::AdviceEndsAtHole) {
                return Err(Refusal::AdviceHole);
            }
            self.advise_piece(&piece, advice)?;
            rest.start = piece.range.end;
        }
        if hole { Err(Refusal::AdviceHole) } else { Ok(()) }
    }

    /// Linux: `mm/madvise.c: madvise_behavior_valid`.
    fn is_known(&self, advice: Advice) -> bool {
        let options = self.sys.profile.options;
        match advice {
            Advice::MERGEABLE | Advice::UNMERGEABLE => options.ksm,
            Advice::HUGEPAGE | Advice::NOHUGEPAGE | Advice::COLLAPSE => options.thp,
            // Tests of the kernel's handling of broken memory: CONFIG_MEMORY_FAILURE, off in this profile.
            Advice::HWPOISON | Advice::SOFT_OFFLINE => false,
            other => other.name().is_some(),
        }
    }

    /// Linux: `mm/madvise.c: madvise_vma_behavior`.
    fn advise_piece(&mut self, piece: &Piece, advice: Advice) -> Result<(), Refusal> {
        let vma = &piece.vma;
        if !may_advise(vma.flags, vma.is_anonymous(), advice) {
            return Err(Refusal::AdviceSealed);
        }
        match advice {
            Advice::WILLNEED => {
                M::needed(self, piece);
                Ok(())
            }
            Advice::COLD | Advice::PAGEOUT => self.reclaim(piece, advice),
            Advice::DONTNEED | Advice::DONTNEED_LOCKED | Advice::FREE => self.discard(piece, advice),
            Advice::REMOVE => self.punch_hole(piece),
            Advice::COLLAPSE => self.collapse(piece),
            Advice::GUARD_INSTALL => self.install_guards(piece),
            Advice::GUARD_REMOVE => self.remove_guards(piece),
            _ => self.change_flags(piece, advice),
        }
    }

    /// Linux: `mm/madvise.c: madvise_guard_install`.
    fn install_guards(&mut self, piece: &Piece) -> Result<(), Refusal> {
        let barred = VmFlags::SPECIAL.with(VmFlags::HUGETLB).with(VmFlags::LOCKED);
        if piece.vma.flags.intersects(barred) {
            return Err(Refusal::GuardInvalid);
        }
        let start = piece.vma.range.start;
        // So that fork copies the page tables.
        self.space.vmas.update(start, |vma| vma.flags = vma.flags.with(VmFlags::MAYBE_GUARD));
        if piece.vma.is_anonymous() && !self.sys.profile.mutated(Mutation::GuardsNoAnonVma) {
            self.space.prepare_anon(self.sys, start);
        }
        M::guarded(self, piece.range);
        self.space.guards.insert(piece.range);
        Ok(())
    }

    /// Linux: `mm/madvise.c: madvise_guard_remove`.
    fn remove_guards(&mut self, piece: &Piece) -> Result<(), Refusal> {
        if piece.vma.flags.intersects(VmFlags::SPECIAL.with(VmFlags::HUGETLB)) {
            return Err(Refusal::GuardInvalid);
        }
        self.space.guards.remove(piece.range);
        Ok(())
    }
}

/// Tells whether a seal allows the advice: it guards read-only anonymous memory against losing its data.
///
/// Linux: `mm/madvise.c: can_madvise_modify`.
fn may_advise(flags: VmFlags, anonymous: bool, advice: Advice) -> bool {
    let discards = matches!(
        advice,
        Advice::FREE
            | Advice::DONTNEED
            | Advice::DONTNEED_LOCKED
            | Advice::REMOVE
            | Advice::DONTFORK
            | Advice::WIPEONFORK
            | Advice::GUARD_INSTALL
    );
    !flags.contains(VmFlags::SEALED) || !discards || !anonymous || flags.contains(VmFlags::WRITE)
}

/// Returns the range of an `iovec`, as far as it is one: what wraps is left to the checks of each advice.
pub(crate) fn iovec(range: AddrRange) -> (VirtAddr, u64) {
    (range.start, range.end.0.wrapping_sub(range.start.0))
}
