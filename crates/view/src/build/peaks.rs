//! The largest resident size of each kind, over the page checkpoints of a memory.

use std::collections::HashMap;

use recording::MmId;
use snapshot::{Group, Kind, Totals, classify};
use timeline::World;

/// The peaks of every memory: a few words each.
#[derive(Default)]
pub(super) struct KindPeaks {
    by_memory: HashMap<MmId, Peaks>,
}

/// The largest resident sizes of one memory, in bytes.
#[derive(Clone, Default)]
pub(super) struct Peaks {
    /// Page checkpoints.
    pub(super) checkpoints: u64,
    /// Of all together.
    pub(super) all: u64,
    groups: HashMap<Group, u64>,
    kinds: HashMap<Kind, u64>,
}

impl KindPeaks {
    /// Takes note of a memory just after a checkpoint that read its pages.
    pub(super) fn see(&mut self, mm: MmId, world: &World) {
        let Some(still) = world.still(mm) else { return };
        let snapshot = still.snapshot(world.objects());
        let totals = Totals::of(&snapshot, &classify(&snapshot));
        let peaks = self.by_memory.entry(mm).or_default();
        peaks.checkpoints += 1;
        let mut groups: HashMap<Group, u64> = HashMap::new();
        for total in &totals.kinds {
            let resident = total.amounts.pages.map_or(0, |pages| pages.resident);
            *groups.entry(total.kind.group()).or_default() += resident;
            raise(peaks.kinds.entry(total.kind).or_default(), resident);
        }
        raise(&mut peaks.all, groups.values().sum());
        for (group, resident) in groups {
            raise(peaks.groups.entry(group).or_default(), resident);
        }
    }

    /// The peaks of a memory, if its pages were ever read.
    pub(super) fn of(&self, mm: MmId) -> Option<&Peaks> {
        self.by_memory.get(&mm)
    }
}

impl Peaks {
    pub(super) fn group(&self, group: Group) -> u64 {
        self.groups.get(&group).copied().unwrap_or(0)
    }

    pub(super) fn kind(&self, kind: Kind) -> u64 {
        self.kinds.get(&kind).copied().unwrap_or(0)
    }
}

fn raise(peak: &mut u64, value: u64) {
    *peak = value.max(*peak);
}
