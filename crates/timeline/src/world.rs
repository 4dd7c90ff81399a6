//! The state of every process of a recording at one event, and what was learned on the way there.

use std::collections::BTreeMap;
use std::sync::Arc;

use recording::{Body, Event, ExecEvent, Header, MmId, ObjectEvent, SpawnEvent, SpawnKind, TimeNs};

use crate::changed::{Changed, What};
use crate::counts::Counts;
use crate::curve::{Curve, Sample};
use crate::forks::{Fork, Forks, Unshared};
use crate::growth::Growths;
use crate::ledger::{Ledger, Touchers};
use crate::ledgers::MemorySums;
use crate::memory::Memory;
use crate::peak::Peaks;
use crate::place::Place;
use crate::processes::Processes;
use crate::proof::Proof;
use crate::still::Still;
use crate::twin::Shared;

/// Every process at one event.
///
/// Its size follows what lives at that moment and the number of processes, not the length of the recording.
pub struct World {
    pub(crate) header: Header,
    pub(crate) shared: Shared,
    pub(crate) memories: BTreeMap<MmId, Memory>,
    pub(crate) processes: Processes,
    pub(crate) objects: Vec<ObjectEvent>,
    /// Every program executed, with the number of its event.
    pub(crate) execs: Vec<(u64, Arc<ExecEvent>)>,
    pub(crate) counts: Counts,
    pub(crate) proof: Proof,
    pub(crate) growths: Growths,
    pub(crate) curve: Curve,
    pub(crate) peaks: Peaks,
    pub(crate) total: Sample,
    pub(crate) now: TimeNs,
    /// What the last event changed.
    pub(crate) changed: Vec<Changed>,
    /// Why the last event's call came out as it did.
    pub(crate) why: Option<mm::Why>,
    /// The sharing that the last event's fault ended.
    pub(crate) unshared: Option<Unshared>,
    /// Events were lost since the last checkpoint.
    pub(crate) is_lossy: bool,
    /// What the pages of memories came to, of those that ended; after a seek of those that ended since.
    pub(crate) page_sums: Vec<MemorySums>,
    /// What forks shared; after a seek of those made since.
    pub(crate) forks: Forks,
    /// Who made pages come, in all memories.
    pub(crate) touchers: Touchers,
}

impl World {
    pub(crate) fn new(header: Header) -> Self {
        Self {
            shared: Shared::new(&header),
            header,
            memories: BTreeMap::new(),
            processes: Processes::default(),
            objects: Vec::new(),
            execs: Vec::new(),
            counts: Counts::default(),
            proof: Proof::default(),
            growths: Growths::default(),
            curve: Curve::default(),
            peaks: Peaks::default(),
            total: Sample::default(),
            now: TimeNs(0),
            changed: Vec::new(),
            why: None,
            unshared: None,
            is_lossy: false,
            page_sums: Vec::new(),
            forks: Forks::default(),
            touchers: Touchers::default(),
        }
    }

    /// The time of the last event.
    pub fn now(&self) -> TimeNs {
        self.now
    }

    /// The facts about machine and run.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The kernel that the recording was made on, as the twin knows it.
    pub fn profile(&self) -> &mm::Profile {
        self.shared.profile()
    }

    /// Every process so far.
    pub fn processes(&self) -> &Processes {
        &self.processes
    }

    /// The memories that live, by id.
    pub fn memories(&self) -> impl Iterator<Item = &Memory> {
        self.memories.values()
    }

    /// A memory that lives.
    pub fn memory(&self, mm: MmId) -> Option<&Memory> {
        self.memories.get(&mm)
    }

    /// A memory that lives, held still.
    pub fn still(&self, mm: MmId) -> Option<Still> {
        self.memories.get(&mm).map(|memory| Still::of(memory, &self.processes, self.now))
    }

    /// The last states of memories that have ended, in order of their end.
    ///
    /// After a seek only those that ended on the way from the state it began at.
    pub fn ended(&self) -> &[Still] {
        self.peaks.last()
    }

    /// The executables and libraries seen so far.
    pub fn objects(&self) -> &[ObjectEvent] {
        &self.objects
    }

    /// How far twin and kernel agree so far.
    pub fn proof(&self) -> &Proof {
        &self.proof
    }

    /// What happened how often so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// What the last event may have changed of the maps; empty where it can't have changed any.
    pub fn changed(&self) -> &[Changed] {
        &self.changed
    }

    /// Why the last event's call came out as it did, and which merges were made or not; `None` if it was no call of which
    /// the twin knows.
    pub fn why(&self) -> Option<&mm::Why> {
        self.why.as_ref()
    }

    /// The sharing by fork that the last event ended, if it was a fault of which it is known that it wrote to such a page.
    pub fn unshared(&self) -> Option<Unshared> {
        self.unshared
    }

    /// Takes the next event in.
    pub(crate) fn apply(&mut self, no: u64, event: &Event) {
        self.changed.clear();
        self.why = None;
        self.unshared = None;
        let Event { time, tid, mm, body } = event;
        self.now = self.now.max(*time);
        self.shared.set_caller(*tid);
        self.counts.events += 1;
        let place = Place { event: no, time: *time, tid: *tid, mm: *mm };
        if matches!(body, Body::Call(_) | Body::Exec(_) | Body::Exit { .. } | Body::Checkpoint(_)) {
            self.keep_virtual_peak();
        }
        match body {
            Body::Call(call) => self.call(place, call),
            Body::Mapped(mapped) => self.mapped(place, mapped),
            Body::Fault(fault) => self.fault(place, fault),
            Body::Spawn(spawn) => self.spawn(place, spawn),
            Body::Exec(exec) => self.exec(place, exec),
            Body::Exit { status, last_thread } => {
                if let Some(memory) = self.memories.get_mut(mm) {
                    memory.free_stack(*tid);
                    memory.grown.forget(*tid);
                    memory.ledger.iter_mut().for_each(|ledger| ledger.forget_thread(*tid));
                }
                self.processes.exit(*tid, *status, *last_thread, *time);
                let callers = self.shared.callers_mut();
                if *last_thread {
                    callers.process_ended(*tid)
                } else {
                    callers.thread_ended(*tid)
                }
                self.drop_unused(*mm);
            }
            Body::Reading => {
                if let Some(memory) = self.memories.get_mut(mm) {
                    memory.grown.begin();
                    memory.ledger.iter_mut().for_each(Ledger::begin_reading);
                }
            }
            Body::HugeZeros(zeros) => {
                if let Some(memory) = self.memories.get_mut(mm) {
                    memory.huge_zeros = Some(*zeros);
                }
            }
            Body::Checkpoint(checkpoint) => self.checkpoint(place, checkpoint),
            Body::Unmodelled(call) => {
                *self.counts.unmodelled.entry(call.why).or_default() += 1;
                self.proof.calls_unmodelled += 1;
                if let Some(memory) = self.memories.get_mut(mm) {
                    memory.is_unmodelled = true;
                }
            }
            Body::Lost { source, count } => {
                *self.counts.lost.entry(*source).or_default() += count;
                self.is_lossy = true;
                self.has_gaps_from_here();
            }
            Body::FaultPeriod { period } => {
                self.counts.faults.set_period(u64::from(*period));
                self.has_gaps_from_here();
            }
            Body::ThreadName(name) => self.processes.name(*tid, name),
            Body::Object(object) => self.objects.push(object.clone()),
            Body::Limit { resource, limit } => self.shared.callers_mut().set_limit(*tid, *resource, *limit),
            Body::Stopped { .. } | Body::Continued | Body::Stack(_) => {}
        }
        self.measure(*mm, place);
    }

    /// Follows the sums: peaks and curve are of all memories that live together.
    pub(crate) fn measure(&mut self, mm: MmId, place: Place) {
        let Some(memory) = self.memories.get_mut(&mm) else { return };
        let sample = memory.sample();
        let before = std::mem::replace(&mut memory.counted, sample);
        if before != sample {
            memory.largest.see(sample, place.time);
            self.total = self.total.replace(before, sample);
            self.curve.record(place.time, self.total);
            self.peaks.reach(self.total, place.time, place.event);
        }
    }

    /// Keeps the state of all memories if it is the largest so far and about to change.
    pub(crate) fn keep_virtual_peak(&mut self) {
        if self.peaks.is_virtual_unkept() {
            let stills = self.stills();
            self.peaks.keep_virtual(stills);
        }
    }

    /// The state of every memory that lives.
    pub(crate) fn stills(&self) -> Vec<Still> {
        self.memories.values().map(|memory| Still::of(memory, &self.processes, self.now)).collect()
    }

    fn exec(&mut self, place: Place, exec: &ExecEvent) {
        self.counts.threads += u64::from(self.processes.thread(place.tid).is_none());
        if let Some(former) = self.memories.get_mut(&exec.former_mm)
            && let Some(checkpoint) = former.arguments.executed(exec.former_tid)
        {
            self.proof.explain_totals(checkpoint);
        }
        // A borrowed memory (vfork) says nothing about the borrower.
        if let Some(former) = self.memories.get(&exec.former_mm)
            && self.processes.with_memory(exec.former_mm).count() == 1
        {
            self.processes.note(former);
        }
        self.processes.exec(place.tid, place.mm, exec, place.time);
        self.shared.callers_mut().executed(place.tid, exec);
        let former = self.memories.get(&exec.former_mm);
        let inherited = former.map_or(self.shared.inherited(), Memory::inherited);
        self.drop_unused(exec.former_mm);
        let exec = Arc::new(exec.clone());
        self.execs.push((place.event, exec.clone()));
        let mut memory = Memory::new(place.mm, Some(exec));
        memory.exec_event = Some(place.event);
        memory.inherited = inherited;
        self.memories.insert(place.mm, memory);
    }

    fn spawn(&mut self, place: Place, spawn: &SpawnEvent) {
        self.counts.threads += 1;
        self.processes.spawn(place.tid, place.mm, spawn, place.time);
        self.shared.callers_mut().spawned(place.tid, spawn);
        match spawn.kind {
            SpawnKind::Fork => self.fork(place, spawn),
            SpawnKind::Thread => {
                if let Some(memory) = self.memories.get_mut(&place.mm) {
                    memory.give_stack(place.tid, spawn.child);
                }
            }
            SpawnKind::Vfork | SpawnKind::SharedMemory => {}
        }
    }

    fn fork(&mut self, place: Place, spawn: &SpawnEvent) {
        let child = spawn.child_mm;
        let Some(parent) = self.memories.get_mut(&place.mm) else { return };
        let mut memory = Memory::new(child, parent.exec.clone());
        memory.exec_event = parent.exec_event;
        memory.stack = parent.stack;
        memory.stack_areas = parent.stack_areas.clone();
        memory.is_unmodelled = parent.is_unmodelled;
        memory.is_raced = parent.is_raced;
        memory.twin = parent.twin.as_mut().and_then(|twin| twin.fork(&mut self.shared, child));
        memory.has_gaps = parent.has_gaps;
        memory.raced_at_fork = parent.raced_at_fork(place.tid, place.time);
        let mut shared = None;
        if let (Some(ledger), Some(twin)) = (&mut parent.ledger, &memory.twin) {
            let mut of_child = ledger.fork(twin.space());
            shared = Some(ledger.share(&mut of_child, twin.space(), child));
            memory.ledger = Some(of_child);
        }
        let Place { event, time, mm: parent, .. } = place;
        let copied = BTreeMap::new();
        self.forks.begin(Fork { time, event, parent, child, child_pid: spawn.child_pid, shared, copied });
        self.memories.insert(child, memory);
        self.changed.push(Changed { mm: child, what: What::Whole });
        self.measure(child, place);
    }

    /// Ends a memory that no process has any longer.
    fn drop_unused(&mut self, mm: MmId) {
        if self.processes.uses(mm) {
            return;
        }
        let Some(mut memory) = self.memories.remove(&mm) else { return };
        self.changed.push(Changed { mm, what: What::Gone });
        self.processes.note(&memory);
        self.keep_page_sums(&mut memory);
        self.peaks.keep_last(Still::of(&memory, &self.processes, self.now));
        self.processes.forget(mm);
        self.total = self.total.replace(memory.counted, Sample::default());
        self.curve.record(self.now, self.total);
        if let Some(twin) = memory.twin {
            twin.exit(&mut self.shared);
        }
    }
}
