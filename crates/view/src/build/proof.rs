//! How far the twin agrees with the kernel.

use proc_text::{MapsRow, write_maps_row};
use recording::MapRow;
use timeline::ledger::Held;
use timeline::{PagesDiffered, Resync, Run};

use super::processes::process_of;
use crate::report::{Difference, PageProof, PagesHeld, Proof, Resynced};
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
        pages: (proof.page_checkpoints > 0).then(|| PageProof {
            checkpoints: proof.page_checkpoints,
            totals_matched: proof.page_totals_matched,
            totals_moving: proof.page_totals_moving,
            all: held(&proof.pages),
            at_exit: held(&proof.pages_at_exit),
            differed: proof.pages_differed.iter().map(|one| differed(run, one)).collect(),
        }),
    }
}

fn held(held: &Held) -> PagesHeld {
    PagesHeld {
        compared: held.compared,
        predicted: held.predicted,
        resynced: held.resynced_all(),
        resynced_by: held
            .resynced
            .iter()
            .map(|(why, pages)| Resynced { why: why.to_string(), pages: *pages })
            .collect(),
        differing: held.differing,
        anonymous_compared: held.anon_compared,
        anonymous_predicted: held.anon_predicted,
        anonymous_resynced: held.anon_resynced,
        anonymous_differing: held.anon_differing,
        moving: held.moving,
        other_rules: held.untold,
    }
}

fn differed(run: &Run, one: &PagesDiffered) -> String {
    let whose =
        process_of(run, one.mm, 0).map_or_else(String::new, |process| format!("pid {} ", process.pid));
    let PagesDiffered { event, time, mm: _, pages, first, twin, kernel } = one;
    let seconds = time.0 as f64 / 1e9;
    format!(
        "#{event} {seconds:.6}s {whose}{first}: the twin says {twin}, the kernel {kernel} ({pages} pages)"
    )
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
