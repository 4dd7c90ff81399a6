//! Copies of what unwinding needs, on their way from the tracer to the thread that unwinds.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, Deref};
use std::sync::{Arc, Mutex, PoisonError};

use abi::{Tid, VirtAddr};
use foldhash::HashMap as QuickMap;
use recording::{StackId, TimeNs};
use stacks::{End, Registers, StackCopy};
use sys::perf::UserStack;

use crate::faults::{Pieces, STACK_BYTES_BRIEF, STACK_BYTES_MAX};

/// Stack copied at a call where that is known to do, and where nothing is known.
pub(super) const BYTES: usize = 2 << 10;
pub(super) const BYTES_UNKNOWN: usize = 16 << 10;
/// Not more is copied where it is known at which address the thread's chains end.
pub(super) const BYTES_MAX: usize = 2 << 20;
/// Of the frame of the thread's first function.
pub(super) const BYTES_ABOVE: u64 = 256;
/// Numbers with this bit are no chain's but those of copies at faults.
const COPIED: u32 = 1 << 31;
/// Places of which is known how much they need.
const PLACES_MAX: usize = 1 << 16;
/// Bytes of copies that may wait for being unwound; beyond, calls go without a chain.
const WAITING_BYTES_MAX: usize = 128 << 20;
/// Pieces of memory kept for the next copies, and the largest that is kept.
const SPARE_MAX: usize = 256;
const SPARE_BYTES_MAX: usize = 64 << 10;
/// What was long ago counts half after so many copies of faults; fewer than so many tell nothing.
const ENDS_MAX: u32 = 1024;
const ENDS_MIN: u32 = 64;
const LARGE_WEIGHT: u32 = 8;
/// Copies are too small where more than one in so many is cut.
const CUT_SHARE: u32 = 20;
/// And tops of stacks where more than one in so many is; these are large enough again below the other.
const TOPS_CUT_SHARE: u32 = 18;
const TOPS_CUT_SHARE_LOW: u32 = 36;
const TOPS_MIN: u32 = 128;
const TOPS_MAX: u32 = 512;
/// Where more copies of faults wait than so many, what they will come to is not known.
const BEHIND_MAX: usize = 256;

/// What was copied at one call.
#[derive(Debug)]
pub(crate) struct RawStack {
    pub(crate) registers: Registers,
    pub(crate) sp: VirtAddr,
    pub(crate) bytes: Piece,
    /// Where a handler runs on a stack of its own: the stack that it interrupted, from there on.
    pub(crate) second: Option<(VirtAddr, Vec<u8>)>,
}

/// Bytes in memory that is used again and again: asking for new memory costs more than filling it.
#[derive(Debug, Default)]
pub(crate) struct Piece {
    memory: Vec<u8>,
    used: usize,
}

impl Piece {
    /// Makes room for so many bytes and returns it; what is in it is any former copy's.
    pub(super) fn room(&mut self, bytes: usize) -> &mut [u8] {
        if self.memory.len() < bytes {
            self.memory.resize(bytes, 0);
        }
        self.used = bytes;
        &mut self.memory[..bytes]
    }

    pub(super) fn truncate(&mut self, bytes: usize) {
        self.used = self.used.min(bytes);
    }
}

impl Deref for Piece {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.memory[..self.used]
    }
}

/// What was copied at one fault.
#[derive(Debug)]
pub(crate) struct RawFault {
    pub(crate) tid: Tid,
    pub(crate) raw: RawStack,
    /// The chain that the kernel found by frame pointers.
    pub(crate) chain: Box<[VirtAddr]>,
}

/// What comes of the top of a stack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Top {
    /// It reaches the thread's first function, by itself or joined to a whole one.
    Suffice,
    /// It does not.
    Cut,
}

/// Copies on their way from the tracer to the thread that unwinds.
#[derive(Clone, Debug, Default)]
pub struct StackCopies(Arc<Mutex<Shared>>);

#[derive(Debug, Default)]
pub(super) struct Shared {
    raw: BTreeMap<(Tid, TimeNs), RawStack>,
    faults: QuickMap<StackId, RawFault>,
    faults_begun: u32,
    /// Those of them with large pieces.
    large: BTreeSet<(Tid, StackId)>,
    waiting_bytes: usize,
    /// How much of the stack the chains from a place have needed at most.
    needed: QuickMap<[u64; 3], usize>,
    /// The stack pointer in the first function of a thread.
    pub(super) first: QuickMap<Tid, VirtAddr>,
    missed: u64,
    spare: Vec<Piece>,
    /// Copies of faults unwound of late, and those of them that were cut.
    unwound: u32,
    cut: u32,
    /// The same of the tops of stacks, or what would have come of these.
    tops: u32,
    tops_cut: u32,
    tops_are_small: bool,
}

impl Shared {
    pub(super) fn put_fault(&mut self, fault: RawFault) -> StackId {
        self.waiting_bytes += fault.raw.len();
        let id = StackId(COPIED | self.faults_begun);
        self.faults_begun = self.faults_begun.wrapping_add(1) & !COPIED;
        if fault.raw.len() as u64 > STACK_BYTES_MAX {
            self.large.insert((fault.tid, id));
        }
        self.faults.insert(id, fault);
        id
    }

    fn remove_fault(&mut self, id: StackId) -> Option<RawFault> {
        let fault = self.faults.remove(&id)?;
        self.waiting_bytes -= fault.raw.len();
        self.large.remove(&(fault.tid, id));
        Some(fault)
    }
}

impl StackCopies {
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Shared) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Hands a copy over: it belongs to the call of this thread at this time.
    pub(crate) fn put(&self, tid: Tid, time: TimeNs, raw: Option<RawStack>) {
        self.with(|shared| match raw {
            Some(raw) if shared.waiting_bytes + raw.len() <= WAITING_BYTES_MAX => {
                shared.waiting_bytes += raw.len();
                if let Some(old) = shared.raw.insert((tid, time), raw) {
                    shared.waiting_bytes -= old.len();
                }
            }
            _ => shared.missed += 1,
        });
    }

    /// Hands over what a fault's chain will be made of; returns the number by which the fault names it, `None` where too
    /// much waits.
    pub(crate) fn put_fault(&self, tid: Tid, user: &UserStack<'_>, chain: &[VirtAddr]) -> Option<StackId> {
        let UserStack { rip, rsp, rbx, rbp, r10_to_r15, bytes } = *user;
        let mut registers = Registers::from_ip_sp_bp(rip, rsp, rbp).with(3, rbx);
        for (no, value) in (10..).zip(r10_to_r15) {
            registers = registers.with(no, value);
        }
        self.with(|shared| {
            // Calls come first.
            if shared.waiting_bytes + bytes.len() > WAITING_BYTES_MAX / 2 {
                return None;
            }
            let mut piece = shared.spare.pop().unwrap_or_default();
            piece.room(bytes.len()).copy_from_slice(bytes);
            let raw = RawStack { registers, sp: rsp, bytes: piece, second: None };
            Some(shared.put_fault(RawFault { tid, raw, chain: chain.into() }))
        })
    }

    /// Whether a fault names a copy by a number, not a chain.
    pub(crate) const fn is_copy(id: StackId) -> bool {
        id.0 & COPIED != 0
    }

    /// The chain of a fault ended: of so many bytes copied it has used so many. A large copy tells whether a small one
    /// would have done, and counts for several, as there are few.
    /// A top tells nothing of it.
    pub(crate) fn fault_ended(&self, copied: usize, used: u64, end: End) {
        if copied as u64 <= STACK_BYTES_BRIEF {
            return;
        }
        let is_large = copied as u64 > STACK_BYTES_MAX;
        let weight = if is_large { LARGE_WEIGHT } else { 1 };
        let is_cut = matches!(end, End::Cut { .. }) || is_large && used > STACK_BYTES_MAX;
        self.with(|shared| {
            shared.unwound += weight;
            shared.cut += if is_cut { weight } else { 0 };
            if shared.unwound >= ENDS_MAX {
                (shared.unwound, shared.cut) = (shared.unwound / 2, shared.cut / 2);
            }
        });
    }

    /// The chain of the top of a stack ended there, joined or not, or would have.
    pub(crate) fn top_ended(&self, top: Top) {
        self.with(|shared| {
            shared.tops += 1;
            shared.tops_cut += u32::from(top == Top::Cut);
            if shared.tops >= TOPS_MAX {
                (shared.tops, shared.tops_cut) = (shared.tops / 2, shared.tops_cut / 2);
            }
        });
    }

    /// Whether the copies of faults have sufficed of late.
    pub(crate) fn pieces(&self) -> Pieces {
        self.with(|shared| {
            let Shared { unwound, cut, tops, tops_cut, .. } = *shared;
            let share = if shared.tops_are_small { TOPS_CUT_SHARE_LOW } else { TOPS_CUT_SHARE };
            shared.tops_are_small = tops_cut * share > tops;
            if tops < TOPS_MIN || shared.faults.len() > BEHIND_MAX {
                Pieces::Unknown
            } else if shared.tops_are_small {
                Pieces::TopsTooSmall
            } else if unwound >= ENDS_MIN && cut * CUT_SHARE > unwound {
                Pieces::TooSmall
            } else {
                Pieces::Suffice
            }
        })
    }

    /// Takes what belongs to a fault; `None` if the number is a chain's.
    pub(crate) fn take_fault(&self, id: StackId) -> Option<RawFault> {
        if !Self::is_copy(id) {
            return None;
        }
        self.with(|shared| shared.remove_fault(id))
    }

    /// Faults whose copies wait.
    #[cfg(test)]
    pub(crate) fn faults_waiting(&self) -> usize {
        self.with(|shared| shared.faults.len())
    }

    /// Drops what belongs to a fault that is told of no more.
    pub(crate) fn drop_fault(&self, id: StackId) {
        if let Some(fault) = self.take_fault(id) {
            self.take_back(fault.raw);
        }
    }

    /// Of two copies of one fault the larger; the other is dropped.
    pub(crate) fn larger(&self, one: StackId, other: StackId) -> StackId {
        let (kept, dropped) = self.with(|shared| {
            let bytes = |id| shared.faults.get(&id).map(|fault: &RawFault| fault.raw.len());
            if bytes(one) >= bytes(other) { (one, other) } else { (other, one) }
        });
        self.drop_fault(dropped);
        kept
    }

    /// A piece of memory for a copy.
    pub(super) fn spare(&self) -> Piece {
        self.with(|shared| shared.spare.pop()).unwrap_or_default()
    }

    /// Takes the memory of a copy that has been unwound.
    pub(crate) fn take_back(&self, raw: RawStack) {
        let piece = raw.bytes;
        if piece.memory.len() <= SPARE_BYTES_MAX {
            self.with(|shared| {
                if shared.spare.len() < SPARE_MAX {
                    shared.spare.push(piece);
                }
            });
        }
    }

    /// The thread's next call from a moment on, if its copy is there already: its time, and a copy of the copy.
    pub(crate) fn next_call(
        &self,
        tid: Tid,
        from: TimeNs,
        but: Option<TimeNs>,
    ) -> Option<(TimeNs, Option<RawStack>)> {
        self.with(|shared| {
            let (&(_, time), raw) = shared.raw.range((tid, from)..=(tid, TimeNs(u64::MAX))).next()?;
            Some((time, (but != Some(time)).then(|| raw.again())))
        })
    }

    /// The thread's next fault after one of which a large piece was copied, if that is there already: its number, and a
    /// copy of the copy unless it is one that is known.
    pub(crate) fn next_large(
        &self,
        tid: Tid,
        after: StackId,
        but: Option<StackId>,
    ) -> Option<(StackId, Option<RawStack>)> {
        self.with(|shared| {
            let of_thread = (Bound::Excluded((tid, after)), Bound::Included((tid, StackId(u32::MAX))));
            let (_, id) = *shared.large.range(of_thread).next()?;
            let fault = if but == Some(id) { None } else { shared.faults.get(&id) };
            Some((id, fault.map(|fault| fault.raw.again())))
        })
    }

    /// A call that was to be an event of one time is one of another.
    pub(crate) fn put_off(&self, tid: Tid, from: TimeNs, to: TimeNs) {
        self.with(|shared| {
            let raw = shared.raw.remove(&(tid, from));
            if let Some(old) = raw.and_then(|raw| shared.raw.insert((tid, to), raw)) {
                shared.waiting_bytes -= old.len();
            }
        });
    }

    /// Takes the copy that belongs to a call.
    pub(crate) fn take(&self, tid: Tid, time: TimeNs) -> Option<RawStack> {
        self.with(|shared| {
            let raw = shared.raw.remove(&(tid, time))?;
            shared.waiting_bytes -= raw.len();
            Some(raw)
        })
    }

    /// The chain of a copy ended there: at the thread's first function, or where the copy does.
    pub(crate) fn ended(&self, tid: Tid, raw: &RawStack, last: VirtAddr, end: End) {
        let place = raw.place();
        let is_cut = matches!(end, End::Cut { .. });
        let bytes = if is_cut { usize::MAX } else { last.0.saturating_sub(raw.sp.0) as usize };
        self.with(|shared| {
            if shared.needed.len() == PLACES_MAX {
                shared.needed.clear();
            }
            let needed = shared.needed.entry(place).or_insert(0);
            *needed = (*needed).max(bytes);
            // A handler on a stack of its own ends elsewhere.
            if end == End::Root && last >= raw.sp {
                if shared.first.len() == PLACES_MAX {
                    shared.first.clear();
                }
                shared.first.insert(tid, last);
            }
        });
    }

    /// Calls of which nothing was copied.
    pub(crate) fn missed(&self) -> u64 {
        self.with(|shared| shared.missed)
    }

    /// How much to copy of a thread's stack whose chain begins at a place.
    pub(super) fn wanted(&self, tid: Tid, sp: VirtAddr, place: [u64; 3]) -> usize {
        self.with(|shared| {
            if shared.needed.get(&place).is_some_and(|needed| *needed <= BYTES) {
                return BYTES;
            }
            let rest = shared.first.get(&tid).and_then(|first| first.0.checked_sub(sp.0));
            let rest = rest.and_then(|rest| usize::try_from(rest + BYTES_ABOVE).ok());
            rest.filter(|rest| *rest <= BYTES_MAX).unwrap_or(BYTES_UNKNOWN)
        })
    }
}

impl RawStack {
    /// What was copied, to be unwound.
    pub(crate) fn stack(&self) -> StackCopy<'_> {
        let stack = StackCopy::new(self.sp, &self.bytes);
        match &self.second {
            Some((start, bytes)) => stack.with(*start, bytes),
            None => stack,
        }
    }

    /// The bytes copied.
    fn len(&self) -> usize {
        self.bytes.len() + self.second.as_ref().map_or(0, |(_, bytes)| bytes.len())
    }

    fn again(&self) -> Self {
        let Self { registers, sp, bytes, second } = self;
        let mut piece = Piece::default();
        piece.room(bytes.len()).copy_from_slice(bytes);
        Self { registers: *registers, sp: *sp, bytes: piece, second: second.clone() }
    }

    /// Where the call was made from: the instruction, the word on top of the stack, which is most often the address its
    /// function returns to, and how deep the stack is.
    pub(super) fn place(&self) -> [u64; 3] {
        let top = self.bytes.first_chunk().map_or(0, |word| u64::from_le_bytes(*word));
        [self.registers.ip.0, top, self.sp.0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(bytes: usize) -> Piece {
        let mut piece = Piece::default();
        piece.room(bytes).fill(7);
        piece
    }

    #[test]
    fn memory_of_copies_is_used_again() {
        let copies = StackCopies::default();
        let raw = |bytes| RawStack {
            registers: Registers::from_ip_sp(VirtAddr(1), VirtAddr(2)),
            sp: VirtAddr(2),
            bytes,
            second: None,
        };
        copies.take_back(raw(piece(4096)));
        copies.take_back(raw(piece(SPARE_BYTES_MAX + 1)));
        let mut again = copies.spare();
        let at = again.room(16).as_ptr();
        assert_eq!((again.len(), again.room(4096).as_ptr()), (16, at));
        assert!(copies.spare().memory.is_empty(), "large ones go back to the system");
        again.truncate(3);
        assert_eq!(*again, [7; 3]);
    }

    #[test]
    fn the_next_large_piece_of_a_thread_is_found_while_it_waits() {
        let waiting = StackCopies::default();
        let put = |tid, bytes| {
            let registers = Registers::from_ip_sp(VirtAddr(1), VirtAddr(2));
            let raw = RawStack { registers, sp: VirtAddr(2), bytes: piece(bytes), second: None };
            waiting.with(|shared| shared.put_fault(RawFault { tid, raw, chain: [].into() }))
        };
        let large = STACK_BYTES_MAX as usize + 8;
        let (top, _, other) = (put(Tid(1), 16), put(Tid(1), 16), put(Tid(2), large));
        assert!(waiting.next_large(Tid(1), top, None).is_none());
        let (first, second) = (put(Tid(1), large), put(Tid(1), large));
        let found = |after, but| {
            let found = waiting.next_large(Tid(1), after, but);
            found.map(|(id, raw)| (id, raw.map(|raw| raw.bytes.len())))
        };
        assert_eq!(found(top, None), Some((first, Some(large))));
        assert_eq!(found(top, Some(first)), Some((first, None)), "that one is known");
        assert_eq!(found(first, None), Some((second, Some(large))));
        assert_eq!(found(second, None), None);
        waiting.take_fault(first);
        assert_eq!(found(top, None), Some((second, Some(large))));
        assert_eq!(waiting.larger(top, second), second);
        waiting.take_fault(second);
        assert_eq!(found(top, None), None);
        assert!(waiting.take_fault(other).is_some());
    }

    #[test]
    fn a_copy_belongs_to_one_call() {
        let waiting = StackCopies::default();
        let raw = || RawStack {
            registers: Registers::from_ip_sp(VirtAddr(1), VirtAddr(2)),
            sp: VirtAddr(2),
            bytes: piece(16),
            second: None,
        };
        waiting.put(Tid(1), TimeNs(5), Some(raw()));
        waiting.put(Tid(1), TimeNs(6), None);
        assert!(waiting.take(Tid(1), TimeNs(6)).is_none());
        assert!(waiting.take(Tid(1), TimeNs(5)).is_some());
        assert!(waiting.take(Tid(1), TimeNs(5)).is_none());
        assert_eq!(waiting.missed(), 1);
    }

    #[test]
    fn as_much_is_copied_as_the_way_to_the_first_function_is_long() {
        let waiting = StackCopies::default();
        let raw = RawStack {
            registers: Registers::from_ip_sp(VirtAddr(1), VirtAddr(0x10_0000)),
            sp: VirtAddr(0x10_0000),
            bytes: piece(BYTES),
            second: None,
        };
        let (tid, other, place, elsewhere) = (Tid(1), Tid(2), raw.place(), [0; 3]);
        assert_eq!(waiting.wanted(tid, raw.sp, place), BYTES_UNKNOWN);
        waiting.ended(tid, &raw, VirtAddr(0x10_0200), End::Root);
        assert_eq!(waiting.wanted(tid, raw.sp, place), BYTES);
        assert_eq!(waiting.wanted(other, raw.sp, place), BYTES);
        assert_eq!(waiting.wanted(other, raw.sp, elsewhere), BYTES_UNKNOWN);
        assert_eq!(waiting.wanted(tid, VirtAddr(0xe_0200), elsewhere), 0x2_0000 + BYTES_ABOVE as usize);
        assert_eq!(waiting.wanted(tid, VirtAddr(0x20_0000), elsewhere), BYTES_UNKNOWN, "another stack");
        waiting.ended(other, &raw, VirtAddr(0x10_0700), End::Cut { missing: VirtAddr(0x10_0800) });
        assert_eq!(waiting.wanted(other, raw.sp, place), BYTES_UNKNOWN, "once it was cut");
    }
}
