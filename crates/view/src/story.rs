//! The life of an address, in words.

use recording::{Bytes, MapRow};
use serde::Serialize;
use timeline::{Happened, Process, Step};

use crate::chains::{Chains, FrameWords};
use crate::words;

/// Something that happened to an address.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct StoryLine {
    /// The number of the event.
    pub event: u64,
    /// When, in nanoseconds since the recording began.
    pub time_ns: u64,
    /// What, in words.
    pub what: String,
    /// Who: the thread and its process.
    pub who: String,
    /// The call chain, innermost first; empty where it is not known.
    pub frames: Vec<FrameWords>,
}

/// Puts the steps of a life into words.
pub fn story(steps: &[Step], processes: &[Process], chains: &Chains<'_>) -> Vec<StoryLine> {
    let line = |step: &Step| {
        let process = step.process.and_then(|no| processes.get(no.0));
        let who = match process {
            Some(process) if process.pid.0 == step.tid.0 => format!("process {}", process.pid),
            Some(process) => format!("thread {} of process {}", step.tid, process.pid),
            None => format!("thread {}", step.tid),
        };
        let frames = chains.frames(step.stack);
        StoryLine { event: step.event, time_ns: step.time.0, what: what(&step.what), who, frames }
    };
    steps.iter().map(line).collect()
}

/// What the address is at the end of its story, said of a crash: how long it has not been mapped.
pub fn verdict(steps: &[Step], crash_event: u64) -> Option<String> {
    let last = steps.iter().rfind(|step| !is_touch(&step.what) && step.event <= crash_event)?;
    let ago = crash_event.saturating_sub(last.event);
    match &last.what {
        Happened::Unmapped { .. } => {
            Some(format!("use after unmap: it was unmapped {} before", words::plural(ago, "event")))
        }
        Happened::Protected { row, .. } => {
            Some(format!("its protection became {} {} before", row.prot, words::plural(ago, "event")))
        }
        Happened::Mapped { row, .. } | Happened::Replaced { row, .. } => Some(format!(
            "it is mapped {}: the access is not allowed there, or lies past the end of the file",
            row.prot
        )),
        _ => None,
    }
}

fn is_touch(what: &Happened) -> bool {
    matches!(what, Happened::Touched { .. } | Happened::TouchedAgain { .. } | Happened::Missed { .. })
}

fn what(happened: &Happened) -> String {
    let by = |call: &Option<abi::Call>| {
        call.map_or_else(|| "by the kernel's word".into(), |call| format!("by {call}"))
    };
    match happened {
        Happened::Mapped { call, row, range } => {
            let size = words::bytes(range.len());
            format!("mapped {}, {size} {}, {}", by(call), row.prot, name(&row.name))
        }
        Happened::Protected { call, row } => format!("protected as {} {}", row.prot, by(call)),
        Happened::Replaced { call, row } => format!("replaced {}: now {}", by(call), shown(row)),
        Happened::Dropped { call } => format!("contents dropped by {call}"),
        Happened::Unmapped { call } => format!("unmapped {}", by(call)),
        Happened::Touched { ip } => format!("page first touched at {ip}"),
        Happened::TouchedAgain { count } => format!("page faulted {} more", times(*count)),
        Happened::Missed { ip } => format!("touched at {ip} while nothing was mapped there"),
        Happened::Copied { child } => {
            format!("shared with the forked process {child} until one of the two writes")
        }
        Happened::Executed => "a program was executed: a new memory".into(),
        Happened::Ended => "the memory ended".into(),
    }
}

fn times(count: u64) -> String {
    if count == 1 { "once".into() } else { format!("{} times", words::count(count)) }
}

fn shown(row: &MapRow) -> String {
    format!("{}, {} {}", name(&row.name), words::bytes(row.range.len()), row.prot)
}

fn name(name: &Bytes) -> String {
    if name.is_empty() { "anonymous".into() } else { words::printable(name) }
}
