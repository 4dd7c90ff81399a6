//! A whole run, summed up: what a report shows.

use recording::{Completeness, Header, ObjectEvent, ReadError, TimeNs};
use snapshot::Snapshot;

use crate::counts::Counts;
use crate::curve::Curve;
use crate::forks::Fork;
use crate::growth::Growth;
use crate::ledgers::MemorySums;
use crate::peak::{Peak, Peaks};
use crate::processes::Process;
use crate::proof::Proof;
use crate::still::Still;
use crate::world::World;

/// A recording from start to end.
pub struct Run {
    /// The facts about machine and run.
    pub header: Header,
    /// Whether the file has its end.
    pub completeness: Completeness,
    /// What stopped the reading before the end of the good part, if something did.
    pub damage: Option<ReadError>,
    /// The time of the last event.
    pub duration: TimeNs,
    /// What happened how often.
    pub counts: Counts,
    /// Every process, in order of appearance.
    pub processes: Vec<Process>,
    /// How far twin and kernel agree.
    pub proof: Proof,
    /// The largest growths, largest first.
    pub growths: Vec<Growth>,
    /// Size over time, all memories together.
    pub curve: Curve,
    /// The executables and libraries seen.
    pub objects: Vec<ObjectEvent>,
    /// The moments kept.
    pub peaks: Peaks,
    /// What lived when the recording ended.
    pub alive: Vec<Still>,
    /// What the pages of each memory came to when most of it was resident.
    pub page_sums: Vec<MemorySums>,
    /// What each fork shared, and what was copied since, in the order of the forks.
    pub forks: Vec<Fork>,
}

impl Run {
    pub(crate) fn new(mut world: World, completeness: Completeness, damage: Option<ReadError>) -> Self {
        world.keep_virtual_peak();
        let alive = world.stills();
        world.keep_all_page_sums();
        for memory in world.memories.values() {
            world.processes.note(memory);
        }
        world.curve.extend_to(world.now);
        Self {
            header: world.header,
            completeness,
            damage,
            duration: world.now,
            counts: world.counts,
            processes: world.processes.all().to_vec(),
            proof: world.proof,
            growths: world.growths.largest().to_vec(),
            curve: world.curve,
            objects: world.objects,
            peaks: world.peaks,
            alive,
            page_sums: world.page_sums,
            forks: world.forks.into_all(),
        }
    }

    /// The memory that was largest and after how many events: by resident size where pages were read.
    pub fn peak_at(&self) -> Option<(u64, recording::MmId)> {
        self.peaks.largest_at().or(self.peaks.virtual_at())
    }

    /// The moment to show first: the largest resident size where pages were read, else the largest virtual size.
    pub fn peak(&self) -> Option<&Peak> {
        self.peaks.of_resident().or(self.peaks.of_virtual())
    }

    /// The memory whose resident size was the largest at any checkpoint with pages, at that moment; where no pages
    /// were read, the one with the largest virtual size at the moment of the run's largest.
    pub fn largest_memory(&self) -> Option<&Still> {
        let of_virtual = || {
            let memories = self.peaks.of_virtual().map(|peak| peak.memories.iter());
            memories.into_iter().flatten().max_by_key(|still| still.sample.virtual_bytes)
        };
        self.peaks.largest().or_else(of_virtual)
    }

    /// The last state of a process's memory: at its end, or at the end of the recording.
    pub fn last_of(&self, process: crate::ProcessNo) -> Option<&Still> {
        let all = self.peaks.last().iter().chain(&self.alive);
        let mm = self.processes.get(process.0)?.mm;
        all.clone().rev().find(|still| still.mm == mm)
    }

    /// Makes the snapshot of a memory held still.
    pub fn snapshot(&self, still: &Still) -> Snapshot {
        still.snapshot(&self.objects)
    }
}
