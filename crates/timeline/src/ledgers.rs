//! The ledgers of all memories: fed by events, held against the kernel at checkpoints.

use std::sync::Arc;

use abi::{AddrRange, Errno, Tid, VirtAddr};
use recording::{
    CallEvent, CallInput, CallResult, Checkpoint, Counters, FaultSource, MmId, PageRun, PageState, Reason,
    TimeNs,
};

use crate::ledger::{Asked, Beside, Done, EVERYWHERE, Ledger, Moving, PageSums, Sight, Totals, Touch};
use crate::memory::{Memory, PagesRead, UnderWay};
use crate::place::Place;
use crate::processes::ProcessNo;
use crate::proof::{ARGUMENTS, TotalsDiffered, TotalsSeen};
use crate::still::Still;
use crate::touched::pages_of;
use crate::world::World;

/// A memory whose threads run on is read within so much time, where the recording does not tell when it began: what was
/// touched meanwhile may or may not be in it.
const READING_NS: u64 = 100_000_000;

/// What the pages of one memory came to when most of it was resident.
#[derive(Clone, Debug)]
pub struct MemorySums {
    /// Which memory.
    pub mm: MmId,
    /// The first process with it.
    pub process: Option<ProcessNo>,
    /// When.
    pub time: TimeNs,
    /// What they came to.
    pub sums: PageSums,
}

impl World {
    /// A call changes pages.
    pub(crate) fn ledger_call(
        &mut self,
        place: Place,
        event: &CallEvent,
        predicted: Result<u64, Errno>,
        brk: VirtAddr,
    ) {
        let (mm, ranges) = match &event.input {
            // Of another process, which is not in this recording.
            CallInput::Ranges { target: None, .. } => return,
            CallInput::Ranges { target: Some(mm), ranges } => (*mm, &ranges[..]),
            _ => (place.mm, &[][..]),
        };
        let result = match event.result {
            CallResult::Seen(raw) => Errno::from_raw(raw),
            CallResult::Unseen => predicted,
        };
        let thp = self.shared.thp();
        let Some(memory) = self.memories.get_mut(&mm) else { return };
        if let (Some(ledger), Some(twin)) = (memory.ledger.as_mut(), &memory.twin) {
            let touch = Touch { time: place.time, tid: place.tid, stack: event.stack };
            ledger.call(twin.space(), touch, Done { call: event.call, result, brk, ranges, thp });
        }
    }

    /// From here on not every fault is seen, or some were not.
    pub(crate) fn has_gaps_from_here(&mut self) {
        self.memories.values_mut().for_each(|memory| memory.has_gaps = true);
    }

    /// The kernel's word on a memory's pages; `taken_over` is where the map was another.
    pub(crate) fn ledger_hold(&mut self, place: Place, checkpoint: &Checkpoint, taken_over: &[AddrRange]) {
        let Some(runs) = &checkpoint.pages else { return };
        let sees_all = self.header.sources.faults == FaultSource::All && self.counts.faults.is_every();
        let Some(memory) = self.memories.get_mut(&place.mm) else { return };
        let Some(twin) = &memory.twin else { return };
        let touch = Touch { time: place.time, tid: place.tid, stack: None };
        let counters = memory.arguments.without(&checkpoint.counters);
        match memory.ledger.as_mut() {
            None => {
                memory.ledger = Some(Ledger::adopt_among(self.touchers.clone(), runs, touch));
            }
            Some(ledger) => {
                let sight = if memory.is_unmodelled {
                    Sight::Unmodelled
                } else if sees_all && !memory.has_gaps {
                    Sight::Whole
                } else {
                    Sight::Gaps
                };
                let flying = flying(memory.under_way.iter(), checkpoint);
                let moving = moving(checkpoint, place.time, ledger, &flying);
                let stacks: Vec<AddrRange> = memory.stack_areas.iter().map(|area| area.range).collect();
                let raced = std::mem::take(&mut memory.raced_at_fork);
                let how = Asked { sight, moving, taken_over, stacks: &stacks, raced: &raced, touched: &[] };
                let held = ledger.hold(twin.space(), (EVERYWHERE, runs), touch, how);
                let beside = |counters: &Counters| match ledger.totals().beside(counters) {
                    // What changed meanwhile is not taken over: what was read counts.
                    Beside::Off(_) if held.changing > 0 && beyond(counters, runs) == 0 => Beside::Same,
                    totals => totals,
                };
                let totals = match beside(&checkpoint.counters) {
                    Beside::Off(_) if beside(&counters) == Beside::Same => {
                        *self.proof.inputs.entry(ARGUMENTS).or_default() += 1;
                        Beside::Same
                    }
                    totals => totals,
                };
                let differed = differed(place, ledger.totals(), &checkpoint.counters);
                let seen = self.proof.see_pages(place, checkpoint.reason, &held, (totals, differed));
                let off = u64::try_from(beyond(&checkpoint.counters, runs)).ok();
                memory.arguments.leave_open(off.filter(|_| seen == TotalsSeen::Unequal), place.event);
            }
        }
        memory.has_gaps = !sees_all;
        let is_largest = memory.largest.resident_bytes.is_some_and(|(_, when)| when == place.time);
        if let (true, Some(ledger)) = (is_largest, &memory.ledger) {
            let sums = ledger.sums(twin.space(), runs, &counters);
            memory.sums = Some((place.time, Box::new(sums)));
        }
    }

    /// A memory held still with the pages that are there by the events until now, rather than those that were read last: where
    /// every fault since was seen.
    pub fn with_pages_now(&self, still: Still) -> Still {
        let sees_all = self.header.sources.faults == FaultSource::All && self.counts.faults.is_every();
        let Some(memory) = self.memories.get(&still.mm).filter(|memory| sees_all && !memory.has_gaps) else {
            return still;
        };
        let (Some(ledger), Some(read)) = (&memory.ledger, &memory.pages) else { return still };
        let is_huge = |run: &&PageRun| run.state.contains(PageState::HUGE.with(PageState::PRESENT));
        let read_huge = read.runs.iter().filter(is_huge).map(|run| run.range);
        let huge = crate::ledger::reading::united(read_huge.chain(ledger.hoped_ranges()).collect());
        let runs: Arc<[PageRun]> = ledger.page_runs(&huge).into();
        let resident_bytes = crate::pages::resident(&runs);
        still.with_pages(PagesRead { event: read.event, time: self.now, runs, resident_bytes })
    }

    /// Keeps what the pages of a memory that ends came to.
    pub(crate) fn keep_page_sums(&mut self, memory: &mut Memory) {
        if let Some((time, sums)) = memory.sums.take() {
            let process = self.processes.with_memory(memory.id).next();
            self.page_sums.push(MemorySums { mm: memory.id, process, time, sums: *sums });
        }
    }

    /// The same for all that live.
    pub(crate) fn keep_all_page_sums(&mut self) {
        let mut memories = std::mem::take(&mut self.memories);
        memories.values_mut().for_each(|memory| self.keep_page_sums(memory));
        self.memories = memories;
    }
}

/// Whether a memory stood still while its pages were read; `flying` is what calls under way change.
fn moving<'a>(checkpoint: &Checkpoint, time: TimeNs, ledger: &Ledger, flying: &'a [AddrRange]) -> Moving<'a> {
    match checkpoint.reason {
        Reason::Exec | Reason::Fork | Reason::Exit if flying.is_empty() => Moving::Still,
        _ if ledger.is_being_read() || !flying.is_empty() => Moving::Told(flying),
        // A recording that does not tell when reading began.
        _ => Moving::Since(TimeNs(time.0.saturating_sub(READING_NS)), flying),
    }
}

fn differed(place: Place, twin: Totals, counters: &Counters) -> TotalsDiffered {
    let Place { event, time, mm, .. } = place;
    let file = counters.rss_file + counters.rss_shmem;
    TotalsDiffered { event, time, mm, twin, anonymous: counters.rss_anon, file }
}

/// Returns how much more is resident by the kernel's counters than by the pages as they were read.
fn beyond(counters: &Counters, runs: &[PageRun]) -> i64 {
    let rss = counters.rss_anon + counters.rss_file + counters.rss_shmem;
    rss.cast_signed() - crate::pages::resident(runs).cast_signed()
}

/// What calls under way may or may not have done yet.
fn flying<'a>(
    under_way: impl Iterator<Item = (&'a Tid, &'a UnderWay)>,
    checkpoint: &Checkpoint,
) -> Vec<AddrRange> {
    let inside = under_way.filter(|(tid, _)| checkpoint.in_flight.contains(tid));
    inside.flat_map(|(_, under_way)| pages_of(under_way.call, &under_way.ranges)).collect()
}
