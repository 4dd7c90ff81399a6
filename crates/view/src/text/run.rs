//! What ran, how long, how much.

use super::{Canvas, Line, Role};
use crate::report::{End, Faults, Report};
use crate::words::{bytes, count, plural, time};

/// How many calls are named before the rest is summed up.
const CALLS_NAMED: usize = 6;

pub(super) fn lines(report: &Report, canvas: Canvas) -> Vec<Line> {
    let run = &report.run;
    let title = run.command.as_deref().unwrap_or(&run.program);
    let mut lines = vec![Line::of(Role::Strong, canvas.cut(title, canvas.columns))];
    let facts = [
        format!("ran {}", time(run.duration_ns)),
        end(run.end),
        plural(run.processes, "process"),
        plural(run.threads, "thread"),
        plural(run.calls, "memory call"),
        faults(&run.faults),
    ];
    lines.extend(canvas.facts(&facts, 2));
    lines.extend(canvas.facts(&calls(report), 2));
    let recording = &report.recording;
    let facts = [
        format!("Linux {} {}", run.kernel, run.arch),
        if run.uid == 0 { "as root".to_owned() } else { format!("as user {}", run.uid) },
        recording.path.clone(),
        bytes(recording.bytes),
        plural(recording.events, "event"),
    ];
    for line in canvas.facts(&facts, 2) {
        lines.push(Line::of(Role::Faint, line.plain()));
    }
    if let Some(missing) = &recording.incomplete {
        lines.extend(canvas.sentence(Role::Warning, &format!("incomplete: {missing}"), 2));
    }
    lines
}

/// How a process ended, in words.
pub(super) fn end(end: End) -> String {
    match end {
        End::Exit(status) => format!("exit status {status}"),
        End::Signal(signal) => format!("killed by signal {signal}"),
        End::Running => "still running".to_owned(),
    }
}

fn faults(faults: &Faults) -> String {
    let Faults { recorded, estimated, minor, major } = faults;
    let kernel = minor.zip(*major).map(|(minor, major)| minor + major).filter(|kernel| kernel != recorded);
    match (estimated, kernel) {
        (Some(about), _) => {
            format!("{} recorded of about {}", plural(*recorded, "page fault"), count(*about))
        }
        (None, Some(kernel)) => {
            format!("{} recorded of {} the kernel counts", plural(*recorded, "page fault"), count(kernel))
        }
        (None, None) => plural(*recorded, "page fault"),
    }
}

fn calls(report: &Report) -> Vec<String> {
    let by_name = &report.run.calls_by_name;
    let (named, others) = by_name.split_at(by_name.len().min(CALLS_NAMED));
    let mut facts: Vec<String> =
        named.iter().map(|call| format!("{} {}", count(call.count), call.name)).collect();
    let others: u64 = others.iter().map(|call| call.count).sum();
    if others > 0 {
        facts.push(format!("{} other", count(others)));
    }
    facts
}
