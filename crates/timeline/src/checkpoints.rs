//! Checkpoints: the kernel's map beside the twin's, and what is taken over where they differ.

use abi::AddrRange;
use recording::{Checkpoint, MapRow};

use crate::changed::{Changed, What};
use crate::compare::{Comparison, compare};
use crate::grown::as_read;
use crate::growth::StackGrowth;
use crate::memory::{Memory, PagesRead};
use crate::pages;
use crate::peak::Peak;
use crate::place::Place;
use crate::proof::{Resync, ResyncReason};
use crate::still::Still;
use crate::twin::Twin;
use crate::world::World;

/// The legacy page of system calls is the same in every process and no mapping of it.
const USER_END: u64 = 1 << 63;

impl World {
    /// A checkpoint: the twin is born from it, or held against it.
    pub(crate) fn checkpoint(&mut self, place: Place, checkpoint: &Checkpoint) {
        self.counts.checkpoints += 1;
        self.processes.meet(place.tid, place.mm, place.time);
        let Place { time, mm, .. } = place;
        let limits = self.shared.callers().limits(place.tid);
        let memory = self.memories.entry(mm).or_insert_with(|| Memory::new(mm, None));
        memory.counters = Some((time, checkpoint.counters));
        if let Some(runs) = &checkpoint.pages {
            let resident_bytes = pages::resident(runs);
            memory.largest.see_pages(resident_bytes, time);
            memory.page_checkpoints += 1;
            memory.pages = Some(PagesRead { event: place.event, time, runs: runs.clone(), resident_bytes });
        }
        let kernel = user_rows(&checkpoint.maps);
        let mut taken_over = Vec::new();
        match memory.twin.as_mut() {
            None => {
                self.changed.push(Changed { mm, what: What::Whole });
                memory.twin = Some(Twin::adopt(
                    &mut self.shared,
                    mm,
                    memory.exec.as_deref(),
                    limits,
                    memory.inherited,
                    (kernel, &[]),
                ));
            }
            Some(twin) => {
                let learnt = twin.learn_nameless(kernel);
                if learnt > 0 {
                    *self.proof.inputs.entry("inode of shared anonymous memory").or_default() += learnt;
                }
                let in_flight = in_flight(memory.under_way.iter(), checkpoint);
                let grown = memory.grown.end();
                let held = |rows| compare(kernel, &as_read(rows, kernel, &grown), &in_flight);
                let agrees = |rows: &[MapRow]| held(rows.to_vec()).differences.is_empty();
                if twin.has_userfaultfds() && !agrees(&twin.rows()) {
                    let closed = twin.release_closed(&mut self.shared, agrees);
                    if closed > 0 {
                        *self.proof.inputs.entry("userfaultfd closed").or_default() += closed;
                    }
                }
                let found = held(twin.rows());
                self.proof.add(&found);
                if !found.differences.is_empty() {
                    taken_over = found.differences.iter().map(|difference| difference.range).collect();
                    self.resync(place, &found);
                }
            }
        }
        self.ledger_hold(place, checkpoint, &taken_over);
        self.learn(place, checkpoint);
        self.is_lossy = false;
    }

    /// Takes the kernel's lines over wherever they differ, and says so.
    fn resync(&mut self, place: Place, found: &Comparison) {
        let Some(memory) = self.memories.get_mut(&place.mm) else { return };
        let Some(first) = found.differences.first() else { return };
        let reason = if memory.is_unmodelled {
            ResyncReason::Unmodelled
        } else if self.is_lossy {
            ResyncReason::Lost
        } else if memory.is_raced {
            ResyncReason::OrderUncertain
        } else {
            ResyncReason::Divergence
        };
        self.proof.resync(Resync {
            event: place.event,
            time: place.time,
            mm: place.mm,
            stretches: found.differences.len(),
            first: first.clone(),
            last_call: memory.last_call(first.range),
            reason,
        });
        self.changed.push(Changed { mm: place.mm, what: What::Whole });
        if let Some(twin) = memory.twin.as_mut() {
            for difference in &found.differences {
                twin.replace(&mut self.shared, difference.range, &difference.kernel);
            }
        }
    }

    /// Takes in what the checkpoint tells besides the map.
    fn learn(&mut self, place: Place, checkpoint: &Checkpoint) {
        let Some(memory) = self.memories.get_mut(&place.mm) else { return };
        memory.is_unmodelled = false;
        // What was left of a race has been put right, but for the places of calls that were under way.
        memory.is_raced &= !checkpoint.in_flight.is_empty();
        let Some(twin) = memory.twin.as_mut() else { return };
        if let Some(runs) = &checkpoint.pages {
            pages::anonymous(runs).for_each(|range| twin.learn_anonymous(&mut self.shared, range));
        }
        if let Some(range) = twin.stack() {
            memory.stack.get_or_insert(StackGrowth::new(range, place.time)).see(range, place.time);
        }
        self.measure(place.mm, place);
        if checkpoint.pages.is_some() {
            self.keep_resident_peaks(place);
        }
    }

    fn keep_resident_peaks(&mut self, place: Place) {
        let Place { time, event, mm, .. } = place;
        if let Some(memory) = self.memories.get(&mm) {
            let split = || {
                let (ledger, twin) = (memory.ledger.as_ref()?, memory.twin.as_ref()?);
                let relative = |child| {
                    let other = if child == mm { self.forks.parent_of(child)? } else { child };
                    self.memories.get(&other)?.ledger.as_ref()
                };
                Some(ledger.split(twin.space(), relative))
            };
            let still = || {
                let still = Still::of(memory, &self.processes, time);
                match split() {
                    Some(split) => still.with_split(split),
                    None => still,
                }
            };
            self.peaks.see_pages(memory.sample().resident_bytes, event + 1, still);
        }
        if self.peaks.is_resident_peak(self.total) {
            let memories = self.stills();
            self.peaks.keep_resident(Peak { time, event, total: self.total, memories });
        }
    }
}

fn user_rows(rows: &[MapRow]) -> &[MapRow] {
    let end = rows.partition_point(|row| row.range.start.0 < USER_END);
    &rows[..end]
}

/// What calls under way may or may not have changed yet.
fn in_flight<'a>(
    under_way: impl Iterator<Item = (&'a abi::Tid, &'a crate::memory::UnderWay)>,
    checkpoint: &Checkpoint,
) -> Vec<AddrRange> {
    under_way
        .filter(|(tid, _)| checkpoint.in_flight.contains(tid))
        .flat_map(|(_, call)| call.ranges.iter().flatten().copied())
        .collect()
}
