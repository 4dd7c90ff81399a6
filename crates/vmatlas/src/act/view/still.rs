//! What a page without a server keeps of the largest memory at its peak: its pages and its flame graphs.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use recording::{MmId, TimeNs};
use serde::Serialize;
use serde_json::Value;
use timeline::Seeker;

use super::flame::{self, Measure};
use super::moments::cells;

/// Mappings whose pages are kept, the largest resident first.
const MAPPINGS_MAX: usize = 300;
/// Cells kept of each.
const CELLS_MAX: usize = 256;

/// One memory at one moment.
#[derive(Serialize)]
pub(super) struct StillPart {
    mm: u32,
    at_ns: u64,
    pages: Vec<Value>,
    flames: BTreeMap<&'static str, Value>,
}

impl StillPart {
    /// Reads it from a recording.
    pub(super) fn read(path: &Path, mm: MmId, at: TimeNs) -> anyhow::Result<Self> {
        let mut seeker = Seeker::open(path)?;
        let world = seeker.to_time(at)?;
        let still = world.still(mm).context("no such memory lives at its peak")?;
        let snapshot = still.snapshot(world.objects());
        let runs = still.page_runs();
        let resident =
            |mapping: &&snapshot::Mapping| std::cmp::Reverse(timeline::resident(runs, mapping.range));
        let mut mappings: Vec<&snapshot::Mapping> = snapshot.mappings.iter().collect();
        mappings.sort_by_key(resident);
        mappings.truncate(MAPPINGS_MAX);
        let pages = mappings.iter().filter_map(|mapping| {
            let mut told = cells(&snapshot, mapping.range, CELLS_MAX)?;
            told["at_ns"] = at.0.into();
            Some(told)
        });
        let flames =
            [("resident", Measure::Resident), ("mapped", Measure::Mapped), ("dirty", Measure::Dirty)];
        let flames = flames.into_iter().filter_map(|(name, measure)| {
            let rows = flame::rows(path, mm, (TimeNs(0), at), measure).ok()?;
            Some((name, flame::graph(&rows, false)))
        });
        Ok(Self { mm: mm.0, at_ns: at.0, pages: pages.collect(), flames: flames.collect() })
    }
}
