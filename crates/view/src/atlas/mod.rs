//! Address × time: every mapping of a run as rectangles, what was resident of it, what happened when.
//!
//! A mapping that grows, is split or re-protected is several rectangles, one after another; each knows the event
//! that made it and the one that ended it.
//!
//! ```text
//! address ▲
//!         │        ┌──────────┐ munmap
//!         │  ┌─────┤  ┌───────┴──
//!         │  │     └──┘ mprotect: split
//!         └──┴─────────────────────► time
//! ```

mod build;
mod draft;
mod lanes;
mod overview;
mod rects;
mod series;

use std::collections::BTreeMap;

use serde::Serialize;

pub use build::{AtlasBuilder, atlas};
pub use draft::{Draft, draft};
pub use lanes::ThreadLane;
pub use overview::{OVERVIEW_SCHEMA, Overview};
pub use rects::{Rect, Window};
pub use series::{Density, KindSample};

/// The name of the atlas's shape.
pub const ATLAS_SCHEMA: &str = "vmatlas.atlas/1";

/// A whole run as a picture's data.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Atlas {
    /// How long the run was, in nanoseconds.
    pub duration_ns: u64,
    /// How many events the recording holds.
    pub events: u64,
    /// The memories, in order of appearance.
    pub memories: Vec<AtlasMemory>,
    /// Names that rectangles refer to by their place here.
    pub names: Vec<String>,
    /// The rectangles, in order of their ends in time.
    pub rects: Vec<Rect>,
    /// Resident bytes by kind at every page checkpoint, all memories together.
    pub series: Vec<KindSample>,
    /// Calls and faults over time.
    pub density: Density,
    /// The threads, by process.
    pub threads: Vec<ThreadLane>,
    /// What the events were that made or ended rectangles, by number.
    pub causes: BTreeMap<u64, String>,
    /// Rectangles left out because they are too many.
    pub left_out: u64,
}

/// One memory.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct AtlasMemory {
    /// Its number in the recording.
    pub mm: u32,
    /// The process that had it first.
    pub pid: i32,
    /// Its program.
    pub program: String,
    /// When it appeared.
    pub from_ns: u64,
    /// When it ended; the run's end where it lived on.
    pub to_ns: u64,
    /// Its largest resident size at a page checkpoint, in bytes.
    pub resident_max: u64,
}
