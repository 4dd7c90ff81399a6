//! The report of a recording, made by replaying it once.

pub(crate) mod memory;
mod notes;
mod peaks;
mod processes;
mod proof;
mod run;

use std::collections::HashMap;
use std::io::{Read, Seek};

use recording::{Body, Event, MmId, Symbols};
use timeline::{Replay, Sites, World};

use crate::chains::Chains;
use crate::curve::CurvePoint;
use crate::report::{RecordingFacts, Report};
use crate::words::printable;
use crate::{report_findings, resident};
use peaks::KindPeaks;

/// What the reader of a file knows besides its contents.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Its path as given.
    pub path: &'a [u8],
    /// Its size in bytes.
    pub bytes: u64,
    /// The names of its call chains, where they are known.
    pub symbols: Option<&'a Symbols>,
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
    let (mut sites, mut pids) = (Sites::default(), HashMap::new());
    // An error ends the loop here and again in `finish`, which keeps it.
    loop {
        let no = replay.world().counts().events;
        let Ok(Some(event)) = replay.step() else { break };
        sites.see(no, &event, replay.world());
        note_pid(&mut pids, &event, replay.world());
        beside(&replay, &event);
        if matches!(&event.body, Body::Checkpoint(checkpoint) if checkpoint.pages.is_some()) {
            peaks.see(event.mm, replay.world());
        }
    }
    let unknown = replay.reader().unknown_events();
    let run = replay.finish();
    let seen = report_findings::Seen { run: &run, sites: &sites, symbols: source.symbols, pids: &pids };
    let chains = Chains::new(source.symbols);
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
        processes: processes::processes(&run, &chains),
        resident: resident::resident(&run, source.symbols),
        findings: report_findings::find(&seen),
        proof: proof::proof(&run),
        notes: notes::notes(&run, unknown, &chains),
    }
}

/// Which process has a memory first.
fn note_pid(pids: &mut HashMap<MmId, i32>, event: &Event, world: &World) {
    if matches!(event.body, Body::Call(_) | Body::Fault(_))
        && !pids.contains_key(&event.mm)
        && let Some(process) = world.processes().of(event.tid)
    {
        pids.insert(event.mm, process.pid.0);
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
