//! Page faults and the kernel's mapping records, from the rings of all processors into one order of time.
//!
//! A ring is ordered in itself. What all rings held when a round of reading began is complete when the next round
//! has been read, so each round hands on what is older than the beginning of the one before.

mod governor;
mod open;
mod seen;
#[cfg(test)]
mod tests;
mod told;

use std::collections::HashSet;
use std::os::fd::BorrowedFd;

use abi::{Pid, Tid, VirtAddr};
use recording::{Bytes, FaultSource, TimeNs};
use sys::perf::{Record, Stamp};

use crate::stack_table::StackTable;
use crate::stacks::StackCopies;
pub(crate) use governor::Pieces;
use governor::{Density, Governor};
use open::{Lane, Opened};
pub(crate) use open::{STACK_BYTES_BRIEF, STACK_BYTES_MAX};
use seen::{Held, What};
use told::{Tells, Told};

pub use open::{AccessWanted, Begin, Budget, FaultStacks, FaultsDenied, FaultsWanted};
pub use seen::{Memory, Seen};

/// So close to a change of density a fault's two records may stand on both sides of it.
const BORDER_NS: u64 = 50_000;

/// A thread is made within so much time.
const BIRTH_NS: u64 = 1_000_000_000;

/// Watches the faults of one thread and of all threads and processes that it makes.
#[derive(Debug)]
pub struct FaultWatch {
    lanes: Vec<Lane>,
    source: FaultSource,
    remarks: Vec<String>,
    governor: Governor,
    density: Density,
    /// The one before.
    density_before: Density,
    /// From this moment on the present density is in force; records of the other events are dropped.
    since_ns: u64,
    /// When events were switched last.
    switched_ns: Option<u64>,
    /// When the last round of reading began.
    round_ns: u64,
    zero_ns: u64,
    held: Vec<Held>,
    /// By lane.
    told: Vec<Option<Told>>,
    chain: Vec<VirtAddr>,
    /// Where registers and stacks go, if they are copied.
    copies: Option<StackCopies>,
    names: HashSet<Bytes>,
    lost: u64,
    /// Of these, told by the counters before their record came.
    lost_ahead: u64,
}

impl FaultWatch {
    /// Opens the events of a thread and all that it makes. Times count from `zero_ns` of `CLOCK_MONOTONIC`.
    ///
    /// # Errors
    /// Why faults can't be seen, in words for the header's remarks.
    pub fn open(thread: Tid, wanted: FaultsWanted, begin: Begin, zero_ns: u64) -> Result<Self, FaultsDenied> {
        let Opened { lanes, source, remarks, start } = open::open(thread, wanted, begin)?;
        let now = sys::clock::monotonic_ns();
        let governor = Governor::new(wanted, start, now);
        let first = governor.density();
        let told = vec![None; lanes.len()];
        let mut watch = Self {
            lanes,
            source,
            remarks,
            governor,
            density: first,
            density_before: first,
            since_ns: 0,
            switched_ns: None,
            round_ns: 0,
            zero_ns,
            held: Vec::new(),
            told,
            chain: Vec::new(),
            copies: None,
            names: HashSet::new(),
            lost: 0,
            lost_ahead: 0,
        };
        if let Budget::OneIn(period) = wanted.budget {
            watch.since_ns = now;
            watch.hold_own(What::Period(period.max(1)));
        }
        Ok(watch)
    }

    /// Hands the registers and stacks of faults over here: each fault names its own by a number in place of its chain's.
    pub fn with_copies(mut self, copies: StackCopies) -> Self {
        self.copies = Some(copies);
        self
    }

    /// What is seen, for the header.
    pub const fn source(&self) -> FaultSource {
        self.source
    }

    /// What was not permitted and why, one a line, for the header.
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    /// The bytes of records that each processor's ring can hold.
    pub fn ring_bytes(&self) -> Vec<usize> {
        self.lanes.iter().map(Lane::ring_bytes).collect()
    }

    /// The descriptors that become readable when a quarter of a ring is full.
    pub fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.lanes.iter().map(Lane::fd)
    }

    /// Everything before this moment has been handed on.
    pub fn horizon(&self) -> TimeNs {
        TimeNs(self.round_ns.saturating_sub(self.zero_ns))
    }

    /// Reads the rings and hands on, in order of time, what is older than the beginning of the last round.
    ///
    /// The caller asks when a descriptor is readable, and at least every tenth of a second.
    pub fn drain(&mut self, stacks: &mut StackTable, each: impl FnMut(Seen)) {
        let before = self.round_ns;
        self.round_ns = sys::clock::monotonic_ns();
        let most = self.read(stacks);
        self.govern(most);
        self.hand_on(before, each);
    }

    /// Reads the rings a last time and hands on everything.
    pub fn finish(&mut self, stacks: &mut StackTable, each: impl FnMut(Seen)) {
        self.round_ns = sys::clock::monotonic_ns();
        self.read(stacks);
        let counted: u64 = self.lanes.iter().map(Lane::lost).sum();
        let untold = counted.saturating_sub(self.lost);
        if untold > 0 {
            // A ring that stayed full to the end has no record of its losses; else it comes with the next one that fits.
            self.lost = counted;
            self.lost_ahead += untold;
            self.hold_own(What::Lost(untold));
        }
        self.hand_on(u64::MAX, each);
    }

    /// Reads all rings; returns how many records the processor with most of them had.
    fn read(&mut self, stacks: &mut StackTable) -> u64 {
        let Self {
            lanes,
            held,
            told,
            chain,
            copies,
            names,
            lost,
            lost_ahead,
            density,
            density_before,
            since_ns,
            ..
        } = self;
        let mut most = 0;
        for told in told.iter_mut().flatten() {
            *told = told.among(held);
        }
        for (lane, last) in lanes.iter_mut().zip(told) {
            let now = lane.ids(*density);
            let before = lane.ids(*density_before);
            let bare = lane.bare_ids();
            let mut records = 0;
            let in_force = |stamp: Stamp| {
                let in_force = if stamp.monotonic_ns >= *since_ns { now } else { before };
                in_force.contains(&Some(stamp.id))
            };
            lane.ring().drain(|record| match record {
                Record::Sample(sample) => {
                    // At a change of density one event tells of a fault before the other is in force.
                    let Stamp { monotonic_ns, id, .. } = sample.stamp;
                    let at_border = monotonic_ns.abs_diff(*since_ns) < BORDER_NS;
                    let is_either = at_border && now.iter().chain(&before).any(|known| *known == Some(id));
                    if !is_either && !in_force(sample.stamp) {
                        records += 1;
                        return;
                    }
                    let fault = if bare.contains(&Some(id)) {
                        Held::fault_without_stack(&sample)
                    } else {
                        Held::fault(&sample, stacks, copies.as_ref(), chain)
                    };
                    let tells = Told::note(last, held, (id, fault), copies.as_ref());
                    records += u64::from(tells == Tells::New);
                }
                Record::Mapping(mapping) if in_force(mapping.stamp) => {
                    held.push(Held::mapped(&mapping, names))
                }
                Record::Name(name) if in_force(name.stamp) => held.push(Held::name(&name, names)),
                Record::Mapping(_) | Record::Name(_) => {}
                Record::Lost { stamp, count } => {
                    records += count;
                    let known = count.min(*lost_ahead);
                    *lost_ahead -= known;
                    *lost += count - known;
                    if count > known {
                        held.push(Held::new(stamp, What::Lost(count - known)));
                    }
                }
            });
            most = most.max(records);
        }
        most
    }

    /// Switches between every fault and one in so many, where the cost asks for it.
    fn govern(&mut self, most: u64) {
        let pieces = self.copies.as_ref().map_or(Pieces::Suffice, StackCopies::pieces);
        let density = self.governor.note(most, pieces, self.round_ns);
        if density == self.density {
            return;
        }
        // Both run for a moment, so that nothing between them is missed; `since_ns` parts them.
        if self.lanes.iter().any(|lane| lane.enable(density).is_err()) {
            return;
        }
        let before = self.density;
        self.since_ns = sys::clock::monotonic_ns();
        self.switched_ns = Some(self.since_ns);
        (self.density, self.density_before) = (density, before);
        for lane in &self.lanes {
            // It was switched on before; what the kernel took then it takes off again.
            let _ = lane.disable(before, density);
        }
        if density.period() != before.period() {
            self.hold_own(What::Period(density.period()));
        }
    }

    /// A thread was made that stands before its first instruction. Its events were copied from its maker's one by one, maybe
    /// while these were switched: then they are as before, and would stay so.
    pub fn see_birth(&mut self) {
        let now_ns = sys::clock::monotonic_ns();
        if self.switched_ns.is_none_or(|switched_ns| now_ns.saturating_sub(switched_ns) > BIRTH_NS) {
            return;
        }
        for lane in &self.lanes {
            // They could be switched a moment ago.
            let _ = lane.enable(self.density);
            let _ = lane.disable(self.density_before, self.density);
        }
    }

    fn hold_own(&mut self, what: What) {
        let monotonic_ns = if matches!(what, What::Period(_)) { self.since_ns } else { self.round_ns };
        self.held.push(Held { monotonic_ns, pid: Pid(0), tid: Tid(0), what });
    }

    fn hand_on(&mut self, before_ns: u64, mut each: impl FnMut(Seen)) {
        self.held.sort_by_key(|held| held.monotonic_ns);
        let ready = self.held.partition_point(|held| held.monotonic_ns < before_ns);
        let zero_ns = self.zero_ns;
        self.held.drain(..ready).for_each(|held| each(held.into_seen(zero_ns)));
    }
}

impl Drop for FaultWatch {
    fn drop(&mut self) {
        open::close(std::mem::take(&mut self.lanes));
    }
}
