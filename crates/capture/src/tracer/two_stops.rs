//! Memory calls that stop the thread at entry and at exit, and forks, which copy a memory between the two.

use std::collections::{HashMap, VecDeque};

use abi::Tid;
use recording::{Body, CallEvent, CallResult, LossSource, MmId};
use sys::ptrace::{self, SyscallStop, Until};

use super::Tracer;
use super::calls::{Meaning, Raw};
use super::spawn_flags::SpawnFlags;
use crate::input;
use crate::observer::{At, Leaving, Observer, Order};

/// Nobody waits longer for another thread's call: it may itself wait for what the waiting thread would do.
pub(super) const WAIT_NS_MAX: u64 = 100_000_000;

/// `-ENOSYS`, which the kernel puts into the result before it makes a call (`arch/x86/entry/entry_64.S`).
const NOT_MADE: i64 = -38;

/// Whether the threads of a memory take turns at memory calls (only where results are seen).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turns {
    /// One at a time, for as long as nobody has to wait too long.
    Taken,
    /// As they come.
    Free,
}

/// Who stands inside a call, and who waits for a turn.
#[derive(Debug)]
pub(super) struct TwoStops {
    turns: Turns,
    inside: HashMap<Tid, Inside>,
    waiting: VecDeque<Waiting>,
    /// When somebody was let into a memory that is busy, or came out, last.
    moved_ns: HashMap<MmId, u64>,
}

#[derive(Debug)]
struct Inside {
    mm: MmId,
    order: Order,
    what: What,
}

/// What a thread is inside of.
#[derive(Debug)]
enum What {
    Call(CallEvent),
    /// A call that is not modelled. What it does to memory is there when it is over.
    Unmodelled(Body),
    /// Its memory is being copied.
    Fork,
}

#[derive(Debug)]
struct Waiting {
    tid: Tid,
    mm: MmId,
    since_ns: u64,
    raw: Raw,
}

impl TwoStops {
    pub(super) fn new(turns: Turns) -> Self {
        Self { turns, inside: HashMap::new(), waiting: VecDeque::new(), moved_ns: HashMap::new() }
    }

    fn is_busy(&self, mm: MmId) -> bool {
        self.inside.values().any(|inside| inside.mm == mm)
    }
}

impl<O: Observer> Tracer<O> {
    /// Threads known to be inside a call of this memory.
    pub(super) fn inside_calls(&self, mm: MmId) -> impl Iterator<Item = Tid> {
        let inside = self.two_stops.inside.iter();
        let is_call = move |inside: &Inside| inside.mm == mm && !matches!(inside.what, What::Fork);
        inside.filter(move |(_, inside)| is_call(inside)).map(|(tid, _)| *tid)
    }

    /// The filter has stopped a thread before its call.
    pub(super) fn stands_before_call(&mut self, tid: Tid) {
        let mm = self.threads.get(tid).map(|thread| thread.mm).filter(|mm| self.threads.is_recorded(*mm));
        let (Some(mm), Ok(SyscallStop::Entry { arch, nr, args })) = (mm, ptrace::syscall_stop(tid)) else {
            self.go_on(tid, 0);
            return;
        };
        let raw = Raw { arch, nr: nr as u32, args };
        if let Some(flags) = SpawnFlags::of(tid, raw) {
            if flags.copy_memory() {
                self.wait_or_enter(tid, mm, raw);
            } else {
                self.begin_spawn(tid, flags);
                // Until the child is told, or the call has failed. Killed meanwhile: its end is told by the next wait.
                let _ = ptrace::resume(tid, Until::Syscall, 0);
            }
            return;
        }
        match raw.meaning() {
            Meaning::Nothing => self.go_on(tid, 0),
            Meaning::Unmodelled(_) | Meaning::Memory(_) | Meaning::Exec => self.wait_or_enter(tid, mm, raw),
        }
    }

    fn wait_or_enter(&mut self, tid: Tid, mm: MmId, raw: Raw) {
        let waiting = Waiting { tid, mm, since_ns: sys::clock::monotonic_ns(), raw };
        if self.two_stops.turns == Turns::Taken && self.two_stops.is_busy(mm) {
            self.two_stops.waiting.push_back(waiting);
        } else {
            self.enter(&waiting);
        }
    }

    fn enter(&mut self, waiting: &Waiting) {
        let Waiting { tid, mm, raw, .. } = *waiting;
        // One that was killed while it waited stands before its end by now, which is told by the next wait.
        if !matches!(ptrace::syscall_stop(tid), Ok(SyscallStop::Entry { .. })) {
            return;
        }
        if raw.meaning() == Meaning::Exec {
            self.observer.leaves(tid, mm, Leaving::Exec);
            self.go_on(tid, 0);
            return;
        }
        let order = if self.two_stops.is_busy(mm) { Order::Uncertain } else { Order::Alone };
        if order == Order::Uncertain {
            self.two_stops.inside.values_mut().filter(|other| other.mm == mm).for_each(|other| {
                other.order = Order::Uncertain;
            });
        }
        let Some(pid) = self.threads.get(tid).map(|thread| thread.pid) else { return };
        let at = At { tid, pid, mm, order };
        let what = if let Some(flags) = SpawnFlags::of(tid, raw) {
            self.begin_spawn(tid, flags);
            self.observer.forking(at);
            What::Fork
        } else {
            match raw.meaning() {
                Meaning::Memory(call) => {
                    // Read now and not when the thread came: what another call has changed meanwhile counts.
                    let input = input::read(tid, call, &self.threads, &mut self.mounts);
                    let call = CallEvent { call, result: CallResult::Unseen, input, stack: None };
                    self.observer.entered(at, &call);
                    if let Some(memory) = self.threads.memory_mut(mm) {
                        memory.calls += 1;
                    }
                    What::Call(call)
                }
                Meaning::Unmodelled(why) => {
                    let body = raw.unmodelled(why);
                    self.count_call(tid, mm, sys::clock::monotonic_ns(), &body);
                    What::Unmodelled(body)
                }
                Meaning::Nothing | Meaning::Exec => {
                    self.observer.forking(at);
                    What::Fork
                }
            }
        };
        if ptrace::resume(tid, Until::Syscall, 0).is_ok() {
            self.two_stops.inside.insert(tid, Inside { mm, order, what });
            self.two_stops.moved_ns.insert(mm, sys::clock::monotonic_ns());
        }
    }

    /// A thread stands behind its call.
    pub(super) fn stands_behind_call(&mut self, tid: Tid) {
        // If it was to make a thread, that has failed.
        self.put_back(tid);
        let Some(Inside { mm, order, what }) = self.two_stops.inside.remove(&tid) else {
            self.go_on(tid, 0);
            return;
        };
        match what {
            What::Call(mut call) => {
                if let Ok(SyscallStop::Exit { result }) = ptrace::syscall_stop(tid) {
                    call.result = CallResult::Seen(result);
                }
                if let Some(pid) = self.threads.get(tid).map(|thread| thread.pid) {
                    self.observer.left(At { tid, pid, mm, order }, &call);
                }
                self.emit(tid, mm, Body::Call(call));
            }
            What::Unmodelled(body) => self.emit(tid, mm, body),
            // With a child it would have been told already.
            What::Fork => self.observer.fork_failed(tid, mm),
        }
        self.go_on(tid, 0);
        self.next_turn(mm);
    }

    /// A thread ends, whatever it stood in or waited for; `result` is what its call answered, if that is known.
    pub(super) fn end_call(&mut self, tid: Tid, result: Option<i64>) {
        self.two_stops.waiting.retain(|waiting| waiting.tid != tid);
        if let Some(Inside { mm, what, .. }) = self.two_stops.inside.remove(&tid) {
            match (what, result) {
                // What stands there until a call is made: it was not.
                (What::Fork, _) | (What::Call(_), Some(NOT_MADE)) => {}
                (What::Unmodelled(body), _) => self.emit(tid, mm, body),
                (What::Call(mut call), Some(result)) => {
                    call.result = CallResult::Seen(result);
                    self.emit(tid, mm, Body::Call(call));
                }
                // It was let go after it had been killed, and its last stop with it.
                (What::Call(_), None) => {
                    self.emit(tid, mm, Body::Lost { source: LossSource::Calls, count: 1 });
                }
            }
            self.next_turn(mm);
        }
    }

    /// A thread will not make the call that it waits to make, nor need its registers be as they were.
    pub(super) fn forget_waiting(&mut self, tid: Tid) {
        self.two_stops.waiting.retain(|waiting| waiting.tid != tid);
        self.spawn_flags.remove(&tid);
    }

    /// A thread that was about to copy its memory has done so, or never will.
    pub(super) fn end_fork(&mut self, tid: Tid) {
        let inside = &mut self.two_stops.inside;
        if inside.get(&tid).is_some_and(|inside| matches!(inside.what, What::Fork))
            && let Some(Inside { mm, .. }) = inside.remove(&tid)
        {
            self.next_turn(mm);
        }
    }

    fn next_turn(&mut self, mm: MmId) {
        if self.two_stops.is_busy(mm) {
            self.two_stops.moved_ns.insert(mm, sys::clock::monotonic_ns());
            return;
        }
        self.two_stops.moved_ns.remove(&mm);
        // An exec keeps nobody out.
        while !self.two_stops.is_busy(mm)
            && let Some(at) = self.two_stops.waiting.iter().position(|waiting| waiting.mm == mm)
            && let Some(waiting) = self.two_stops.waiting.remove(at)
        {
            self.enter(&waiting);
        }
    }

    /// Lets threads go that have waited too long for one and the same call: many that take their turns, on a busy machine,
    /// hold nobody up.
    pub(super) fn let_waiting_go(&mut self, now_ns: u64) {
        let TwoStops { waiting, moved_ns, .. } = &mut self.two_stops;
        let waits_since =
            |one: &Waiting| moved_ns.get(&one.mm).map_or(one.since_ns, |moved| one.since_ns.max(*moved));
        let too_long = |one: &Waiting| now_ns.saturating_sub(waits_since(one)) > WAIT_NS_MAX;
        let (over, rest): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(waiting).into_iter().partition(too_long);
        *waiting = rest;
        over.iter().for_each(|one| self.enter(one));
    }
}
