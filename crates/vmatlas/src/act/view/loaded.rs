//! A recording read whole, as the page needs it.

use std::path::Path;
use std::time::{Duration, Instant};

use recording::{MmId, TimeNs};
use serde::Serialize;
use view::Report;
use view::atlas::{Atlas, AtlasBuilder, Overview};

use super::still::StillPart;
use crate::act::report;

/// After how many events the clock is asked.
const EVENTS_BETWEEN: u64 = 1024;
/// How long what is known so far stays as it was told.
const PROGRESS_EVERY: Duration = Duration::from_millis(50);

/// A recording read whole.
pub(super) struct Loaded {
    pub(super) report: Report,
    pub(super) atlas: Atlas,
}

#[derive(Serialize)]
struct Embedded<'a> {
    overview: Overview<'a>,
    atlas: &'a Atlas,
    still: Option<StillPart>,
}

impl Loaded {
    /// Reads it in one replay; `progress` is told now and then which part is done, and
    /// may ask what is known so far.
    pub(super) fn read(
        path: &Path,
        rects_max: usize,
        mut progress: impl FnMut(f64, &AtlasBuilder),
    ) -> anyhow::Result<Self> {
        let mut builder = AtlasBuilder::new(rects_max);
        let mut told = Instant::now();
        let report = report::make_beside(path, |replay, event| {
            builder.see(replay.world(), event);
            let events = replay.world().counts().events;
            if events.is_multiple_of(EVENTS_BETWEEN) && told.elapsed() > PROGRESS_EVERY {
                progress(events as f64 / replay.reader().len().max(1) as f64, &builder);
                told = Instant::now();
            }
        })?;
        Ok(Self { report, atlas: builder.finish() })
    }

    /// The overview as JSON.
    pub(super) fn overview(&self) -> anyhow::Result<Vec<u8>> {
        let mut json = Vec::new();
        view::json::write(
            view::atlas::OVERVIEW_SCHEMA,
            &Overview::new(&self.report, &self.atlas),
            &mut json,
        )?;
        Ok(json)
    }

    /// Everything as one JSON text, for the page without a server.
    pub(super) fn embedded(&self, path: &Path) -> anyhow::Result<String> {
        let overview = Overview::new(&self.report, &self.atlas);
        let at = TimeNs(overview.peak_ns);
        let largest = self.atlas.memories.iter().max_by_key(|memory| memory.resident_max);
        // What is not to be had is left out: the page says so.
        let still = largest.and_then(|memory| StillPart::read(path, MmId(memory.mm), at).ok());
        Ok(serde_json::to_string(&Embedded { overview, atlas: &self.atlas, still })?)
    }
}
