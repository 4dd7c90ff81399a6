//! How far the twin agrees with the kernel.

use proc_text::{MapsRow, write_maps_row};
use recording::{MapRow, MmId};
use timeline::ledger::Held;
use timeline::{PagesDiffered, Resync, Run, TotalsDiffered};

use super::processes::process_of;
use crate::report::{Difference, PageProof, PagesHeld, Proof, Resynced};
use crate::words::{bytes, printable};

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
            totals_differed: proof.totals_differed.iter().map(|one| totals_differed(run, one)).collect(),
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

fn whose(run: &Run, mm: MmId) -> String {
    process_of(run, mm, 0).map_or_else(String::new, |process| format!("pid {} ", process.pid))
}

fn totals_differed(run: &Run, one: &TotalsDiffered) -> String {
    let TotalsDiffered { event, time, mm, twin, anonymous, file } = one;
    let (seconds, whose) = (time.0 as f64 / 1e9, whose(run, *mm));
    let open =
        if twin.unsure > 0 { format!(", {} may be either", bytes(twin.unsure)) } else { String::new() };
    format!(
        "#{event} {seconds:.6}s {whose}: the twin has {} anonymous and {} of files{open}; the kernel counts {} and {}",
        bytes(twin.anonymous),
        bytes(twin.file),
        bytes(*anonymous),
        bytes(*file)
    )
}

fn differed(run: &Run, one: &PagesDiffered) -> String {
    let whose = whose(run, one.mm);
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
