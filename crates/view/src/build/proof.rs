//! How far the twin agrees with the kernel.

use proc_text::{MapsRow, write_maps_row};
use recording::MapRow;
use timeline::{Resync, Run};

use super::processes::process_of;
use crate::report::{Difference, Proof};
use crate::words::printable;

pub(super) fn proof(run: &Run) -> Proof {
    let proof = &run.proof;
    Proof {
        whole: proof.is_whole(),
        checkpoints: proof.checkpoints,
        checkpoints_matched: proof.checkpoints_matched,
        mappings: proof.mappings,
        mappings_matched: proof.mappings_matched,
        mappings_extra: proof.mappings_extra,
        mappings_in_flight: proof.mappings_in_flight,
        mappings_renamed: proof.mappings_renamed,
        calls: proof.calls,
        calls_confirmed: proof.calls_confirmed,
        calls_corrected: proof.calls_corrected,
        calls_unmodelled: proof.calls_unmodelled,
        calls_unknown: proof.calls_unknown,
        resyncs: proof.resyncs,
        inputs: proof.inputs.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect(),
        differences: proof.resynced.iter().map(|resync| difference(run, resync)).collect(),
        corrections: proof.corrections.iter().map(ToString::to_string).collect(),
    }
}

fn difference(run: &Run, resync: &Resync) -> Difference {
    let tid = resync.last_call.map_or(0, |last| last.tid.0);
    Difference {
        time_ns: resync.time.0,
        pid: process_of(run, resync.mm, tid).map(|process| process.pid.0),
        kernel: resync.first.kernel.iter().map(line).collect(),
        twin: resync.first.twin.iter().map(line).collect(),
        last_call: resync.last_call.map(|last| format!("#{} thread {} {}", last.event, last.tid, last.call)),
        reason: resync.reason.to_string(),
    }
}

/// A line as the kernel prints it.
fn line(row: &MapRow) -> String {
    let MapRow { range, prot, shared, offset, file, name } = row;
    let row = MapsRow { range: *range, prot: *prot, shared: *shared, offset: *offset, file: *file, name };
    let mut text = Vec::new();
    write_maps_row(&row, &mut text);
    printable(text.strip_suffix(b"\n").unwrap_or(&text))
}
