//! One order of time out of two streams: what the tracer saw, and what the kernel left in its rings.

use std::collections::{HashMap, VecDeque};

use abi::{Pid, Tid};
use recording::{Body, Event, FaultEvent, MmId, TimeNs};

use crate::faults::{FaultWatch, Memory, Seen};
use crate::hash::NumberMap;
use crate::stack_table::StackTable;

/// Holds events back until nothing older can come, then hands them on in order.
#[derive(Debug)]
pub(crate) struct Order {
    watch: Option<FaultWatch>,
    stacks: StackTable,
    /// What the tracer saw and is not handed on yet, in order.
    waiting: VecDeque<Event>,
    /// The memory of each thread at the moment that was handed on last.
    memory_of: NumberMap<Tid, MmId>,
    /// Processes inside an exec, with the faults they have taken there.
    executing: HashMap<Pid, Vec<FaultEvent>>,
}

impl Order {
    pub(crate) fn new(watch: Option<FaultWatch>) -> Self {
        Self {
            watch,
            stacks: StackTable::default(),
            waiting: VecDeque::new(),
            memory_of: NumberMap::default(),
            executing: HashMap::new(),
        }
    }

    pub(crate) fn watch(&self) -> Option<&FaultWatch> {
        self.watch.as_ref()
    }

    /// Takes an event of the tracer's; their times ascend.
    pub(crate) fn take(&mut self, event: Event, out: &mut Vec<Event>) {
        if self.watch.is_some() { self.waiting.push_back(event) } else { out.push(event) }
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
            out.push(Event { time, tid, mm, body });
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
            out.push(event);
            out.extend(inside.into_iter().map(|fault| Event { time, tid, mm, body: Body::Fault(fault) }));
        }
    }
}

#[cfg(test)]
mod tests {
    use abi::{AddrRange, FileId, FileOff, Prot, VirtAddr};
    use recording::{ExecEvent, FaultAccess, FaultMode, MappedEvent, SpawnEvent, SpawnKind};

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
        let mut order = Order::new(None);
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
}
