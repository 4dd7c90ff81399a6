//! A recording read whole, as the page needs it.

use std::path::Path;

use anyhow::Context;
use serde::Serialize;
use timeline::Replay;
use view::Report;
use view::atlas::{Atlas, Overview};

/// A recording read whole.
pub(super) struct Loaded {
    pub(super) report: Report,
    pub(super) atlas: Atlas,
}

#[derive(Serialize)]
struct Embedded<'a> {
    overview: Overview<'a>,
    atlas: &'a Atlas,
}

impl Loaded {
    /// Reads it; `progress` is told now and then which part is done.
    pub(super) fn read(
        path: &Path,
        rects_max: usize,
        mut progress: impl FnMut(f64, Atlas),
    ) -> anyhow::Result<Self> {
        let replay = Replay::open(path).with_context(|| path.display().to_string())?;
        let atlas = view::atlas::atlas(replay, rects_max, |done, so_far| progress(done / 2.0, so_far));
        let report = crate::act::report::make(path)?;
        Ok(Self { report, atlas })
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
    pub(super) fn embedded(&self) -> anyhow::Result<String> {
        let overview = Overview::new(&self.report, &self.atlas);
        Ok(serde_json::to_string(&Embedded { overview, atlas: &self.atlas })?)
    }
}
