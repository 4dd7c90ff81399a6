//! Turns at memory calls that are seen at entry only.
//!
//! The order in which threads come to the listener is not the order in which they get the memory's lock. Where a
//! memory has several threads, each call that can change the map is let go alone: the thread is asked to stop
//! (`PTRACE_INTERRUPT`) before it is let go, which takes effect when it leaves the call and before its next
//! instruction. Asked any later, it could stop in some other call and show the program an `EINTR`.

use std::collections::VecDeque;

use abi::{Call, Tid};
use recording::MmId;
use sys::ptrace;
use sys::seccomp::Notification;

use super::Tracer;
use super::calls::{Meaning, Raw};
use super::two_stops::WAIT_NS_MAX;
use crate::observer::Observer;

/// Turns are counted in windows of this length.
const WINDOW_NS: u64 = 100_000_000;
/// The most turns in a window: each adds a stop to a call, some 15 µs, so that a seventh of the time at most goes there.
const TURNS_MAX: u32 = 1000;

/// The turns of one memory.
#[derive(Clone, Debug, Default)]
pub(super) struct MemoryTurns {
    /// Who is inside a call alone.
    inside: Option<Inside>,
    window_ns: u64,
    turns: u32,
}

#[derive(Clone, Copy, Debug)]
struct Inside {
    tid: Tid,
    since_ns: u64,
}

/// A call that waits for its turn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    notification: Notification,
    mm: MmId,
}

/// Calls that wait for their turns, first come first served.
pub(super) type Queue = VecDeque<Waiting>;

/// Whether a call takes a turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Turn {
    /// It goes in alone.
    Taken,
    /// It goes in as it comes.
    None,
    /// Another is inside.
    Later,
}

impl<O: Observer> Tracer<O> {
    /// A call has come: it is let go now, or when its turn has come.
    pub(super) fn take_turn(&mut self, notification: Notification, now_ns: u64) {
        let tid = notification.tid;
        let Some(mm) = self.threads.get(tid).map(|thread| thread.mm) else {
            self.answer(&notification, now_ns);
            return;
        };
        match self.turn(mm, &notification, now_ns) {
            Turn::Later => self.queue.push_back(Waiting { notification, mm }),
            Turn::None => {
                self.answer(&notification, now_ns);
            }
            Turn::Taken => {
                // A thread that can't be stopped has no turn to give back.
                let is_asked = ptrace::interrupt(tid).is_ok();
                if self.answer(&notification, now_ns)
                    && is_asked
                    && let Some(memory) = self.threads.memory_mut(mm)
                {
                    memory.turns.inside = Some(Inside { tid, since_ns: now_ns });
                }
            }
        }
    }

    fn turn(&mut self, mm: MmId, notification: &Notification, now_ns: u64) -> Turn {
        let Notification { arch, nr, args, .. } = *notification;
        if !changes_map(Raw { arch, nr, args }) || self.threads.are_alone(mm) {
            return Turn::None;
        }
        let Some(memory) = self.threads.memory_mut(mm).filter(|memory| memory.is_recorded) else {
            return Turn::None;
        };
        let turns = &mut memory.turns;
        if turns.inside.is_some() {
            return Turn::Later;
        }
        if now_ns.saturating_sub(turns.window_ns) > WINDOW_NS {
            turns.window_ns = now_ns;
            turns.turns = 0;
        }
        if turns.turns >= TURNS_MAX {
            return Turn::None;
        }
        turns.turns += 1;
        Turn::Taken
    }

    /// A thread has stopped or ended: whatever call it was let go into is behind it.
    pub(super) fn give_turn_back(&mut self, tid: Tid) {
        self.queue.retain(|waiting| waiting.notification.tid != tid);
        let Some(mm) = self.threads.get(tid).map(|thread| thread.mm) else { return };
        let Some(memory) = self.threads.memory_mut(mm) else { return };
        if memory.turns.inside.is_some_and(|inside| inside.tid == tid) {
            memory.turns.inside = None;
            self.next_in_queue(mm);
        }
    }

    fn next_in_queue(&mut self, mm: MmId) {
        while self.threads.memory(mm).is_some_and(|memory| memory.turns.inside.is_none())
            && let Some(at) = self.queue.iter().position(|waiting| waiting.mm == mm)
            && let Some(waiting) = self.queue.remove(at)
        {
            self.take_turn(waiting.notification, sys::clock::monotonic_ns());
        }
    }

    /// Whoever has been inside too long no longer keeps others out: it may wait for what they would do.
    pub(super) fn end_long_turns(&mut self, now_ns: u64) {
        let too_long = |inside: &Inside| now_ns.saturating_sub(inside.since_ns) > WAIT_NS_MAX;
        let mut over: Vec<MmId> = self.queue.iter().map(|waiting| waiting.mm).collect();
        over.dedup();
        for mm in over {
            if let Some(memory) = self.threads.memory_mut(mm)
                && memory.turns.inside.as_ref().is_some_and(too_long)
            {
                memory.turns.inside = None;
                self.next_in_queue(mm);
            }
        }
    }
}

/// Whether a call can change a map. Others are let go as they come, and so are those that may wait for a file
/// system, which a request to stop could disturb.
fn changes_map(raw: Raw) -> bool {
    matches!(
        raw.meaning(),
        Meaning::Memory(
            Call::Mmap { .. }
                | Call::Munmap { .. }
                | Call::Mremap { .. }
                | Call::Mprotect { .. }
                | Call::PkeyMprotect { .. }
                | Call::Brk { .. }
                | Call::Madvise { .. }
                | Call::Mlock { .. }
                | Call::Mlock2 { .. }
                | Call::Munlock { .. }
                | Call::Mlockall { .. }
                | Call::Munlockall { .. }
                | Call::Mseal { .. }
                | Call::RemapFilePages { .. }
                | Call::Shmat { .. }
                | Call::Shmdt { .. }
                | Call::Prctl { .. }
        )
    )
}
