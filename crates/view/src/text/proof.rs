//! The proof line, and what the recording does not hold.

use super::{Canvas, Line, Role};
use crate::report::{NoteKind, Proof, Report};
use crate::words::{count, plural, time};

/// How many differences are shown.
const DIFFERENCES_SHOWN: usize = 5;

pub(super) fn lines(report: &Report, canvas: Canvas) -> Vec<Line> {
    let mut lines = Vec::new();
    for note in &report.notes {
        let (role, word) = match note.kind {
            NoteKind::Lost => (Role::Warning, "lost: "),
            NoteKind::NotSeen => (Role::Faint, "not seen: "),
            NoteKind::Meaning => (Role::Faint, ""),
        };
        lines.extend(canvas.sentence(role, &format!("{word}{}", note.text), 0));
    }
    let proof = &report.proof;
    let role = if proof.mappings_matched == proof.mappings { Role::Good } else { Role::Bad };
    lines.extend(canvas.sentence(role, &sentence(proof, &report.run.kernel), 0));
    for difference in proof.differences.iter().take(DIFFERENCES_SHOWN) {
        let at = format!("at {}, pid {}:", time(difference.time_ns), difference.pid);
        lines.push(Line::of(Role::Plain, format!("  {at}")));
        for (who, line) in [("kernel", &difference.kernel), ("twin", &difference.twin)] {
            let line = if line.is_empty() { "nothing there" } else { line };
            lines.push(Line::of(Role::Bad, canvas.cut(&format!("    {who:<7}{line}"), canvas.columns)));
        }
        if let Some(call) = &difference.last_call {
            lines.push(Line::of(Role::Faint, canvas.cut(&format!("    last   {call}"), canvas.columns)));
        }
    }
    let more = proof.differences.len().saturating_sub(DIFFERENCES_SHOWN);
    if more > 0 {
        lines.push(Line::of(Role::Faint, format!("  {} more in --json", count(more as u64))));
    }
    lines
}

/// The proof in one sentence: what was compared, what agreed, what was not compared.
fn sentence(proof: &Proof, kernel: &str) -> String {
    if proof.checkpoints == 0 {
        return "twin: compared with nothing, the recording holds no map of the kernel's".to_owned();
    }
    let mut text = format!(
        "twin: {}/{} maps, {}/{} mappings identical to Linux {kernel}",
        count(proof.checkpoints_matched),
        count(proof.checkpoints),
        count(proof.mappings_matched),
        count(proof.mappings),
    );
    let predicted = proof.calls_predicted;
    text.push_str(&format!("; {} predicted", plural(predicted, "call result")));
    let unseen = predicted.saturating_sub(proof.calls_confirmed + proof.calls_corrected);
    let parts = [
        (proof.calls_confirmed, "confirmed one by one"),
        (proof.calls_corrected, "corrected by the kernel"),
        (unseen, "known only through the maps"),
        (proof.calls_unmodelled, "not modelled"),
        (proof.mappings_in_flight, "mappings not compared (a call was under way)"),
    ];
    for (n, what) in parts.into_iter().filter(|(n, _)| *n > 0) {
        text.push_str(&format!(", {} {what}", count(n)));
    }
    text
}
