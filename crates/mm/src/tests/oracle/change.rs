//! What changes the attributes of what is mapped: protection, advice, names, seals.

use core::ops::Range;

use abi::{Advice, Errno};

use super::map::may_promise;
use super::model::{Answer, Object, Oracle, Page};
use super::steps::Span;
use crate::flags::VmFlags;

/// Advice that throws data away: a seal on read-only memory refuses it.
///
/// Linux: `mm/madvise.c: is_discard`.
const DISCARDS: [Advice; 6] = [
    Advice::FREE,
    Advice::DONTNEED,
    Advice::DONTNEED_LOCKED,
    Advice::DONTFORK,
    Advice::WIPEONFORK,
    Advice::GUARD_INSTALL,
];

/// What a walk does where nothing is mapped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holes {
    /// Stops with `ENOMEM`.
    Stop,
    /// Passes over them and answers `ENOMEM` at the end.
    Pass,
}

impl Oracle {
    /// Does something with each piece of a mapping in a range; goes on behind the mapping that the piece is in then.
    fn walk(
        &mut self,
        range: Range<usize>,
        holes: Holes,
        mut act: impl FnMut(&mut Self, Range<usize>) -> Result<(), Errno>,
    ) -> Answer {
        let mut at = range.start;
        let mut hole = false;
        while at < range.end {
            let next = self.now().next_mapped(at).filter(|next| *next < range.end);
            hole |= next != Some(at);
            if hole && holes == Holes::Stop {
                break;
            }
            let Some(next) = next else { break };
            let piece = next..self.now().end_of(next).min(range.end);
            act(self, piece.clone())?;
            at = self.now().end_of(piece.end - 1).max(piece.end);
        }
        if hole { Err(Errno::ENOMEM) } else { Ok(0) }
    }

    /// Returns the first page of a piece.
    fn first(&self, piece: &Range<usize>) -> Page {
        self.now().page(piece.start).expect("a piece is mapped").clone()
    }

    /// Linux: `mm/mprotect.c: do_mprotect_pkey`.
    pub(super) fn protect(&mut self, span: Span, prot: u64, down: bool) -> Answer {
        let mut range = span.range();
        if down {
            let first = self.now().next_mapped(range.start).filter(|at| *at < range.end);
            let first = first.ok_or(Errno::ENOMEM)?;
            if !self.now().page(first).is_some_and(|page| page.has(VmFlags::GROWSDOWN)) {
                return Err(Errno::EINVAL);
            }
            range.start = self.now().start_of(first);
        }
        self.walk(range, Holes::Stop, |oracle, piece| oracle.protect_piece(piece, VmFlags(prot)))
    }

    /// Linux: `mm/mprotect.c: mprotect_fixup`.
    fn protect_piece(&mut self, piece: Range<usize>, access: VmFlags) -> Result<(), Errno> {
        let old = self.first(&piece);
        let mut page = old.clone();
        page.flags = old.flags.without(VmFlags::ACCESS).with(access);
        if access.0 << 4 & !old.flags.0 != 0 {
            return Err(Errno::EACCES);
        }
        if old.has(VmFlags::SEALED) {
            return Err(Errno::EPERM);
        }
        if page.flags == old.flags {
            return Ok(());
        }
        if page.has(VmFlags::WRITE) {
            let memory = self.now();
            let refused = memory.may_expand(&page, piece.len());
            if refused.is_err() && memory.may_expand(&old, piece.len()).is_ok() {
                return refused;
            }
            let free = VmFlags::ACCOUNT.0 | VmFlags::WRITE.0 | VmFlags::SHARED.0 | VmFlags::NORESERVE.0;
            if !old.has(VmFlags(free)) {
                may_promise(piece.len())?;
                page.flags = page.flags.with(VmFlags::ACCOUNT);
            }
        } else if old.object == Object::Anonymous && old.chain.is_none() {
            page.flags = page.flags.without(VmFlags::ACCOUNT);
        }
        let flags = page.flags;
        self.modify(piece.clone(), |page| page.flags = flags)?;
        if old.has(VmFlags::LOCKED)
            && !old.has(VmFlags::WRITE.with(VmFlags::SHARED))
            && page.has(VmFlags::WRITE)
        {
            self.populate(piece);
        }
        Ok(())
    }

    /// Linux: `mm/madvise.c: madvise_walk_vmas`.
    pub(super) fn advise(&mut self, span: Span, advice: Advice) -> Answer {
        match advice {
            Advice::POPULATE_READ => self.populate_advised(span.range(), VmFlags::READ),
            Advice::POPULATE_WRITE => self.populate_advised(span.range(), VmFlags::WRITE),
            _ => self.walk(span.range(), Holes::Pass, |oracle, piece| oracle.advise_piece(piece, advice)),
        }
    }

    /// Linux: `mm/madvise.c: madvise_vma_behavior`.
    fn advise_piece(&mut self, piece: Range<usize>, advice: Advice) -> Result<(), Errno> {
        let page = self.first(&piece);
        let anonymous = page.object == Object::Anonymous;
        if page.has(VmFlags::SEALED) && anonymous && !page.has(VmFlags::WRITE) && DISCARDS.contains(&advice) {
            return Err(Errno::EPERM);
        }
        let locked = page.has(VmFlags::LOCKED);
        let flags = page.flags;
        let flags = match advice {
            Advice::DONTNEED | Advice::FREE | Advice::GUARD_INSTALL if locked => return Err(Errno::EINVAL),
            Advice::FREE if !anonymous => return Err(Errno::EINVAL),
            Advice::GUARD_INSTALL => {
                let whole = self.now().mapping_of(piece.start);
                self.now_mut().change(whole, |page| page.flags = page.flags.with(VmFlags::MAYBE_GUARD));
                if anonymous {
                    self.prepare(piece.start);
                }
                self.now_mut().change(piece, |page| page.guard = true);
                return Ok(());
            }
            Advice::GUARD_REMOVE => {
                self.now_mut().change(piece, |page| page.guard = false);
                return Ok(());
            }
            Advice::NORMAL => flags.without(VmFlags::SEQ_READ.with(VmFlags::RAND_READ)),
            Advice::SEQUENTIAL => flags.without(VmFlags::RAND_READ).with(VmFlags::SEQ_READ),
            Advice::RANDOM => flags.without(VmFlags::SEQ_READ).with(VmFlags::RAND_READ),
            Advice::DONTFORK => flags.with(VmFlags::DONTCOPY),
            Advice::DOFORK => flags.without(VmFlags::DONTCOPY),
            Advice::WIPEONFORK if !anonymous => return Err(Errno::EINVAL),
            Advice::WIPEONFORK => flags.with(VmFlags::WIPEONFORK),
            Advice::KEEPONFORK => flags.without(VmFlags::WIPEONFORK),
            Advice::DONTDUMP => flags.with(VmFlags::DONTDUMP),
            Advice::DODUMP => flags.without(VmFlags::DONTDUMP),
            _ => flags,
        };
        if flags == page.flags {
            return Ok(());
        }
        self.modify(piece, |page| page.flags = flags).map_err(|_| Errno::EAGAIN)
    }

    /// Linux: `mm/madvise.c: madvise_set_anon_name`.
    pub(super) fn name(&mut self, span: Span, name: Option<char>) -> Answer {
        self.walk(span.range(), Holes::Pass, |oracle, piece| {
            let page = oracle.first(&piece);
            if matches!(page.object, Object::File(_)) {
                return Err(Errno::EBADF);
            }
            if page.name == name {
                return Ok(());
            }
            oracle.modify(piece, |page| page.name = name).map_err(|_| Errno::EAGAIN)
        })
    }

    /// Linux: `mm/mseal.c: do_mseal`.
    pub(super) fn seal(&mut self, span: Span) -> Answer {
        if span.range().any(|at| self.now().page(at).is_none()) {
            return Err(Errno::ENOMEM);
        }
        self.walk(span.range(), Holes::Stop, |oracle, piece| {
            if oracle.first(&piece).has(VmFlags::SEALED) {
                return Ok(());
            }
            oracle.modify(piece, |page| page.flags = page.flags.with(VmFlags::SEALED))
        })
    }

    /// Linux: `mm/mlock.c: apply_vma_lock_flags`, `mlock_fixup`.
    pub(super) fn set_locks(&mut self, range: Range<usize>, lock: VmFlags) -> Answer {
        self.walk(range, Holes::Stop, |oracle, piece| oracle.lock_piece(piece, lock))
    }

    /// Linux: `mm/mlock.c: mlock_fixup`.
    pub(super) fn lock_piece(&mut self, piece: Range<usize>, lock: VmFlags) -> Result<(), Errno> {
        let page = self.first(&piece);
        let flags = page.flags.without(VmFlags::LOCKED_MASK).with(lock);
        if flags == page.flags {
            return Ok(());
        }
        self.modify(piece, |page| page.flags = flags)
    }
}
