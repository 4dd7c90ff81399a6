//! What is missing from a recording, and what it could not see.

use recording::{Completeness, FaultSource, LossSource, PageSource, UnmodelledWhy};
use timeline::Run;

use crate::chains::Chains;
use crate::report::{Note, NoteKind};
use crate::words::{bytes, count, plural};

/// What is missing from the file, in words; `None` if it was finished.
pub(super) fn incomplete(run: &Run) -> Option<String> {
    if let Some(error) = &run.damage {
        return Some(error.to_string());
    }
    match run.completeness {
        Completeness::Finished => None,
        Completeness::Recovered { bytes_lost: 0, .. } => {
            Some("the recorder did not finish the file; everything it wrote is here".to_owned())
        }
        Completeness::Recovered { good_bytes, bytes_lost, why } => Some(format!(
            "the last {} after byte {good_bytes} are unreadable ({why}); what lies before is here",
            bytes(bytes_lost)
        )),
    }
}

pub(super) fn notes(run: &Run, unknown_events: u64, chains: &Chains<'_>) -> Vec<Note> {
    let mut notes = Vec::new();
    let mut note = |kind, text: String| notes.push(Note { kind, text });
    for (source, lost) in &run.counts.lost {
        note(NoteKind::Lost, loss(*source, *lost));
    }
    if unknown_events > 0 {
        let text = format!("{} of a newer vmatlas, passed over", plural(unknown_events, "event"));
        note(NoteKind::Lost, text);
    }
    if run.peaks.dropped() > 0 {
        let text = format!("the last maps of {} were not kept", plural(run.peaks.dropped(), "process"));
        note(NoteKind::Meaning, text);
    }
    for (why, calls) in &run.counts.unmodelled {
        note(NoteKind::NotSeen, unmodelled(*why, *calls));
    }
    let sources = &run.header.sources;
    match sources.faults {
        FaultSource::All => {}
        FaultSource::UserOnly => note(
            NoteKind::NotSeen,
            "page faults taken in kernel mode (root sees them); pages are read at checkpoints all the same"
                .into(),
        ),
        FaultSource::Off => note(NoteKind::NotSeen, "page faults: they were not recorded".into()),
    }
    if sources.pages == PageSource::Off {
        note(
            NoteKind::NotSeen,
            "which pages are resident: neither PAGEMAP_SCAN nor pagemap could be read".into(),
        );
    }
    for remark in &sources.remarks {
        note(NoteKind::NotSeen, remark.clone());
    }
    if let Some(ends) = chains.ends() {
        note(NoteKind::Meaning, ends);
    }
    notes
}

fn loss(source: LossSource, lost: u64) -> String {
    match source {
        LossSource::Faults => {
            format!("{}: they came faster than they could be read", plural(lost, "page fault"))
        }
        LossSource::Mapped => {
            format!(
                "{} of the kernel's: they came faster than they could be read",
                plural(lost, "mapping record")
            )
        }
        LossSource::Calls => plural(lost, "memory call"),
        LossSource::Checkpoints => format!("{} that could not be read", plural(lost, "checkpoint")),
    }
}

fn unmodelled(why: UnmodelledWhy, calls: u64) -> String {
    let n = count(calls);
    match why {
        UnmodelledWhy::I386 => format!("what {n} calls of 32-bit code did (i386)"),
        UnmodelledWhy::X32 => format!("what {n} calls of x32 code did"),
        UnmodelledWhy::OwnFilter => {
            format!("what {n} calls did that a seccomp filter of the program's may answer")
        }
    }
}
