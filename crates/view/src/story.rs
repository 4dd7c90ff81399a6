//! The life of an address, in words.

use abi::{Tid, VirtAddr};
use recording::{Bytes, FaultAccess, MapRow};
use serde::Serialize;
use timeline::{Happened, Other, Process, Step, Unshared};

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
    let mut is_guard_gone = false;
    let before = steps.iter().filter(|step| step.event <= crash_event);
    let last = before.rev().find(|step| match &step.what {
        Happened::Unguarded { .. } => {
            is_guard_gone = true;
            false
        }
        Happened::Guarded { .. } => !is_guard_gone,
        what => tells_what_is_mapped(what),
    })?;
    let ago = crash_event.saturating_sub(last.event);
    match &last.what {
        Happened::Unmapped { .. } => {
            Some(format!("use after unmap: it was unmapped {} before", words::plural(ago, "event")))
        }
        Happened::Protected { row, .. } => {
            Some(format!("its protection became {} {} before", row.prot, words::plural(ago, "event")))
        }
        Happened::Guarded { .. } => {
            Some(format!("a guard: it was put there {} before", words::plural(ago, "event")))
        }
        Happened::Mapped { row, .. } | Happened::Replaced { row, .. } => Some(format!(
            "it is mapped {}: the access is not allowed there, or lies past the end of the file",
            row.prot
        )),
        _ => None,
    }
}

/// Whether a step says what is mapped from there on, or that nothing is.
fn tells_what_is_mapped(what: &Happened) -> bool {
    match what {
        Happened::Mapped { .. }
        | Happened::Protected { .. }
        | Happened::Replaced { .. }
        | Happened::Unmapped { .. } => true,
        Happened::Dropped { .. }
        | Happened::Guarded { .. }
        | Happened::Unguarded { .. }
        | Happened::Touched { .. }
        | Happened::CopiedOnWrite { .. }
        | Happened::TouchedAgain { .. }
        | Happened::Missed { .. }
        | Happened::Barred { .. }
        | Happened::Copied { .. }
        | Happened::Executed
        | Happened::Ended => false,
    }
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
        Happened::Guarded { call } => format!("made a guard, contents dropped, by {call}"),
        Happened::Unguarded { call } => format!("no longer a guard by {call}"),
        Happened::Touched { ip, access, forked } => touched(*ip, *access, *forked),
        Happened::CopiedOnWrite { ip, unshared: Unshared { child, other: Other::Had } } => {
            format!("copied on write at {ip}: shared since the fork of process {child}")
        }
        Happened::CopiedOnWrite { ip, unshared: Unshared { child, other: Other::Unknown } } => format!(
            "written at {ip}, first since the fork of process {child}: copied on write, or taken over if nobody else \
             had the page still"
        ),
        Happened::TouchedAgain { count } => format!("page faulted {} more", times(*count)),
        Happened::Missed { ip } => format!("touched at {ip} while nothing was mapped there"),
        Happened::Barred { ip } => format!("touched at {ip} while a guard was there"),
        Happened::Copied { child } => {
            format!("shared with the forked process {child} until one of the two writes")
        }
        Happened::Executed => "a program was executed: a new memory".into(),
        Happened::Ended => "the memory ended".into(),
    }
}

fn touched(ip: VirtAddr, access: FaultAccess, forked: Option<Tid>) -> String {
    let how = match (access, forked) {
        (FaultAccess::Read, _) => " (read)".into(),
        (FaultAccess::Write, _) => " (written)".into(),
        (FaultAccess::Exec, _) => " (executed)".into(),
        (FaultAccess::Unknown, None) => String::new(),
        (FaultAccess::Unknown, Some(child)) => format!(
            " since the fork of process {child}: read or written was not told; a write to what both had made it its \
             own (copied on write, or taken over)"
        ),
    };
    format!("page first touched at {ip}{how}")
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

#[cfg(test)]
mod tests {
    use abi::{Advice, Call};
    use recording::{MapRow, TimeNs};

    use super::*;

    fn step(event: u64, what: Happened) -> Step {
        Step { event, time: TimeNs(event), tid: Tid(7), process: None, what, stack: None }
    }

    fn guard(advice: Advice) -> Call {
        Call::Madvise { addr: VirtAddr(0x1000), len: 4096, advice }
    }

    fn mapped() -> Step {
        let range = abi::AddrRange::new(VirtAddr(0x1000), VirtAddr(0x3000));
        let (offset, file, name) = (abi::FileOff(0), abi::FileId::default(), Bytes::default());
        let row = MapRow { range, prot: abi::Prot::RW, shared: false, offset, file, name };
        step(1, Happened::Mapped { call: None, row, range })
    }

    #[test]
    fn a_verdict_is_about_what_is_mapped_whatever_came_of_the_page() {
        let guarded = step(3, Happened::Guarded { call: guard(Advice::GUARD_INSTALL) });
        let removed = step(4, Happened::Unguarded { call: guard(Advice::GUARD_REMOVE) });
        let forked = step(2, Happened::Copied { child: Tid(8) });
        let says = |steps: &[Step], words: &str| {
            let verdict = verdict(steps, 9).expect("something was there");
            assert!(verdict.contains(words), "{verdict}");
        };
        says(&[mapped(), forked.clone()], "it is mapped");
        says(&[mapped(), forked.clone(), guarded.clone()], "a guard: it was put there 6 events before");
        says(&[mapped(), forked, guarded, removed], "it is mapped");
        assert_eq!(verdict(&[step(2, Happened::Executed)], 9), None);
    }

    #[test]
    fn a_write_after_a_fork_claims_no_more_than_is_known() {
        let ip = VirtAddr(0x40_1000);
        let copied =
            |other| what(&Happened::CopiedOnWrite { ip, unshared: Unshared { child: abi::Pid(8), other } });
        assert_eq!(copied(Other::Had), "copied on write at 0x401000: shared since the fork of process 8");
        assert!(
            copied(Other::Unknown)
                .ends_with("copied on write, or taken over if nobody else had the page still")
        );
        let first = |access, forked| what(&Happened::Touched { ip, access, forked });
        assert_eq!(first(FaultAccess::Read, Some(Tid(8))), "page first touched at 0x401000 (read)");
        assert_eq!(first(FaultAccess::Unknown, None), "page first touched at 0x401000");
        let open = first(FaultAccess::Unknown, Some(Tid(8)));
        assert!(open.contains("the fork of process 8: read or written was not told"), "{open}");
    }
}
