//! One order of time out of two streams: what the tracer saw, and what the kernel left in its rings.

mod held;

use std::collections::{HashMap, VecDeque};

use abi::{Pid, Tid};
use foldhash::HashMap as QuickMap;
use recording::{Body, Event, FaultEvent, MmId, TimeNs};

use crate::faults::{FaultWatch, Memory, Seen};
use crate::stack_table::StackTable;
use crate::stacks::StackCopies;
use held::HeldCalls;

/// Holds events back until nothing older can come, then hands them on in order.
#[derive(Debug)]
pub(crate) struct Order {
    watch: Option<FaultWatch>,
    stacks: StackTable,
    /// What the tracer saw and is not handed on yet, in order.
    waiting: VecDeque<Event>,
    /// The memory of each thread at the moment that was handed on last.
    memory_of: QuickMap<Tid, MmId>,
    /// Processes inside an exec, with the faults they have taken there.
    executing: HashMap<Pid, Vec<FaultEvent>>,
    /// Calls that are handed on when the kernel tells that they are done.
    held: HeldCalls,
}

impl Order {
    /// `copies` holds the stacks of the calls that the tracer sees.
    pub(crate) fn new(watch: Option<FaultWatch>, copies: Option<StackCopies>) -> Self {
        Self {
            watch,
            stacks: StackTable::default(),
            waiting: VecDeque::new(),
            memory_of: QuickMap::default(),
            executing: HashMap::new(),
            held: HeldCalls::with_copies(copies),
        }
    }

    pub(crate) fn watch(&self) -> Option<&FaultWatch> {
        self.watch.as_ref()
    }

    /// Takes an event of the tracer's; their times ascend.
    pub(crate) fn take(&mut self, event: Event, out: &mut Vec<Event>) {
        let Some(watch) = &mut self.watch else {
            out.push(event);
            return;
        };
        if let Body::Spawn(_) = event.body {
            watch.see_birth();
        }
        self.waiting.push_back(event);
    }

    /// Hands on what is complete.
    pub(crate) fn round(&mut self, out: &mut Vec<Event>) {
        let Some(watch) = &mut self.watch else { return };
        // What this round hands on is older than the round before.
        let until = watch.horizon();
        let mut seen = Vec::new();
        watch.drain(&mut self.stacks, |one| seen.push(one));
        self.merge(seen, until, out);
    }

    /// Hands on everything. Faults are not watched any more.
    pub(crate) fn finish(&mut self, out: &mut Vec<Event>) {
        let Some(mut watch) = self.watch.take() else { return };
        let mut seen = Vec::new();
        watch.finish(&mut self.stacks, |one| seen.push(one));
        self.merge(seen, TimeNs(u64::MAX), out);
        self.held.finish(out);
    }

    fn merge(&mut self, seen: Vec<Seen>, until: TimeNs, out: &mut Vec<Event>) {
        let stacks = self.stacks.take_new().map(Body::Stack);
        let first = seen.first().map_or(until, |first| first.time);
        out.extend(stacks.map(|body| Event { time: first, tid: Tid(0), mm: MmId(0), body }));
        for one in seen {
            self.hand_on(one.time, out);
            self.place(one, out);
        }
        self.hand_on(until, out);
    }

    /// Hands on what the kernel told, with the memory that it is about.
    fn place(&mut self, one: Seen, out: &mut Vec<Event>) {
        let Seen { time, pid, tid, body, memory } = one;
        if memory == Memory::New {
            self.executing.entry(pid).or_default();
        }
        if let Some(faults) = self.executing.get_mut(&pid) {
            // The exec itself tells map and name; its faults are in the new memory, which has no number yet.
            if let Body::Fault(fault) = body {
                faults.push(fault);
            }
            return;
        }
        let mm = match body {
            Body::Fault(_) | Body::Mapped(_) | Body::ThreadName(_) => self.memory_of.get(&tid).copied(),
            _ => Some(MmId(0)),
        };
        // Of a thread that is not known yet or no more: before its first exec, or in its last moments.
        if let Some(mm) = mm {
            self.held.see(Event { time, tid, mm, body }, &self.memory_of, out);
        }
    }

    /// Hands on the tracer's events before a moment.
    fn hand_on(&mut self, before: TimeNs, out: &mut Vec<Event>) {
        while let Some(event) = self.waiting.pop_front_if(|event| event.time < before) {
            let mut inside = Vec::new();
            match &event.body {
                Body::Spawn(spawn) => {
                    self.memory_of.insert(spawn.child, spawn.child_mm);
                }
                Body::Exec(exec) => {
                    self.memory_of.remove(&exec.former_tid);
                    self.memory_of.insert(event.tid, event.mm);
                    inside = self.executing.remove(&exec.pid).unwrap_or_default();
                }
                Body::Exit { .. } => {
                    self.memory_of.remove(&event.tid);
                    self.executing.remove(&Pid(event.tid.0));
                }
                _ => {}
            }
            let Event { time, tid, mm, .. } = event;
            self.held.see(event, &self.memory_of, out);
            out.extend(inside.into_iter().map(|fault| Event { time, tid, mm, body: Body::Fault(fault) }));
        }
    }
}

#[cfg(test)]
mod tests {
    use abi::{AddrRange, Call, Fd, FileId, FileOff, MapFlags, Prot, VirtAddr};
    use recording::{
        CallEvent, CallInput, CallResult, Checkpoint, Counters, ExecEvent, FaultAccess, FaultMode,
        MappedEvent, Reason, SpawnEvent, SpawnKind,
    };

    use super::*;

    fn fault() -> Body {
        let mode = FaultMode::User;
        Body::Fault(FaultEvent {
            addr: VirtAddr(8),
            ip: VirtAddr(16),
            mode,
            access: FaultAccess::Unknown,
            stack: None,
        })
    }

    fn mapped() -> Body {
        Body::Mapped(MappedEvent {
            range: AddrRange::new(VirtAddr(0), VirtAddr(4096)),
            prot: Prot::RW,
            shared: false,
            offset: FileOff(0),
            file: FileId::default(),
            name: [].into(),
        })
    }

    fn seen(time: u64, pid: i32, body: Body, memory: Memory) -> Seen {
        Seen { time: TimeNs(time), pid: Pid(pid), tid: Tid(pid), body, memory }
    }

    fn exec(time: u64, pid: i32, mm: u32) -> Event {
        let exec = ExecEvent {
            pid: Pid(pid),
            former_tid: Tid(pid),
            former_mm: MmId(0),
            path: [].into(),
            argv: [].into(),
            auxv: [].into(),
            start_brk: None,
            start_stack: None,
            segments: None,
            personality: 0,
            foreign_arch: false,
        };
        Event { time: TimeNs(time), tid: Tid(pid), mm: MmId(mm), body: Body::Exec(exec) }
    }

    /// A parent has memory 1; its `vfork` child borrows that, then executes and has memory 2. What the kernel tells
    /// from inside the exec must not be laid to the parent's memory.
    #[test]
    fn what_happens_inside_an_exec_is_not_the_former_memorys() {
        let mut order = Order::new(None, None);
        let spawn =
            SpawnEvent { child: Tid(20), child_pid: Pid(20), child_mm: MmId(1), kind: SpawnKind::Vfork };
        order.waiting.push_back(exec(10, 10, 1));
        order.waiting.push_back(Event {
            time: TimeNs(20),
            tid: Tid(10),
            mm: MmId(1),
            body: Body::Spawn(spawn),
        });
        order.waiting.push_back(exec(60, 20, 2));
        let told = vec![
            seen(15, 10, fault(), Memory::Same),
            seen(30, 20, fault(), Memory::Same),
            seen(40, 20, Body::ThreadName([].into()), Memory::New),
            seen(45, 20, mapped(), Memory::Same),
            seen(50, 20, fault(), Memory::Same),
            seen(70, 20, mapped(), Memory::Same),
            seen(80, 99, fault(), Memory::Same),
        ];
        let mut out = Vec::new();
        order.merge(told, TimeNs(100), &mut out);
        let got: Vec<(u64, u32, &str)> = out
            .iter()
            .map(|event| {
                let what = match event.body {
                    Body::Exec(_) => "exec",
                    Body::Spawn(_) => "spawn",
                    Body::Fault(_) => "fault",
                    Body::Mapped(_) => "mapped",
                    _ => "other",
                };
                (event.time.0, event.mm.0, what)
            })
            .collect();
        let expected = [
            (10, 1, "exec"),
            (15, 1, "fault"),
            (20, 1, "spawn"),
            (30, 1, "fault"),
            (60, 2, "exec"),
            (60, 2, "fault"),
            (70, 2, "mapped"),
        ];
        assert_eq!(got, expected);
    }

    fn call(time: u64, tid: i32, call: Call) -> Event {
        let call = CallEvent { call, result: CallResult::Unseen, input: CallInput::None, stack: None };
        Event { time: TimeNs(time), tid: Tid(tid), mm: MmId(1), body: Body::Call(call) }
    }

    fn munmap(time: u64, tid: i32, addr: u64, len: u64) -> Event {
        call(time, tid, Call::Munmap { addr: VirtAddr(addr), len })
    }

    fn mmap(time: u64, tid: i32) -> Event {
        let (addr, len, offset) = (VirtAddr(0), 4096, 0);
        let (prot, flags) = (Prot::RW, MapFlags::PRIVATE | MapFlags::ANONYMOUS);
        call(time, tid, Call::Mmap { addr, len, prot, flags, fd: Fd(-1), offset })
    }

    fn thread(time: u64, tid: i32, child: i32) -> Event {
        let kind = SpawnKind::Thread;
        let spawn = SpawnEvent { child: Tid(child), child_pid: Pid(10), child_mm: MmId(1), kind };
        Event { time: TimeNs(time), tid: Tid(tid), mm: MmId(1), body: Body::Spawn(spawn) }
    }

    fn checkpoint(time: u64, tid: i32) -> Event {
        let checkpoint = Checkpoint {
            reason: Reason::Growth,
            maps: [].into(),
            pages: None,
            counters: Counters::default(),
            in_flight: [Tid(tid)].into(),
        };
        Event { time: TimeNs(time), tid: Tid(tid), mm: MmId(1), body: Body::Checkpoint(Box::new(checkpoint)) }
    }

    /// What was handed on: time, thread, kind.
    fn handed_on(waiting: Vec<Event>, told: Vec<Seen>, until: u64) -> Vec<(u64, i32, &'static str)> {
        let mut order = Order::new(None, None);
        order.waiting.extend(waiting);
        let mut out = Vec::new();
        order.merge(told, TimeNs(until), &mut out);
        let what = |event: Event| {
            let kind = match event.body {
                Body::Call(CallEvent { call: Call::Munmap { .. }, .. }) => "munmap",
                Body::Call(_) => "call",
                Body::Mapped(_) => "mapped",
                Body::Fault(_) => "fault",
                Body::Checkpoint(_) => "checkpoint",
                _ => return None,
            };
            Some((event.time.0, event.tid.0, kind))
        };
        out.into_iter().filter_map(what).collect()
    }

    #[test]
    fn calls_at_the_same_time_stand_as_the_kernel_did_them() {
        let waiting = vec![exec(10, 10, 1), thread(20, 10, 11), mmap(30, 10), mmap(40, 11)];
        let told = vec![seen(50, 11, mapped(), Memory::Same), seen(60, 10, mapped(), Memory::Same)];
        let expected = [(40, 11, "call"), (50, 11, "mapped"), (50, 10, "call"), (60, 10, "mapped")];
        assert_eq!(handed_on(waiting, told, 100), expected);
    }

    #[test]
    fn a_call_that_is_not_done_stands_behind_the_checkpoint() {
        let waiting =
            vec![exec(10, 10, 1), thread(20, 10, 11), mmap(30, 10), checkpoint(40, 11), mmap(70, 11)];
        let told = vec![seen(60, 10, mapped(), Memory::Same), seen(80, 11, fault(), Memory::Same)];
        let expected = [
            (40, 11, "checkpoint"),
            (40, 10, "call"),
            (60, 10, "mapped"),
            // Refused: the kernel told nothing of it.
            (70, 11, "call"),
            (80, 11, "fault"),
        ];
        assert_eq!(handed_on(waiting, told, 100), expected);
    }

    /// The page that others' mappings lie in is the first.
    #[test]
    fn room_is_made_before_it_is_taken_and_not_before_it_must_be() {
        let (far, here) = (0x10_0000, 0);
        let waiting = |addr| {
            let (first, second) = (mmap(40, 11), mmap(60, 11));
            vec![exec(10, 10, 1), thread(20, 10, 11), munmap(30, 10, addr, 4096), first, second]
        };
        let mapped = |time| seen(time, 11, mapped(), Memory::Same);
        let told = || vec![mapped(50), mapped(70), seen(80, 10, fault(), Memory::Same)];
        let taken = [
            (30, 10, "munmap"),
            (40, 11, "call"),
            (50, 11, "mapped"),
            (60, 11, "call"),
            (70, 11, "mapped"),
            (80, 10, "fault"),
        ];
        assert_eq!(handed_on(waiting(here), told(), 100), taken);
        let later = [
            (40, 11, "call"),
            (50, 11, "mapped"),
            (60, 11, "call"),
            (70, 11, "mapped"),
            (70, 10, "munmap"),
            (80, 10, "fault"),
        ];
        assert_eq!(handed_on(waiting(far), told(), 100), later);
    }

    #[test]
    fn who_is_alone_waits_for_nobody() {
        let waiting = vec![exec(10, 10, 1), munmap(30, 10, 0, 4096), checkpoint(40, 99)];
        let mut order = Order::new(None, None);
        order.waiting.extend(waiting);
        let mut out = Vec::new();
        order.merge(Vec::new(), TimeNs(35), &mut out);
        assert_eq!(out.len(), 2);
    }

    #[test]
    fn no_call_waits_for_ever() {
        let second = 1_000_000_000;
        let waiting = vec![exec(10, 10, 1), mmap(30, 10), checkpoint(40 + second, 10)];
        let expected = [(30, 10, "call"), (40 + second, 10, "checkpoint")];
        assert_eq!(handed_on(waiting, Vec::new(), 2 * second), expected);
    }
}
