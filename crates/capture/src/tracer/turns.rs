//! Turns at memory calls that are seen at entry only.
//!
//! The order in which threads come to the listener is not the order in which they get the memory's lock. Where several
//! threads of a memory make calls at the same time, each call that can change the map is let go alone: the thread is
//! asked to stop (`PTRACE_INTERRUPT`) before it is let go, which takes effect when it leaves the call and before its
//! next instruction. Asked any later, it could stop in some other call and show the program an `EINTR`.
//!
//! A stop costs more than the call's own stay with the listener, so a thread that has been the only one for a while is
//! let go as it comes. The first call of another then waits until that thread's last call must be over.

use std::collections::VecDeque;
use std::fs;

use abi::{Call, Tid};
use recording::MmId;
use sys::ptrace;
use sys::seccomp::Notification;

use super::Tracer;
use super::calls::{Meaning, Raw};
use super::checkpoints::is_memory_call;
use super::two_stops::WAIT_NS_MAX;
use crate::observer::Observer;

/// Threads that make calls within this time of each other take turns.
const TOGETHER_NS: u64 = 5_000_000;
/// A call of a thread that runs and that nobody was asked to stop behind is taken to be over after this time.
pub(super) const SETTLED_NS: u64 = 500_000;
/// Turns are counted in windows of this length.
const WINDOW_NS: u64 = 100_000_000;
/// The most turns in a window: each adds a stop to a call, some 15 µs, so that a seventh of the time at most goes there.
const TURNS_MAX: u32 = 1000;

/// The turns of one memory.
#[derive(Clone, Debug, Default)]
pub(super) struct MemoryTurns {
    /// Who keeps others out.
    inside: Option<Inside>,
    /// Who was let go last, and when.
    last: Option<(Tid, u64)>,
    /// When one that is not the last was let go last.
    others_ns: Option<u64>,
    window_ns: u64,
    turns: u32,
}

#[derive(Clone, Copy, Debug)]
struct Inside {
    tid: Tid,
    until_ns: u64,
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

impl MemoryTurns {
    /// Decides on a call. `may_be_inside` tells whether a thread that was let go may still be in its call.
    fn turn(&mut self, tid: Tid, now_ns: u64, may_be_inside: impl FnOnce(Tid) -> bool) -> Turn {
        if self.inside.is_some() {
            return Turn::Later;
        }
        let before = self.last.filter(|(last, _)| *last != tid);
        if let Some((last, since_ns)) = before {
            let until_ns = since_ns + SETTLED_NS;
            if now_ns < until_ns && may_be_inside(last) {
                self.inside = Some(Inside { tid: last, until_ns });
                return Turn::Later;
            }
            self.others_ns = Some(since_ns);
        }
        self.last = Some((tid, now_ns));
        if self.others_ns.is_none_or(|others_ns| now_ns.saturating_sub(others_ns) > TOGETHER_NS) {
            return Turn::None;
        }
        if now_ns.saturating_sub(self.window_ns) > WINDOW_NS {
            self.window_ns = now_ns;
            self.turns = 0;
        }
        if self.turns >= TURNS_MAX {
            return Turn::None;
        }
        self.turns += 1;
        Turn::Taken
    }

    /// A thread is behind its call; tells whether it has kept others out.
    fn is_outside(&mut self, tid: Tid) -> bool {
        self.inside.take_if(|inside| inside.tid == tid).is_some()
    }
}

impl<O: Observer> Tracer<O> {
    /// A call has come: it is let go now, or when its turn has come.
    pub(super) fn take_turn(&mut self, notification: Notification, now_ns: u64) {
        let tid = notification.tid;
        // Whatever call it was let go into before is behind it; those who have waited for that go first.
        self.give_turn_back(tid);
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
                    memory.turns.inside = Some(Inside { tid, until_ns: now_ns + WAIT_NS_MAX });
                }
            }
        }
    }

    fn turn(&mut self, mm: MmId, notification: &Notification, now_ns: u64) -> Turn {
        let Notification { tid, arch, nr, args, .. } = *notification;
        if !changes_map(Raw { arch, nr, args }) || self.threads.are_alone(mm) {
            return Turn::None;
        }
        let (memory, threads) = self.threads.memory_and_threads(mm);
        let Some(memory) = memory.filter(|memory| memory.is_recorded) else { return Turn::None };
        memory.turns.turn(tid, now_ns, |last| {
            let was_let_go = threads.get(&last).is_some_and(|thread| thread.let_go_ns.is_some());
            was_let_go && may_be_inside(last)
        })
    }

    /// A thread has stopped, ended, or come to another call: whatever call it was let go into is behind it.
    pub(super) fn give_turn_back(&mut self, tid: Tid) {
        self.queue.retain(|waiting| waiting.notification.tid != tid);
        let Some(mm) = self.threads.get(tid).map(|thread| thread.mm) else { return };
        if self.threads.memory_mut(mm).is_some_and(|memory| memory.turns.is_outside(tid)) {
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
        let mut over: Vec<MmId> = self.queue.iter().map(|waiting| waiting.mm).collect();
        over.dedup();
        for mm in over {
            if let Some(memory) = self.threads.memory_mut(mm)
                && memory.turns.inside.take_if(|inside| inside.until_ns <= now_ns).is_some()
            {
                self.next_in_queue(mm);
            }
        }
    }
}

/// Whether a thread may be inside a memory call: it runs, or it waits there.
fn may_be_inside(tid: Tid) -> bool {
    match fs::read(format!("/proc/{tid}/syscall")).unwrap_or_default().as_slice() {
        b"running\n" => true,
        waiting => is_memory_call(waiting),
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

#[cfg(test)]
mod tests {
    use super::*;

    const A: Tid = Tid(1);
    const B: Tid = Tid(2);
    const MS: u64 = 1_000_000;

    #[test]
    fn who_is_alone_for_a_while_takes_no_turns() {
        let mut turns = MemoryTurns::default();
        for no in 0..10 {
            assert_eq!(turns.turn(A, no * MS / 10, |_| true), Turn::None);
        }
        // A's last call may not be over yet, then it is.
        assert_eq!(turns.turn(B, MS, |_| true), Turn::Later);
        assert!(!turns.is_outside(B) && turns.is_outside(A));
        assert_eq!(turns.turn(B, MS, |_| false), Turn::Taken);
        assert_eq!(turns.turn(A, 2 * MS, |_| panic!("long over")), Turn::Taken);
        assert_eq!(turns.turn(A, 5 * MS, |_| panic!("its own")), Turn::Taken);
        assert_eq!(turns.turn(A, 7 * MS, |_| panic!("its own")), Turn::None);
    }

    #[test]
    fn turns_are_a_share_of_the_time() {
        let mut turns = MemoryTurns::default();
        let at = |no: u64| no * 10_000;
        let taken = (1..5000).filter(|no| {
            let tid = if no % 2 == 0 { A } else { B };
            turns.turn(tid, at(*no), |_| false) == Turn::Taken
        });
        assert_eq!(taken.count(), TURNS_MAX as usize);
    }
}
