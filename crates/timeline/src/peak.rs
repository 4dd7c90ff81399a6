//! The moments worth keeping: where the run was largest, and each memory's last state.

use recording::{MmId, TimeNs};

use crate::curve::Sample;
use crate::still::Still;

/// Mappings of ended memories that are kept in all; the first ones are kept.
const LAST_MAPPINGS_MAX: u64 = 100_000;

/// A moment with the state of all memories that lived then.
#[derive(Clone)]
pub struct Peak {
    /// When.
    pub time: TimeNs,
    /// The number of the event that led there.
    pub event: u64,
    /// The sums over all memories.
    pub total: Sample,
    /// The memories.
    pub memories: Vec<Still>,
}

/// The moments kept of a run.
#[derive(Clone, Default)]
pub struct Peaks {
    at_virtual: Option<Peak>,
    /// The largest virtual size, whose state is not yet kept while it lasts.
    unkept: Option<Peak>,
    at_resident: Option<Peak>,
    largest: Option<Still>,
    /// After how many events.
    largest_at: u64,
    last: Vec<Still>,
    last_mappings: u64,
    /// Memories whose last state was not kept.
    dropped: u64,
}

impl Peaks {
    /// The moment of the largest virtual size.
    pub fn of_virtual(&self) -> Option<&Peak> {
        self.at_virtual.as_ref()
    }

    /// The checkpoint at which the resident size (the sum of each memory's last checkpoint) was largest.
    pub fn of_resident(&self) -> Option<&Peak> {
        self.at_resident.as_ref()
    }

    /// The one memory whose resident size was the largest at any checkpoint with pages, at that moment.
    pub fn largest(&self) -> Option<&Still> {
        self.largest.as_ref()
    }

    /// The last state of memories that ended, in order of their end.
    pub fn last(&self) -> &[Still] {
        &self.last
    }

    /// How many memories' last states were not kept, because there are too many.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The sums have changed.
    pub(crate) fn reach(&mut self, total: Sample, time: TimeNs, event: u64) {
        let largest =
            self.unkept.as_ref().or(self.at_virtual.as_ref()).map_or(0, |peak| peak.total.virtual_bytes);
        if total.virtual_bytes > largest {
            self.unkept = Some(Peak { time, event, total, memories: Vec::new() });
        }
    }

    /// Which memory's resident size was the largest, and after how many events.
    pub(crate) fn largest_at(&self) -> Option<(u64, MmId)> {
        self.largest.as_ref().map(|largest| (self.largest_at, largest.mm))
    }

    /// Which memory was the largest when the virtual size of all was, and after how many events.
    pub(crate) fn virtual_at(&self) -> Option<(u64, MmId)> {
        let peak = self.at_virtual.as_ref()?;
        let largest = peak.memories.iter().max_by_key(|still| still.sample.virtual_bytes)?;
        Some((peak.event + 1, largest.mm))
    }

    pub(crate) fn is_virtual_unkept(&self) -> bool {
        self.unkept.is_some()
    }

    pub(crate) fn keep_virtual(&mut self, memories: Vec<Still>) {
        if let Some(peak) = self.unkept.take() {
            self.at_virtual = Some(Peak { memories, ..peak });
        }
    }

    pub(crate) fn is_resident_peak(&self, total: Sample) -> bool {
        total.resident_bytes > self.at_resident.as_ref().map_or(0, |peak| peak.total.resident_bytes)
    }

    /// A memory's pages were read; its state is kept if no memory ever had more.
    pub(crate) fn see_pages(&mut self, resident_bytes: u64, events: u64, still: impl FnOnce() -> Still) {
        if resident_bytes > self.largest.as_ref().map_or(0, |largest| largest.sample.resident_bytes) {
            self.largest = Some(still());
            self.largest_at = events;
        }
    }

    pub(crate) fn keep_resident(&mut self, peak: Peak) {
        self.at_resident = Some(peak);
    }

    pub(crate) fn keep_last(&mut self, still: Still) {
        self.last_mappings += still.sample.mappings;
        if self.last_mappings <= LAST_MAPPINGS_MAX {
            self.last.push(still);
        } else {
            self.dropped += 1;
        }
    }
}
