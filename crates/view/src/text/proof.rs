//! The proof line, and what the recording does not hold.

use super::{Canvas, Line, Role};
use crate::report::{Difference, NoteKind, PageProof, Proof, Report};
use crate::words::{count, plural, time};

/// How many differences are shown.
const DIFFERENCES_SHOWN: usize = 5;
/// How many lines of each side of a difference are shown.
const LINES_SHOWN: usize = 4;

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
    let role = if proof.whole { Role::Good } else { Role::Bad };
    lines.extend(canvas.sentence(role, &sentence(proof, &report.run.kernel), 0));
    if let Some(pages) = &proof.pages {
        let role = if pages.all.differing == 0 { Role::Good } else { Role::Bad };
        lines.extend(canvas.sentence(role, &page_sentence(pages), 0));
        for one in pages.differed.iter().take(DIFFERENCES_SHOWN) {
            lines.extend(canvas.sentence(Role::Bad, &format!("pages differ: {one}"), 2));
        }
        for one in pages.totals_differed.iter().take(DIFFERENCES_SHOWN) {
            lines.extend(canvas.sentence(Role::Bad, &format!("totals differ: {one}"), 2));
        }
    }
    for difference in proof.differences.iter().take(DIFFERENCES_SHOWN) {
        lines.extend(self::difference(difference, canvas));
    }
    for correction in proof.corrections.iter().take(DIFFERENCES_SHOWN) {
        lines.extend(canvas.sentence(Role::Plain, &format!("corrected: {correction}"), 2));
    }
    let hidden = |shown: usize| shown.saturating_sub(DIFFERENCES_SHOWN) as u64;
    let more = hidden(proof.differences.len()) + hidden(proof.corrections.len());
    if more > 0 {
        lines.push(Line::of(Role::Faint, format!("  {} more in --json", count(more))));
    }
    lines
}

/// A stretch where the maps differ, both sides of it.
fn difference(difference: &Difference, canvas: Canvas) -> Vec<Line> {
    let whose = difference.pid.map_or_else(String::new, |pid| format!(", pid {pid}"));
    let head = format!("at {}{whose}: {}", time(difference.time_ns), difference.reason);
    let mut lines = vec![Line::of(Role::Plain, canvas.cut(&format!("  {head}"), canvas.columns))];
    for (who, side) in [("kernel", &difference.kernel), ("twin", &difference.twin)] {
        if side.is_empty() {
            lines.push(Line::of(Role::Bad, format!("    {who:<7}nothing there")));
        }
        for line in side.iter().take(LINES_SHOWN) {
            // The columns up to the name are for the eye; a report has no room for them.
            let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
            lines.push(Line::of(Role::Bad, canvas.cut(&format!("    {who:<7}{line}"), canvas.columns)));
        }
        if side.len() > LINES_SHOWN {
            lines.push(Line::of(Role::Faint, format!("           and {} more", side.len() - LINES_SHOWN)));
        }
    }
    if let Some(call) = &difference.last_call {
        lines.push(Line::of(Role::Faint, canvas.cut(&format!("    last   {call}"), canvas.columns)));
    }
    lines
}

/// The proof of a report in one sentence.
pub fn proof_sentence(report: &Report) -> String {
    sentence(&report.proof, &report.run.kernel)
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
    let seen = proof.calls_confirmed + proof.calls_corrected;
    let parts = [
        (proof.mappings_extra, "mappings only in the twin"),
        (proof.mappings_in_flight, "mappings not compared (a call was under way)"),
        (proof.resyncs, "taken over from the kernel after a difference"),
    ];
    push_parts(&mut text, &parts);
    text.push_str(&format!("; {} replayed", plural(proof.calls, "call")));
    let parts = [
        (proof.calls_confirmed, "confirmed one by one"),
        (proof.calls_corrected, "corrected by the kernel"),
        (proof.calls.saturating_sub(seen), "checked by the maps only"),
        (proof.calls_unmodelled, "not modelled"),
        (proof.calls_unknown, "in memories whose map is not known"),
    ];
    push_parts(&mut text, &parts);
    text
}

/// How far pages were predicted, in one sentence.
fn page_sentence(pages: &PageProof) -> String {
    let PageProof {
        checkpoints,
        totals_matched,
        totals_moving,
        all,
        at_exit,
        differed: _,
        totals_differed: _,
    } = pages;
    let mut text = format!(
        "pages: {}/{} predicted at {}, {} asked of the kernel, {} differ",
        count(all.predicted),
        count(all.compared),
        plural(*checkpoints, "checkpoint"),
        count(all.resynced),
        count(all.differing),
    );
    let why: Vec<String> =
        all.resynced_by.iter().map(|one| format!("{} {}", count(one.pages), one.why)).collect();
    if !why.is_empty() {
        text.push_str(&format!(" (asked: {})", why.join(", ")));
    }
    if at_exit.anonymous_compared > 0 {
        text.push_str(&format!(
            "; at exit {} anonymous: {} predicted exactly, {} asked, {} differ",
            count(at_exit.anonymous_compared),
            count(at_exit.anonymous_predicted),
            count(at_exit.anonymous_resynced),
            count(at_exit.anonymous_differing),
        ));
    }
    text.push_str(&format!(
        "; {}/{} totals equal to the kernel's",
        count(*totals_matched),
        count(*checkpoints)
    ));
    let parts = [
        (*totals_moving, "off by less than what came or went while they were read"),
        (all.moving, "pages not compared as they came or went while they were read"),
        (all.other_rules, "of mappings with other rules"),
    ];
    push_parts(&mut text, &parts);
    text
}

fn push_parts(text: &mut String, parts: &[(u64, &str)]) {
    for (n, what) in parts.iter().filter(|(n, _)| *n > 0) {
        text.push_str(&format!(", {} {what}", count(*n)));
    }
}
