//! The processes of a program, each memory with its twin beside it: what watches a traced run.

use std::collections::{HashMap, HashSet};
use std::io;

use abi::{AddrRange, Errno, Pid, Resource, Tid, VirtAddr};
use capture::faults::{FaultWatch, Memory as MemorySeen};
use capture::stack_table::StackTable;
use capture::{At, Leaving, Observer, Order};
use recording::{
    Body, CallEvent, CallInput, CallResult, Event, ExecEvent, FaultEvent, FaultSource, Header, LossSource,
    MmId, SpawnEvent, SpawnKind, TimeNs, UnmodelledEvent, UnmodelledWhy,
};
use timeline::ledger::Done;
use timeline::twin::Shared;
use timeline::{pages_of, touched};

use super::descriptions::Descriptions;
use super::forks::Forks;
use super::found::{Divergence, Found};
use super::memory::{Every, Memory};
use super::pages::{Look, Pages};
use super::under_way::{Caller, Company, Ending, OpenCalls, UnderWay};

/// Watches a program: its memories with their twins.
pub struct Program {
    shared: Shared,
    every: Every,
    memories: HashMap<MmId, Beside>,
    /// Processes and threads that live: whose memory they have.
    threads: HashMap<Tid, (Pid, MmId)>,
    found: Found,
    kernel: String,
    /// Whether page states are compared too.
    pages: PagesWanted,
    /// Tells the program's faults, where they can be seen.
    watch: Option<FaultWatch>,
    /// Processes inside an exec: their faults are in a memory that has no number yet.
    executing: HashSet<Pid>,
    zero_ns: u64,
    listening: Listening,
}

/// Whether anybody waits for what is found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Listening {
    Yes,
    /// The report was asked for before all had ended.
    No,
}

/// Whether page states are compared too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PagesWanted {
    /// They are.
    Yes,
    /// They are not.
    No,
}

/// A memory and what is under way in it.
struct Beside {
    memory: Memory,
    descriptions: Descriptions,
    under_way: HashMap<Tid, UnderWay>,
    forks: Forks,
    last: LastLook,
}

/// Whether a memory was compared when nothing was to follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum LastLook {
    /// It was, or what kept it from being looked at is counted.
    Taken,
    /// Not yet.
    Due,
}

impl Beside {
    /// Closes the copies of descriptions of which a call unmaps the last mapping, unless another call is about to map it.
    fn let_go(&mut self, shared: &Shared, call: abi::Call, input: &CallInput) {
        let mut gone = self.memory.gone_after(shared, call, input);
        gone.retain(|id| self.under_way.values().all(|other| description(&other.input) != Some(*id)));
        self.descriptions.let_go(&gone);
    }

    fn new(memory: Memory, descriptions: Descriptions) -> Self {
        let (under_way, forks) = Default::default();
        Self { memory, descriptions, under_way, forks, last: LastLook::Due }
    }

    /// Where pages may come or go by calls that are not over.
    fn open_pages<'a>(
        &self,
        shared: &Shared,
        calls: impl Iterator<Item = &'a UnderWay> + Clone,
    ) -> Vec<AddrRange> {
        let mut pages = self.memory.ranges_of(shared, calls.clone());
        pages.extend(calls.flat_map(|under_way| pages_of(under_way.call, &[None, None])));
        pages
    }

    /// Nobody will see the end of calls of threads that are over: the kernel did each of these calls, or did not. Its map says
    /// which, and its word on their pages is taken.
    fn cut_off(
        &mut self,
        shared: &mut Shared,
        found: &mut Found,
        caller: Caller,
        is_over: impl Fn(Tid) -> bool,
    ) -> io::Result<()> {
        let calls: HashMap<Tid, UnderWay> = self.under_way.extract_if(|tid, _| is_over(*tid)).collect();
        if self.memory.pages.is_some() {
            let ranges = self.open_pages(shared, calls.values());
            self.memory.pages.iter_mut().for_each(|pages| pages.note_touched(&ranges));
        }
        self.memory.check_whole(shared, found, caller, OpenCalls::CutOff(&calls), &mut self.under_way)
    }
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
            pages: PagesWanted::No,
            watch: None,
            executing: HashSet::new(),
            zero_ns: 0,
            listening: Listening::Yes,
        }
    }

    /// Compares page states too. `watch` tells the program's faults; times count from `zero_ns`.
    #[must_use]
    pub fn with_pages(self, watch: Option<FaultWatch>, zero_ns: u64) -> Self {
        Self { pages: PagesWanted::Yes, watch, zero_ns, ..self }
    }

    /// Changes one rule of the twin, to see that it is found; the report says so.
    #[cfg(feature = "mutants")]
    #[must_use]
    pub fn with_defect(mut self, defect: mm::Mutation) -> Self {
        self.shared.mutate(defect);
        self.found.defect = Some(defect);
        self
    }

    fn now(&self) -> TimeNs {
        TimeNs(sys::clock::monotonic_ns().saturating_sub(self.zero_ns))
    }

    /// Takes in the faults that were told since the last time.
    fn take_faults(&mut self) {
        let Some(watch) = &mut self.watch else { return };
        let mut seen = Vec::new();
        watch.finish(&mut StackTable::default(), |one| seen.push(one));
        for one in seen {
            if one.memory == MemorySeen::New {
                self.executing.insert(one.pid);
            }
            match one.body {
                Body::Fault(fault) if !self.executing.contains(&one.pid) => {
                    self.take_fault(one.tid, one.time, &fault);
                }
                Body::Lost { .. } | Body::FaultPeriod { .. } => {
                    let all = self.memories.values_mut().filter_map(|beside| beside.memory.pages.as_mut());
                    all.for_each(Pages::note_gap);
                }
                _ => {}
            }
        }
    }

    fn take_fault(&mut self, tid: Tid, time: TimeNs, fault: &FaultEvent) {
        let beside = self.threads.get(&tid).and_then(|(_, mm)| self.memories.get_mut(mm));
        let Some(Beside { memory, under_way, .. }) = beside else { return };
        let Memory { twin, pages: Some(pages), .. } = memory else { return };
        let huge = twin.asks_huge(&self.shared, fault.addr);
        // From here on there is a page table.
        twin.note_table(fault.addr);
        if let Some(comes) = pages.fault(twin.space(), huge, (tid, time), fault) {
            under_way.iter_mut().filter(|(of, _)| **of != tid).for_each(|(_, call)| call.touch(comes));
        }
    }

    /// Holds the pages of a memory against the kernel's; `after` is the call that was just done.
    fn look(&mut self, caller: Caller, mm: MmId, after: Option<abi::Call>) -> io::Result<()> {
        let open = match self.memories.get(&mm) {
            Some(beside) if beside.memory.pages.is_some() => {
                beside.open_pages(&self.shared, beside.under_way.values())
            }
            _ => return Ok(()),
        };
        let Some(pages) = self.pages_of(mm) else { return Ok(()) };
        pages.ask(caller)?;
        self.take_faults();
        let source = self.watch.as_ref().map_or(FaultSource::Off, FaultWatch::source);
        let look = Look { caller, now: self.now(), source, open: &open };
        if let Some(Beside { memory: Memory { twin, pages: Some(pages), .. }, .. }) =
            self.memories.get_mut(&mm)
        {
            pages.hold(twin.space(), &mut self.found, look, after);
        }
        Ok(())
    }

    fn pages_of(&mut self, mm: MmId) -> Option<&mut Pages> {
        self.memories.get_mut(&mm)?.memory.pages.as_mut()
    }

    /// Applies a call to the pages, and looks at what it did; `brk` is the heap's end before it.
    fn look_after(&mut self, caller: Caller, mm: MmId, kernel: i64, brk: VirtAddr) -> io::Result<()> {
        self.take_faults();
        let (now, thp) = (self.now(), self.shared.thp());
        let Some(Beside { memory, under_way, .. }) = self.memories.get_mut(&mm) else { return Ok(()) };
        let Some(done) = under_way.remove(&caller.tid) else { return Ok(()) };
        let UnderWay { call, input, touched: meanwhile, .. } = done;
        let changed = pages_of(call, &touched(call, u64::try_from(kernel).ok(), brk));
        if let Some(pages) = &mut memory.pages {
            let ranges = match &input {
                CallInput::Ranges { target, ranges } if *target == Some(mm) => &ranges[..],
                _ => &[],
            };
            let done = Done { call, result: Errno::from_raw(kernel), brk, ranges, thp };
            pages.note_touched(&meanwhile);
            pages.call(memory.twin.space(), (caller.tid, now), done, &changed);
        }
        // Calls that are still under way there did their work before it, or do it after it.
        for other in under_way.values_mut() {
            changed.iter().for_each(|range| other.touch(*range));
        }
        // The caller stood still but for the call itself, in which the kernel may touch its memory.
        self.look(caller, mm, Some(call))
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
        self.take_faults();
        self.executing.remove(&exec.pid);
        let ended: Vec<Tid> =
            self.threads.iter().filter(|(_, (pid, _))| *pid == exec.pid).map(|(tid, _)| *tid).collect();
        ended.into_iter().for_each(|tid| self.forget(tid));
        self.shared.callers_mut().executed(tid, exec);
        self.threads.insert(tid, (exec.pid, mm));
        let inherited = self.inherited(exec.former_mm);
        self.drop_unused(exec.former_mm);
        if exec.foreign_arch {
            self.found.not_compared("a program of 32 bits", 1);
            return Ok(());
        }
        for resource in Resource::OF_MEMORY {
            if let Ok(limit) = sys::process::limit(exec.pid, resource) {
                self.shared.callers_mut().set_limit(tid, resource, limit);
            }
        }
        let limits = self.shared.callers().limits(tid);
        let mut memory = Memory::adopt(&mut self.shared, &mut self.found, mm, exec, limits, inherited)?;
        if self.pages == PagesWanted::Yes {
            memory.pages = Some(Pages::adopt(exec.pid, self.now())?);
        }
        for name in ["layout bases", "start of brk", "stack top"] {
            self.found.input(name, 1);
        }
        let descriptions = Descriptions::default();
        self.memories.insert(mm, Beside::new(memory, descriptions));
        Ok(())
    }

    fn spawn(&mut self, tid: Tid, mm: MmId, spawn: &SpawnEvent) -> io::Result<()> {
        self.found.threads += 1;
        if spawn.kind != SpawnKind::Thread {
            self.found.processes += 1;
        }
        self.threads.insert(spawn.child, (spawn.child_pid, spawn.child_mm));
        self.shared.callers_mut().spawned(tid, spawn);
        if spawn.kind != SpawnKind::Fork {
            return Ok(());
        }
        let caller = self.caller(spawn.child_pid, spawn.child, spawn.child_mm);
        self.take_faults();
        let Some(parent) = self.memories.get_mut(&mm) else { return Ok(()) };
        let states = parent.forks.end(tid);
        self.shared.set_caller(tid);
        parent.memory.enter(&mut self.shared, &mut self.found)?;
        let fork = parent.memory.fork(&mut self.shared, spawn.child_mm, spawn.child_pid)?;
        let Some(memory) = fork else {
            let at_call = self.found.calls;
            let pid = self.threads.get(&tid).map_or(Pid(tid.0), |(pid, _)| *pid);
            self.found.diverge(Divergence::of_no_call(pid, tid, at_call));
            return Ok(());
        };
        let mut descriptions = parent.descriptions.fork();
        let mut mapped = memory.descriptions();
        // A call that is under way may have mapped one already.
        mapped.extend(parent.under_way.values().filter_map(|call| description(&call.input)));
        descriptions.keep(&mapped);
        let mut child = Beside::new(memory, descriptions);
        child.memory.choose_state(&mut self.shared, &mut self.found, spawn.child_mm, states)?;
        let open = OpenCalls::UnderWay(&parent.under_way);
        child.memory.check_whole(&mut self.shared, &mut self.found, caller, open, &mut HashMap::new())?;
        if let Some(pages) = &parent.memory.pages {
            let open = parent.open_pages(&self.shared, parent.under_way.values());
            child.memory.pages = Some(pages.fork((tid, spawn.child_pid), child.memory.space(), &open)?);
        }
        self.memories.insert(spawn.child_mm, child);
        self.look(caller, spawn.child_mm, None)
    }

    /// The last thread of a memory ends: what is there now is the last that can be compared.
    fn ends(&mut self, tid: Tid, mm: MmId) -> io::Result<()> {
        let pid = self.threads.get(&tid).map_or(Pid(tid.0), |(pid, _)| *pid);
        let caller = self.caller(pid, tid, mm);
        self.take_faults();
        let Some(beside) = self.memories.get_mut(&mm) else { return Ok(()) };
        beside.last = LastLook::Taken;
        beside.cut_off(&mut self.shared, &mut self.found, caller, |_| true)?;
        if let Some(pages) = self.pages_of(mm) {
            pages.forget_others(tid);
        }
        self.look(Caller { company: Company::Alone, ..caller }, mm, None)
    }

    /// A process is about to execute another program, if that succeeds: no other process goes on with its memory.
    fn before_exec(&mut self, tid: Tid, mm: MmId) -> io::Result<()> {
        let Some((pid, _)) = self.threads.get(&tid).copied() else { return Ok(()) };
        if self.threads.values().any(|(of, other)| *other == mm && *of != pid) {
            return Ok(());
        }
        let caller = self.caller(pid, tid, mm);
        self.take_faults();
        let Some(beside) = self.memories.get_mut(&mm) else { return Ok(()) };
        beside.last = LastLook::Taken;
        // What calls under way may have done by now is done at their own ends, should the exec fail.
        let has_open = !beside.under_way.is_empty();
        let before = has_open.then(|| (beside.memory.twin.clone(), self.shared.clone()));
        let (known, mut others) = (self.found.diverged, beside.under_way.clone());
        let open = OpenCalls::UnderWay(&beside.under_way);
        let checked = beside.memory.check_whole(&mut self.shared, &mut self.found, caller, open, &mut others);
        // What they owe they owe still.
        beside.under_way = others;
        if let Some(before) = before
            && self.found.diverged == known
        {
            (beside.memory.twin, self.shared) = before;
        }
        checked?;
        self.look(caller, mm, None)
    }

    /// What a program that is executed has from the memory before it; the first has it from outside.
    fn inherited(&mut self, former_mm: MmId) -> mm::Settings {
        if let Some(former) = self.memories.get(&former_mm) {
            return former.memory.inherited();
        }
        let inherited = self.shared.inherited();
        if inherited != mm::Settings::default() {
            self.found.input("inherited state", 1);
        }
        inherited
    }

    fn exit(&mut self, tid: Tid) {
        self.take_faults();
        self.executing.remove(&Pid(tid.0));
        let mm = self.threads.get(&tid).map(|(_, mm)| *mm);
        self.forget(tid);
        mm.into_iter().for_each(|mm| self.drop_unused(mm));
    }

    /// A thread ends; its limits and personality are still those of calls that it or a sibling was killed in.
    fn forget_caller(&mut self, tid: Tid, is_last: bool) {
        let mut inside = self.memories.values().flat_map(|beside| beside.under_way.keys());
        if inside.any(|of| !self.threads.contains_key(of)) {
            return;
        }
        let callers = self.shared.callers_mut();
        if is_last { callers.process_ended(tid) } else { callers.thread_ended(tid) }
    }

    /// A thread is no more, all of whose faults were taken in.
    fn forget(&mut self, tid: Tid) {
        if let Some((_, mm)) = self.threads.remove(&tid)
            && let Some(beside) = self.memories.get_mut(&mm)
        {
            beside.forks.fails(tid, &mut self.shared);
            beside.memory.pages.iter_mut().for_each(|pages| pages.forget_thread(tid));
        }
    }

    fn drop_unused(&mut self, mm: MmId) {
        if self.threads_in(mm) == 0
            && let Some(beside) = self.memories.remove(&mm)
        {
            beside.forks.finish(&mut self.shared);
            if beside.last == LastLook::Due || beside.under_way.values().any(|call| !call.owes.is_empty()) {
                self.found.not_compared("a memory whose end was not seen", 1);
            }
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
        self.take_faults();
        if let Ok(caps) = sys::process::memory_capabilities(at.tid) {
            self.shared.set_capabilities(caps);
        }
        if self.shared.profile().overcommit.mode == mm::OvercommitMode::Never
            && let Some(pages) = super::kernel::committed_pages()
        {
            self.shared.set_committed(pages);
            self.found.input("Committed_AS", 1);
        }
        let caller = self.caller(at.pid, at.tid, at.mm);
        let Some(beside) = self.memories.get_mut(&at.mm) else { return Ok(()) };
        // The process of a thread that was killed inside a call is gone, but not always its memory.
        let is_over = |tid: Tid| tid == at.tid || self.threads.get(&tid).is_none_or(|(_, of)| *of != at.mm);
        if beside.under_way.keys().any(|tid| is_over(*tid)) {
            beside.cut_off(&mut self.shared, &mut self.found, caller, is_over)?;
        }
        self.shared.set_caller(at.tid);
        let mut input = event.input.clone();
        if let CallInput::File(file) = &mut input {
            self.shared.set_file_size(file.id, file.bytes);
            if let Some(fd) = descriptor(event) {
                file.description = beside.descriptions.identify((at.pid, at.tid), fd, file.id);
            }
        }
        beside.memory.enter_call(&mut self.shared, &mut self.found, (event.call, &input), self.every)?;
        beside.let_go(&self.shared, event.call, &input);
        // Its own pages are as they were before it.
        let looked = self.look(caller, at.mm, None);
        if let Some(beside) = self.memories.get_mut(&at.mm) {
            let changes = pages_of(event.call, &touched(event.call, None, beside.memory.brk()));
            let (call, early, touched) = (event.call, None, Vec::new());
            let mut under_way =
                UnderWay { tid: at.tid, call, input, early, changes, touched, owes: Vec::new() };
            let pages = beside.memory.pages.as_ref();
            let faulting = pages.into_iter().flat_map(|pages| pages.faulting_but(at.tid));
            faulting.for_each(|range| under_way.touch(range));
            beside.under_way.insert(at.tid, under_way);
        }
        looked
    }

    fn leave(&mut self, at: At, event: &CallEvent) -> io::Result<()> {
        // Killed behind it: what it did is settled as if it had been inside.
        let CallResult::Seen(kernel) = event.result else { return Ok(()) };
        let mut caller = self.caller(at.pid, at.tid, at.mm);
        let Some(beside) = self.memories.get_mut(&at.mm) else { return Ok(()) };
        let Some(done) = beside.under_way.remove(&at.tid) else { return Ok(()) };
        // A thread that is gone by now may have been inside a call.
        if at.order == Order::Uncertain || !beside.under_way.is_empty() {
            caller.company = Company::Others;
        }
        beside.forks.keep(at.tid, &mut beside.memory, &mut self.shared);
        let brk = beside.memory.brk();
        let ending = Ending { caller, done: done.clone(), kernel, others: &mut beside.under_way };
        beside.memory.leave(&mut self.shared, &mut self.found, ending, self.every)?;
        if let Some(refused) = description(&done.input).filter(|_| kernel < 0)
            && !beside.memory.descriptions().contains(&refused)
        {
            beside.descriptions.let_go(&[refused]);
        }
        // What others touched until now, they touched during it.
        beside.under_way.insert(at.tid, done);
        self.look_after(caller, at.mm, kernel, brk)
    }

    /// A process that vanishes while it is looked at says so by an error; that is no difference. After any other error
    /// nothing more is known: that is not modelled.
    fn note(&mut self, result: io::Result<()>) {
        match result {
            Ok(()) => {}
            Err(error) if is_gone(&error) => {
                self.found.input("a process that ended while it was looked at", 1);
            }
            Err(error) => {
                self.found.not_compared(&format!("looking at a process: {error}"), 1);
            }
        }
    }
}

/// Tells whether an error says that there is no such process, or no memory of it, any more.
fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(i32::from(Errno::ESRCH.0))
}

/// The number of the open file description that a call maps, where it could be told.
fn description(input: &CallInput) -> Option<u64> {
    match input {
        CallInput::File(file) if file.description != 0 => Some(file.description),
        _ => None,
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
        if self.listening == Listening::No {
            return;
        }
        let Event { time: _, tid, mm, body } = event;
        let result = match body {
            Body::Exec(exec) => self.exec(tid, mm, &exec),
            Body::Spawn(spawn) => self.spawn(tid, mm, &spawn),
            Body::Unmodelled(event) => self.unmodelled(mm, event),
            Body::Lost { source: LossSource::Calls, count } => {
                // Nobody has seen its answer; what it did is settled with the memory.
                self.found.input("call cut off by a signal", count);
                Ok(())
            }
            Body::Limit { resource, limit } => {
                if self.shared.callers().limits(tid).of(resource) != Some(limit) {
                    self.shared.callers_mut().set_limit(tid, resource, limit);
                    self.found.input("limit set from outside", 1);
                }
                Ok(())
            }
            Body::Exit { last_thread, .. } => {
                self.exit(tid);
                self.forget_caller(tid, last_thread);
                Ok(())
            }
            _ => Ok(()),
        };
        self.note(result);
    }

    fn leaves(&mut self, tid: Tid, mm: MmId, how: Leaving) {
        if self.listening == Listening::No {
            return;
        }
        let result = match how {
            Leaving::End => self.ends(tid, mm),
            Leaving::Exec => self.before_exec(tid, mm),
        };
        self.note(result);
    }

    fn entered(&mut self, at: At, call: &CallEvent) {
        if self.listening == Listening::No {
            return;
        }
        let result = self.enter(at, call);
        self.note(result);
    }

    fn forking(&mut self, at: At) {
        if let Some(beside) = self.memories.get_mut(&at.mm) {
            beside.forks.begin(at.tid, &mut self.shared);
        }
    }

    fn fork_failed(&mut self, tid: Tid, mm: MmId) {
        if let Some(beside) = self.memories.get_mut(&mm) {
            beside.forks.fails(tid, &mut self.shared);
        }
    }

    fn left(&mut self, at: At, call: &CallEvent) {
        let result = self.leave(at, call);
        self.note(result);
    }

    fn program_ended(&mut self) -> Vec<u8> {
        let report = super::json::report(&self.kernel, &self.found);
        // What is open for it is closed.
        (self.memories, self.watch, self.listening) = (HashMap::new(), None, Listening::No);
        report
    }

    fn finished(&mut self) -> Vec<u8> {
        super::json::report(&self.kernel, &self.found)
    }
}
