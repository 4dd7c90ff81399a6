//! What the page shows first.

use serde::Serialize;

use super::{Atlas, AtlasMemory, Density, KindSample, ThreadLane};
use crate::report::Report;
use crate::text;

/// The name of the overview's shape.
pub const OVERVIEW_SCHEMA: &str = "vmatlas.overview/1";

/// What the page shows first: the report and what is drawn over time, without the rectangles.
#[derive(Serialize)]
pub struct Overview<'a> {
    /// The report of the recording.
    pub report: &'a Report,
    /// The proof line.
    pub proof: String,
    /// How long the run was, in nanoseconds.
    pub duration_ns: u64,
    /// The moment of the largest resident size, in nanoseconds.
    pub peak_ns: u64,
    /// The memories, in order of appearance.
    pub memories: &'a [AtlasMemory],
    /// Resident bytes by kind at every page checkpoint.
    pub series: &'a [KindSample],
    /// Calls and faults over time.
    pub density: &'a Density,
    /// The threads, by process.
    pub threads: &'a [ThreadLane],
}

impl<'a> Overview<'a> {
    /// Puts the overview together.
    pub fn new(report: &'a Report, atlas: &'a Atlas) -> Self {
        let peak = report.memory.as_ref().and_then(|memory| memory.peak_resident);
        Self {
            report,
            proof: text::proof_sentence(report),
            duration_ns: atlas.duration_ns,
            peak_ns: peak.map_or(0, |peak| peak.time_ns),
            memories: &atlas.memories,
            series: &atlas.series,
            density: &atlas.density,
            threads: &atlas.threads,
        }
    }
}
