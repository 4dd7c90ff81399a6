//! What was found, as JSON: `vmatlas.check/1`.

use serde_json::{Value, json};

use super::found::{Divergence, Found};

/// The name of the report's shape.
pub const CHECK_SCHEMA: &str = "vmatlas.check/1";

/// Writes the report as one JSON object.
pub(super) fn report(kernel: &str, found: &Found) -> Vec<u8> {
    let unmodelled: Vec<Value> =
        found.unmodelled.iter().map(|(call, count)| json!({ "call": call, "count": count })).collect();
    let divergences: Vec<Value> = found.divergences.iter().map(divergence).collect();
    let mut report = json!({
        "schema": CHECK_SCHEMA,
        "kernel": kernel,
        "calls": found.calls,
        "predicted": found.predicted,
        "diverged": found.diverged,
        "maps_compared": found.maps_compared,
        "execs_predicted": found.execs_predicted,
        "ranges_compared": found.ranges_compared,
        "unmodelled": unmodelled,
        "order_uncertain": found.order_uncertain,
        "ranges_left_out": found.ranges_left_out,
        "processes": found.processes,
        "threads": found.threads,
        "inputs": found.inputs,
        "divergences": divergences,
    });
    if let (Some(pages), Some(report)) = (&found.pages, report.as_object_mut()) {
        let numbers = [
            ("pages_compared", pages.compared),
            ("pages_predicted", pages.predicted),
            ("pages_differing", pages.differing),
            ("pages_resynced", pages.resynced_all()),
            ("pages_resynced_anon", pages.anon_resynced),
            ("pages_anon", pages.anon_compared),
            ("pages_moving", pages.moving),
            ("pages_other_rules", pages.untold),
        ];
        report.extend(numbers.map(|(name, pages)| (name.to_owned(), json!(pages))));
        let by: Vec<Value> = pages
            .resynced
            .iter()
            .map(|(why, pages)| json!({ "why": why.to_string(), "pages": pages }))
            .collect();
        report.insert("pages_resynced_by".to_owned(), json!(by));
        let differ: Vec<String> = found.pages_differing.iter().map(ToString::to_string).collect();
        report.insert("pages_differ".to_owned(), json!(differ));
    }
    if let (Some(defect), Some(report)) = (found.defect, report.as_object_mut()) {
        report.insert("defect".to_owned(), json!(format!("{defect:?}")));
    }
    report.to_string().into_bytes()
}

fn divergence(divergence: &Divergence) -> Value {
    json!({
        "pid": divergence.pid.0,
        "tid": divergence.tid.0,
        "at_call": divergence.at_call,
        "call": divergence.call.map(|call| call.to_string()),
        "twin": divergence.twin.map(|twin| twin.answer),
        "kernel": divergence.kernel,
        "reasons": divergence.twin.map(|twin| twin.why.to_string()),
        "text": divergence.to_string(),
        "program": divergence.program.as_ref().map(ToString::to_string),
    })
}
