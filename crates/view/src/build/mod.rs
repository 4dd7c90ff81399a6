//! The report of a recording, made by replaying it once.

pub(crate) mod memory;
mod notes;
mod peaks;
mod processes;
mod proof;
mod run;

use std::io::{Read, Seek};

use recording::{Body, Event};
use timeline::Replay;

use crate::curve::CurvePoint;
use crate::report::{RecordingFacts, Report};
use crate::words::printable;
use peaks::KindPeaks;

/// What the reader of a file knows besides its contents.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Its path as given.
    pub path: &'a [u8],
    /// Its size in bytes.
    pub bytes: u64,
}

/// Replays a recording to its end and reports on it. A damaged one is reported as far as it goes, and says so.
pub fn report<R: Read + Seek>(source: Source<'_>, replay: Replay<R>) -> Report {
    report_beside(source, replay, |_, _| {})
}

/// As [`report`]; `beside` sees every event and the state after it, so that one replay serves another reader too.
pub fn report_beside<R: Read + Seek>(
    source: Source<'_>,
    mut replay: Replay<R>,
    mut beside: impl FnMut(&Replay<R>, &Event),
) -> Report {
    let mut peaks = KindPeaks::default();
    // An error ends the loop here and again in `finish`, which keeps it.
    while let Ok(Some(event)) = replay.step() {
        beside(&replay, &event);
        if matches!(&event.body, Body::Checkpoint(checkpoint) if checkpoint.pages.is_some()) {
            peaks.see(event.mm, replay.world());
        }
    }
    let unknown = replay.reader().unknown_events();
    let run = replay.finish();
    Report {
        run: run::run(&run),
        recording: RecordingFacts {
            path: printable(source.path),
            bytes: source.bytes,
            events: run.counts.events,
            incomplete: notes::incomplete(&run),
        },
        memory: run.largest_memory().map(|still| memory::memory(&run, still, &peaks)),
        curve: curve(&run),
        growths: processes::growths(&run),
        processes: processes::processes(&run),
        proof: proof::proof(&run),
        notes: notes::notes(&run, unknown),
    }
}

#[cfg(test)]
mod tests;

fn curve(run: &timeline::Run) -> Vec<CurvePoint> {
    let bucket_ns = run.curve.bucket_ns();
    let mut has_pages = false;
    let points = run.curve.buckets().iter().zip(0u64..).map(|(sample, at)| {
        has_pages |= sample.resident_bytes > 0;
        CurvePoint {
            time_ns: (at * bucket_ns).min(run.duration.0),
            size: sample.virtual_bytes,
            resident: has_pages.then_some(sample.resident_bytes),
            mappings: sample.mappings,
        }
    });
    points.collect()
}
