//! The ledgers of all memories: fed by events, held against the kernel at checkpoints.

use abi::{Errno, VirtAddr};
use recording::{CallEvent, CallInput, CallResult, Checkpoint, FaultSource, MmId, PageRun, Reason, TimeNs};

use crate::checkpoints::in_flight;
use crate::ledger::{Done, EVERYWHERE, Ledger, Moving, PageSums, Sight, Touch};
use crate::memory::Memory;
use crate::processes::ProcessNo;
use crate::proof::{LISTED_MAX, PagesDiffered};
use crate::world::{Place, World};

/// A memory whose threads run on is read within so much time: what was touched meanwhile may or may not be in it.
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
            CallInput::Ranges { target, ranges } => (target.unwrap_or(place.mm), &ranges[..]),
            _ => (place.mm, &[][..]),
        };
        let result = match event.result {
            CallResult::Seen(raw) => Errno::from_raw(raw),
            CallResult::Unseen => predicted,
        };
        let Some(memory) = self.memories.get_mut(&mm) else { return };
        if let (Some(ledger), Some(twin)) = (memory.ledger.as_mut(), &memory.twin) {
            let touch = Touch { time: place.time, tid: place.tid, stack: event.stack };
            ledger.call(twin.space(), touch, Done { call: event.call, result, brk, ranges });
        }
    }

    /// From here on not every fault is seen, or some were not.
    pub(crate) fn has_gaps_from_here(&mut self) {
        self.memories.values_mut().for_each(|memory| memory.has_gaps = true);
    }

    /// The kernel's word on a memory's pages.
    pub(crate) fn ledger_hold(&mut self, place: Place, checkpoint: &Checkpoint) {
        let Some(runs) = &checkpoint.pages else { return };
        let sees_all = self.header.sources.faults == FaultSource::All && self.counts.faults.is_every();
        let Some(memory) = self.memories.get_mut(&place.mm) else { return };
        let Some(twin) = &memory.twin else { return };
        let touch = Touch { time: place.time, tid: place.tid, stack: None };
        match memory.ledger.as_mut() {
            None => memory.ledger = Some(Ledger::adopt(runs, touch)),
            Some(ledger) => {
                let sight = if memory.is_unmodelled {
                    Sight::Unmodelled
                } else if sees_all && !memory.has_gaps {
                    Sight::Whole
                } else {
                    Sight::Gaps
                };
                let moving = moving(checkpoint, place.time);
                let flying = in_flight(memory.under_way.iter(), checkpoint);
                let moving = if flying.is_empty() { moving } else { Moving::Since(TimeNs(0)) };
                let held = ledger.hold(twin.space(), (EVERYWHERE, runs), touch, sight, moving);
                self.proof.pages.add(&held);
                if checkpoint.reason == Reason::Exit {
                    self.proof.pages_at_exit.add(&held);
                }
                self.proof.page_checkpoints += 1;
                if let (Some((first, twin, kernel)), true) =
                    (held.first, self.proof.pages_differed.len() < LISTED_MAX)
                {
                    let Place { event, time, mm, .. } = place;
                    let pages = held.differing;
                    self.proof.pages_differed.push(PagesDiffered {
                        event,
                        time,
                        mm,
                        pages,
                        first,
                        twin,
                        kernel,
                    });
                }
                self.proof.page_totals_matched += u64::from(totals_match(runs, checkpoint));
            }
        }
        memory.has_gaps = !sees_all;
        let is_largest = memory.largest.resident_bytes.is_some_and(|(_, when)| when == place.time);
        if let (true, Some(ledger)) = (is_largest, &memory.ledger) {
            let sums = ledger.sums(twin.space(), runs, &checkpoint.counters);
            memory.sums = Some((place.time, Box::new(sums)));
        }
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

/// Whether a memory stood still while its pages were read.
fn moving(checkpoint: &Checkpoint, time: TimeNs) -> Moving {
    match checkpoint.reason {
        Reason::Exec | Reason::Fork | Reason::Exit => Moving::Still,
        Reason::Interval | Reason::Growth | Reason::Unmodelled | Reason::End => {
            Moving::Since(TimeNs(time.0.saturating_sub(READING_NS)))
        }
    }
}

/// Tells whether the pages add up to the kernel's sums.
fn totals_match(runs: &[PageRun], checkpoint: &Checkpoint) -> bool {
    let counters = &checkpoint.counters;
    crate::pages::resident(runs) == counters.rss_anon + counters.rss_file + counters.rss_shmem
}
