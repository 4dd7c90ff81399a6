//! Calls that wait for the kernel's word, so that they stand in the order in which the kernel did them.
//!
//! Threads that call at the same time get the memory's lock in any order, and a thread may be let go into its call
//! long before it runs. A call that maps makes a record under the lock: the call belongs right before that.
//! ```text
//! the tracer saw   A: mmap   B: mmap
//! the rings                            B: mapped   A: mapped
//! handed on                  B: mmap,  B: mapped,  A: mmap, A: mapped
//! ```
//! One that is refused makes none: it is over when its thread does something else.
//!
//! A call that unmaps makes no record. It is over when its thread does something else, when another's mapping lies where
//! it made room, or when it must be over: as long as none of these, the others found their places without that room.

use abi::{AddrRange, Call, Tid};
use foldhash::HashMap as QuickMap;
use recording::{Body, CallEvent, CallResult, Event, MmId, Reason, SpawnKind, TimeNs};

use crate::stacks::StackCopies;

/// So long a call waits for its record, which may have been lost.
const RECORD_NS_MAX: u64 = 1_000_000_000;
/// So long a call that makes none is taken to wait for the lock.
const LOCK_NS_MAX: u64 = 100_000_000;

/// What a call waits for, beside the next thing that its thread does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sign {
    /// The kernel's record of it.
    ///
    /// Linux: `mm/vma.c: __mmap_region`, which `shmat` comes to as well.
    Record,
    /// A mapping in the room that it makes.
    Room(AddrRange),
}

#[derive(Debug)]
struct Held {
    call: Event,
    sign: Sign,
}

/// The calls that wait, at most one a thread, in the order they came.
#[derive(Debug, Default)]
pub(super) struct HeldCalls {
    calls: Vec<Held>,
    /// The time of what was handed on last.
    last: TimeNs,
    /// Where the copies of the calls' stacks lie, under the calls' times.
    copies: Option<StackCopies>,
}

impl HeldCalls {
    pub(super) fn with_copies(copies: Option<StackCopies>) -> Self {
        Self { copies, ..Self::default() }
    }

    /// Hands an event on, or keeps it; what it tells to be over goes first. `memory_of` knows the threads that live.
    pub(super) fn see(&mut self, event: Event, memory_of: &QuickMap<Tid, MmId>, out: &mut Vec<Event>) {
        let Event { time, tid, mm, ref body } = event;
        match body {
            Body::Exec(exec) => {
                self.end(out, |held| held.call.tid == exec.former_tid || held.call.mm == exec.former_mm);
            }
            Body::Exit { last_thread: true, .. } => {
                self.end(out, |held| held.call.tid == tid || held.call.mm == mm);
            }
            Body::Mapped(mapped) => {
                if self.calls.iter().any(|held| held.call.tid == tid) {
                    self.end(out, |held| held.call.mm == mm && held.sign.lies_in(mapped.range));
                }
                self.end(out, |held| held.call.tid == tid);
            }
            // What is not in the map yet is told by those who are inside. Where `mremap` moves to is not told.
            Body::Checkpoint(_) | Body::Call(CallEvent { call: Call::Mremap { .. }, .. }) => {
                self.end(out, |held| held.call.mm == mm && held.sign != Sign::Record);
            }
            Body::Spawn(spawn) if spawn.kind == SpawnKind::Fork => {
                self.end(out, |held| held.call.tid == tid || held.call.mm == mm && held.sign != Sign::Record);
            }
            _ => {}
        }
        if is_behind_call(body) {
            self.end(out, |held| held.call.tid == tid);
        }
        self.end(out, |held| held.call.time.0 + held.sign.wait_ns_max() < time.0);
        let is_alone = || memory_of.iter().all(|(other, of)| *other == tid || *of != mm);
        match sign_of(body).filter(|sign| *sign == Sign::Record || !is_alone()) {
            Some(sign) => self.calls.push(Held { call: event, sign }),
            None => self.hand_on(event, out),
        }
    }

    /// Hands on what waits still.
    pub(super) fn finish(&mut self, out: &mut Vec<Event>) {
        self.end(out, |_| true);
    }

    fn end(&mut self, out: &mut Vec<Event>, is_over: impl Fn(&Held) -> bool) {
        while let Some(at) = self.calls.iter().position(&is_over) {
            let Held { mut call, sign: _ } = self.calls.remove(at);
            if call.time < self.last {
                if let Some(copies) = &self.copies {
                    copies.put_off(call.tid, call.time, self.last);
                }
                call.time = self.last;
            }
            self.hand_on(call, out);
        }
    }

    fn hand_on(&mut self, event: Event, out: &mut Vec<Event>) {
        self.last = self.last.max(event.time);
        out.push(event);
    }
}

impl Sign {
    fn lies_in(self, range: AddrRange) -> bool {
        match self {
            Self::Record => false,
            Self::Room(room) => room.overlaps(range),
        }
    }

    const fn wait_ns_max(self) -> u64 {
        match self {
            Self::Record => RECORD_NS_MAX,
            Self::Room(_) => LOCK_NS_MAX,
        }
    }
}

/// What an event waits for; `None` if it is no call of which there are signs, or one whose end was seen.
fn sign_of(body: &Body) -> Option<Sign> {
    let Body::Call(CallEvent { call, result: CallResult::Unseen, .. }) = body else { return None };
    match *call {
        Call::Mmap { .. } | Call::Shmat { .. } => Some(Sign::Record),
        Call::Munmap { addr, len } => {
            let end = addr.checked_add(len)?.page_up_wrapping();
            (addr < end).then(|| Sign::Room(AddrRange::new(addr, end)))
        }
        _ => None,
    }
}

/// Whether a thread with such an event is not in the call that it made before, or has been under the lock there.
fn is_behind_call(body: &Body) -> bool {
    match body {
        Body::Call(_) | Body::Fault(_) | Body::Spawn(_) | Body::Exit { .. } => true,
        Body::Stopped { .. } | Body::Continued | Body::Unmodelled(_) => true,
        Body::Checkpoint(checkpoint) => matches!(checkpoint.reason, Reason::Exit | Reason::Fork),
        // What is about a thread without having been done by it.
        Body::ThreadName(_) | Body::Reading | Body::HugeZeros(_) | Body::Lost { .. } => false,
        Body::FaultPeriod { .. } => false,
        Body::Exec(_) | Body::Object(_) | Body::Stack(_) | Body::Limit { .. } => false,
        // A stack may have grown at another's hand.
        Body::Mapped(_) => false,
    }
}
