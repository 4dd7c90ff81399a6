//! The state of all processes at one event, and the table with what never changes again.

use std::sync::Arc;

use mm::SystemState;
use recording::{ExecEvent, Header, MmId, ObjectEvent, TimeNs};

use super::codec::{In, Out, Saved, saved};
use super::memory::MemoryState;
use super::processes::ProcessesState;
use crate::ledger::Touchers;
use crate::memory::{Memory, PagesRead};
use crate::processes::{Process, Processes};
use crate::twin::{CallerState, CallersState, Shared};
use crate::world::World;

/// Raised when anything of what follows changes: states of another version are passed over.
const VERSION: u64 = 17;

/// The state of all processes after some event.
struct WorldState {
    version: u64,
    events: u64,
    now: TimeNs,
    is_lossy: bool,
    /// One fault in so many is recorded.
    fault_period: u64,
    shared: (SystemState, CallersState),
    objects: usize,
    processes: ProcessesState,
    memories: Vec<MemoryState>,
}

/// What is told once for all states of a recording; it is added after them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Table {
    version: u64,
    /// How many states were added to the file before the first of these.
    pub(crate) first: usize,
    /// After how many events each state holds, and the time of the last of them.
    pub(crate) moments: Vec<(u64, TimeNs)>,
    /// How many events there are.
    pub(crate) events: u64,
    /// Where the memory was largest, and which.
    pub(crate) peak: Option<(u64, MmId)>,
    processes: Vec<Process>,
    objects: Vec<ObjectEvent>,
    execs: Vec<(u64, Arc<ExecEvent>)>,
    touchers: Touchers,
}

saved! {
    WorldState { version, events, now, is_lossy, fault_period, shared, objects, processes, memories }
    CallersState { limits, threads }
    CallerState { pid, persona }
    Table { version, first, moments, events, peak, processes, objects, execs, touchers }
}

impl World {
    /// Writes what going on from here needs.
    pub(crate) fn save(&self) -> Vec<u8> {
        let state = WorldState {
            version: VERSION,
            events: self.counts.events,
            now: self.now,
            is_lossy: self.is_lossy,
            fault_period: self.counts.faults.period,
            shared: self.shared.state(),
            objects: self.objects.len(),
            processes: self.processes.state(),
            memories: self.memories.values().map(Memory::state).collect(),
        };
        let mut out = Out::default();
        state.put(&mut out);
        out.bytes
    }

    /// Reads a state; `None` if it is of another version, damaged or of another recording.
    ///
    /// `pages` reads the pages that a checkpoint told, by its event.
    pub(crate) fn restore(
        header: &Header,
        table: &Table,
        bytes: &[u8],
        mut pages: impl FnMut(u64) -> Option<PagesRead>,
    ) -> Option<Self> {
        let mut input = In::new(bytes);
        let state = WorldState::get(&mut input).filter(|state| state.version == VERSION)?;
        let WorldState {
            version: _,
            events,
            now,
            is_lossy,
            fault_period,
            shared,
            objects,
            processes,
            memories,
        } = state;
        // In the order in which they stand in the file.
        let mut told: Vec<u64> = memories.iter().filter_map(|memory| memory.pages_event).collect();
        told.sort_unstable();
        told.dedup();
        let told: Vec<PagesRead> = told.into_iter().map(&mut pages).collect::<Option<_>>()?;
        let mut world = Self::new(header.clone());
        let mut twins = Vec::new();
        let mut memories = memories;
        for memory in &mut memories {
            twins.push(memory.twin.take());
        }
        let (shared, twins) = Shared::of_parts(header, shared, twins)?;
        for (mut memory, twin) in memories.into_iter().zip(twins) {
            if let Some(ledger) = memory.ledger.take() {
                memory.ledger = Some(ledger.with_touchers(&table.touchers)?);
            }
            let exec = match memory.exec_event {
                None => None,
                Some(event) => Some(table.exec(event)?.clone()),
            };
            let pages = match memory.pages_event {
                None => None,
                Some(event) => {
                    let at = told.binary_search_by_key(&event, |pages| pages.event).ok()?;
                    Some(told[at].clone())
                }
            };
            let id = memory.id;
            world.memories.insert(id, Memory { exec, ..Memory::of_state(memory, twin, pages) });
        }
        world.shared = shared;
        world.touchers = table.touchers.clone();
        world.counts.events = events;
        world.now = now;
        world.is_lossy = is_lossy;
        world.counts.faults.set_period(fault_period);
        world.objects = table.objects.get(..objects)?.to_vec();
        world.processes = Processes::of_state(processes, &table.processes)?;
        world.total = world.memories.values().fold(Default::default(), |sum: crate::Sample, memory| {
            sum.replace(Default::default(), memory.counted)
        });
        Some(world)
    }
}

impl Table {
    /// Makes the table at the end of a replay.
    pub(crate) fn of(
        world: &World,
        first: usize,
        moments: Vec<(u64, TimeNs)>,
        peak: Option<(u64, MmId)>,
    ) -> Self {
        Self {
            version: VERSION,
            first,
            moments,
            events: world.counts.events,
            peak,
            processes: world.processes.all().to_vec(),
            objects: world.objects.clone(),
            execs: world.execs.clone(),
            touchers: world.touchers.clone(),
        }
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Out::default();
        self.put(&mut out);
        out.bytes
    }

    /// Reads a table; `None` if it is of another version or damaged.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut input = In::new(bytes);
        let table = Self::get(&mut input).filter(|table| table.version == VERSION && input.is_at_end())?;
        table.moments.is_sorted().then_some(table)
    }

    fn exec(&self, event: u64) -> Option<&Arc<ExecEvent>> {
        let at = self.execs.binary_search_by_key(&event, |(event, _)| *event).ok()?;
        Some(&self.execs[at].1)
    }
}
