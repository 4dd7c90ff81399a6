//! Plain counts of a run: calls by name, faults, what was lost, what is not understood.

use std::collections::BTreeMap;

use recording::{FaultEvent, FaultMode, LossSource, UnmodelledWhy};

/// What happened how often.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Events of any kind.
    pub events: u64,
    /// Memory calls by name.
    pub calls: BTreeMap<&'static str, u64>,
    /// Page faults.
    pub faults: Faults,
    /// Threads, first ones of processes included.
    pub threads: u64,
    /// Checkpoints.
    pub checkpoints: u64,
    /// Calls that are not understood, by why.
    pub unmodelled: BTreeMap<UnmodelledWhy, u64>,
    /// Events that happened and are not in the recording, by source.
    pub lost: BTreeMap<LossSource, u64>,
}

/// Page faults.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Faults {
    /// In the recording.
    pub recorded: u64,
    /// Of these, taken in kernel mode.
    pub kernel_mode: u64,
    /// How many there were by the recording's periods: exact where [`Faults::is_sampled`] is false.
    pub estimated: u64,
    /// Whether any time only one in several was recorded.
    pub is_sampled: bool,
    /// One in so many is recorded now; 0: none.
    pub(crate) period: u64,
}

impl Default for Faults {
    fn default() -> Self {
        Self { recorded: 0, kernel_mode: 0, estimated: 0, is_sampled: false, period: 1 }
    }
}

impl Faults {
    pub(crate) fn add(&mut self, fault: &FaultEvent) {
        self.recorded += 1;
        self.kernel_mode += u64::from(fault.mode == FaultMode::Kernel);
        self.estimated += self.period.max(1);
    }

    /// Tells whether every fault is recorded now.
    pub(crate) fn is_every(&self) -> bool {
        self.period == 1
    }

    pub(crate) fn set_period(&mut self, period: u64) {
        self.period = period;
        self.is_sampled |= period != 1;
    }
}

impl Counts {
    /// Memory calls of any name.
    pub fn all_calls(&self) -> u64 {
        self.calls.values().sum()
    }
}
