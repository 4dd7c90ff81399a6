//! The samples of the last minutes.

use std::collections::VecDeque;
use std::time::Duration;

use view::MapView;

/// Samples kept: ten minutes at one a second.
const SAMPLES_MAX: usize = 600;
/// Mappings kept of all samples together; a process with many keeps fewer samples.
const MAPPINGS_MAX: usize = 1_000_000;

/// The memory at one moment.
#[derive(Clone, PartialEq, Debug)]
pub struct Sample {
    /// When, since the view began.
    pub time: Duration,
    /// The memory.
    pub view: MapView,
}

/// The samples of the last minutes, oldest first.
#[derive(Clone, Debug, Default)]
pub struct History {
    samples: VecDeque<Sample>,
    mappings: usize,
    /// How many were dropped at the front.
    dropped: usize,
}

impl History {
    /// Adds a sample and drops the oldest ones where there are too many.
    pub fn push(&mut self, sample: Sample) {
        self.mappings += sample.view.mappings.len();
        self.samples.push_back(sample);
        while self.samples.len() > SAMPLES_MAX || self.mappings > MAPPINGS_MAX && self.samples.len() > 2 {
            let Some(oldest) = self.samples.pop_front() else { return };
            self.mappings -= oldest.view.mappings.len();
            self.dropped += 1;
        }
    }

    /// The samples kept: numbers of the first and of the one past the last.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.dropped..self.dropped + self.samples.len()
    }

    /// The sample of a number, as long as it is kept.
    pub fn get(&self, number: usize) -> Option<&Sample> {
        self.samples.get(number.checked_sub(self.dropped)?)
    }

    /// A quantity of the samples up to one, oldest first, at most the last `count`.
    pub fn series(&self, until: usize, count: usize, of: impl Fn(&MapView) -> u64) -> Vec<u64> {
        let end = (until + 1).saturating_sub(self.dropped).min(self.samples.len());
        let start = end.saturating_sub(count);
        self.samples.range(start..end).map(|sample| of(&sample.view)).collect()
    }
}
