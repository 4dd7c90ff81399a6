//! The processes of a program, each memory with its twin beside it: what watches a traced run.

use std::collections::HashMap;
use std::io;

use abi::{Pid, Resource, Tid};
use capture::{At, Observer, Order};
use recording::{
    Body, CallEvent, CallInput, CallResult, Event, ExecEvent, Header, MmId, Reason, SpawnEvent, SpawnKind,
    UnmodelledEvent, UnmodelledWhy,
};
use timeline::twin::Shared;

use super::descriptions::Descriptions;
use super::found::{Divergence, Found};
use super::memory::{Caller, Company, Every, Known, Memory, UnderWay};

/// Watches a program: its memories with their twins.
pub struct Program {
    shared: Shared,
    every: Every,
    memories: HashMap<MmId, Beside>,
    /// Processes and threads that live: whose memory they have.
    threads: HashMap<Tid, (Pid, MmId)>,
    found: Found,
    kernel: String,
}

/// A memory and what is under way in it.
struct Beside {
    memory: Memory,
    descriptions: Descriptions,
    under_way: HashMap<Tid, UnderWay>,
}

impl Program {
    /// Begins with the facts about machine and run.
    pub fn new(header: &Header, every: Every) -> Self {
        Self {
            shared: Shared::new(header),
            every,
            memories: HashMap::new(),
            threads: HashMap::new(),
            found: Found::default(),
            kernel: header.machine.kernel.clone(),
        }
    }

    fn threads_in(&self, mm: MmId) -> usize {
        self.threads.values().filter(|(_, of)| *of == mm).count()
    }

    fn caller(&self, pid: Pid, tid: Tid, mm: MmId) -> Caller {
        let company = if self.threads_in(mm) > 1 { Company::Others } else { Company::Alone };
        Caller { pid, tid, company }
    }

    fn exec(&mut self, tid: Tid, mm: MmId, exec: &ExecEvent) -> io::Result<()> {
        let is_new = !self.threads.values().any(|(pid, _)| *pid == exec.pid);
        self.found.processes += u64::from(is_new);
        self.found.threads += u64::from(is_new);
        self.threads.retain(|_, (pid, _)| *pid != exec.pid);
        self.threads.insert(tid, (exec.pid, mm));
        self.drop_unused(exec.former_mm);
        if exec.foreign_arch {
            return Ok(());
        }
        let limits = Resource::OF_MEMORY
            .into_iter()
            .filter_map(|resource| Some((resource, sys::process::limit(exec.pid, resource).ok()?)))
            .collect();
        let memory = Memory::adopt(&mut self.shared, mm, exec.pid, Some(exec), &limits)?;
        for name in ["layout bases", "start of brk", "stack top"] {
            self.found.input(name, 1);
        }
        let descriptions = Descriptions::default();
        self.memories.insert(mm, Beside { memory, descriptions, under_way: HashMap::new() });
        Ok(())
    }

    fn spawn(&mut self, tid: Tid, mm: MmId, spawn: &SpawnEvent) -> io::Result<()> {
        self.found.threads += 1;
        if spawn.kind != SpawnKind::Thread {
            self.found.processes += 1;
        }
        self.threads.insert(spawn.child, (spawn.child_pid, spawn.child_mm));
        if spawn.kind != SpawnKind::Fork {
            return Ok(());
        }
        let caller = self.caller(spawn.child_pid, spawn.child, spawn.child_mm);
        let Some(parent) = self.memories.get_mut(&mm) else { return Ok(()) };
        parent.memory.enter(&mut self.shared, &mut self.found)?;
        let fork = parent.memory.fork(&mut self.shared, spawn.child_mm, spawn.child_pid)?;
        let Some(memory) = fork else {
            let at_call = self.found.calls;
            let pid = self.threads.get(&tid).map_or(Pid(tid.0), |(pid, _)| *pid);
            let lost = Divergence {
                pid,
                tid,
                at_call,
                call: None,
                twin: None,
                kernel: None,
                maps: Vec::new(),
                program: None,
            };
            self.found.diverge(lost);
            return Ok(());
        };
        let descriptions = parent.descriptions.fork();
        let mut child = Beside { memory, descriptions, under_way: HashMap::new() };
        child.memory.check_whole(&mut self.shared, &mut self.found, caller, &[])?;
        self.memories.insert(spawn.child_mm, child);
        Ok(())
    }

    fn exit(&mut self, tid: Tid) {
        if let Some((_, mm)) = self.threads.remove(&tid) {
            self.drop_unused(mm);
        }
    }

    fn drop_unused(&mut self, mm: MmId) {
        if self.threads_in(mm) == 0
            && let Some(beside) = self.memories.remove(&mm)
        {
            beside.memory.end(&mut self.shared);
        }
    }

    fn unmodelled(&mut self, mm: MmId, event: UnmodelledEvent) -> io::Result<()> {
        // A filter of the program's own that answers a call keeps it from the kernel: memory stays as it is.
        if event.why == UnmodelledWhy::OwnFilter {
            return Ok(());
        }
        let name = format!("{} ({:?})", event.nr, event.why);
        *self.found.unmodelled.entry(name).or_default() += 1;
        match self.memories.get_mut(&mm) {
            Some(beside) => beside.memory.take_over(&mut self.shared),
            None => Ok(()),
        }
    }

    fn enter(&mut self, at: At, event: &CallEvent) -> io::Result<()> {
        self.found.calls += 1;
        if let Ok(caps) = sys::process::effective_capabilities(at.tid) {
            self.shared.set_capabilities(caps);
        }
        let Some(beside) = self.memories.get_mut(&at.mm) else { return Ok(()) };
        beside.memory.enter(&mut self.shared, &mut self.found)?;
        let mut input = event.input.clone();
        if let CallInput::File(file) = &mut input {
            self.shared.set_file_size(file.id, file.bytes);
            if let Some(fd) = descriptor(event) {
                file.description = beside.descriptions.identify(at.pid, fd, file.id);
            }
        }
        beside.descriptions.let_go(beside.memory.gone_after(event.call));
        beside.under_way.insert(at.tid, UnderWay { call: event.call, input });
        Ok(())
    }

    fn leave(&mut self, at: At, event: &CallEvent) -> io::Result<()> {
        let CallResult::Seen(kernel) = event.result else { return Ok(()) };
        let mut caller = self.caller(at.pid, at.tid, at.mm);
        if at.order == Order::Uncertain {
            caller.company = Company::Others;
        }
        let Some(beside) = self.memories.get_mut(&at.mm) else { return Ok(()) };
        let Some(done) = beside.under_way.remove(&at.tid) else { return Ok(()) };
        beside.memory.leave(&mut self.shared, &mut self.found, caller, &done, kernel, self.every)
    }

    /// A process that vanishes while it is looked at says so by an error; that is no difference.
    fn note(&mut self, what: &'static str, result: io::Result<()>) {
        if result.is_err() {
            self.found.input(what, 1);
        }
    }
}

fn descriptor(event: &CallEvent) -> Option<abi::Fd> {
    match event.call {
        abi::Call::Mmap { fd, .. } => Some(fd),
        _ => None,
    }
}

impl Observer for Program {
    fn event(&mut self, event: Event) {
        let Event { time: _, tid, mm, body } = event;
        let result = match body {
            Body::Exec(exec) => self.exec(tid, mm, &exec),
            Body::Spawn(spawn) => self.spawn(tid, mm, &spawn),
            Body::Unmodelled(event) => self.unmodelled(mm, event),
            Body::Checkpoint(checkpoint) if checkpoint.reason == Reason::Exit => {
                let pid = self.threads.get(&tid).map_or(Pid(tid.0), |(pid, _)| *pid);
                let caller = self.caller(pid, tid, mm);
                match self.memories.get_mut(&mm) {
                    Some(beside) => {
                        let cut_off: Vec<UnderWay> = beside.under_way.drain().map(|(_, call)| call).collect();
                        beside.memory.check_whole(&mut self.shared, &mut self.found, caller, &cut_off)
                    }
                    None => Ok(()),
                }
            }
            Body::Limit { resource, limit } => {
                if let Some(beside) = self.memories.get_mut(&mm)
                    && beside.memory.set_limit(resource, limit) == Known::No
                {
                    self.found.input("limit set from outside", 1);
                }
                Ok(())
            }
            Body::Exit { .. } => {
                self.exit(tid);
                Ok(())
            }
            _ => Ok(()),
        };
        self.note("a process that ended while it was looked at", result);
    }

    fn entered(&mut self, at: At, call: &CallEvent) {
        let result = self.enter(at, call);
        self.note("a process that ended while it was looked at", result);
    }

    fn left(&mut self, at: At, call: &CallEvent) {
        let result = self.leave(at, call);
        self.note("a process that ended while it was looked at", result);
    }

    fn finished(&mut self) -> Vec<u8> {
        super::json::report(&self.kernel, &self.found)
    }
}
