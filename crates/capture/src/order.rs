//! One order of time out of two streams: what the tracer saw, and what the kernel left in its rings.

use std::collections::{HashMap, VecDeque};

use abi::Tid;
use recording::{Body, Event, MmId, TimeNs};

use crate::faults::{FaultWatch, Seen};
use crate::stack_table::StackTable;

/// Holds events back until nothing older can come, then hands them on in order.
#[derive(Debug)]
pub(crate) struct Order {
    watch: Option<FaultWatch>,
    stacks: StackTable,
    /// What the tracer saw and is not handed on yet, in order.
    waiting: VecDeque<Event>,
    /// The memory of each thread at the moment that was handed on last.
    memory_of: HashMap<Tid, MmId>,
}

impl Order {
    pub(crate) fn new(watch: Option<FaultWatch>) -> Self {
        Self { watch, stacks: StackTable::default(), waiting: VecDeque::new(), memory_of: HashMap::new() }
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
            let Seen { time, tid, body, .. } = one;
            let mm = match body {
                Body::Fault(_) | Body::Mapped(_) => self.memory_of.get(&tid).copied(),
                _ => Some(MmId(0)),
            };
            // Of a thread that is not known yet or no more: before its first exec, or in its last moments.
            if let Some(mm) = mm {
                out.push(Event { time, tid, mm, body });
            }
        }
        self.hand_on(until, out);
    }

    /// Hands on the tracer's events before a moment.
    fn hand_on(&mut self, before: TimeNs, out: &mut Vec<Event>) {
        while let Some(event) = self.waiting.pop_front_if(|event| event.time < before) {
            match &event.body {
                Body::Spawn(spawn) => {
                    self.memory_of.insert(spawn.child, spawn.child_mm);
                }
                Body::Exec(exec) => {
                    self.memory_of.remove(&exec.former_tid);
                    self.memory_of.insert(event.tid, event.mm);
                }
                Body::Exit { .. } => {
                    self.memory_of.remove(&event.tid);
                }
                _ => {}
            }
            out.push(event);
        }
    }
}
