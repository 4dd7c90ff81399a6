//! The processes and the largest growths.

use std::collections::HashMap;

use recording::MmId;
use timeline::{Process, Run};

use super::run::{end, program_name};
use crate::chains::Chains;
use crate::report::{self, Growth};
use crate::words::{bytes, plural, printable};

/// Writers told of each fork.
const WRITERS: usize = 4;

pub(super) fn processes(run: &Run, chains: &Chains<'_>) -> Vec<report::Process> {
    // A number is used again: a fork is told of the process that was made at the same time.
    let forks: HashMap<(i32, u64), &timeline::Fork> =
        run.forks.iter().map(|fork| ((fork.child_pid.0, fork.time.0), fork)).collect();
    let parent = |process: &Process| Some(run.processes.get(process.parent?.0)?.pid.0);
    let row = |process: &Process| report::Process {
        pid: process.pid.0,
        parent: parent(process),
        program: name(run, process),
        programs: process.programs.iter().map(|program| printable(&program.path)).collect(),
        fork: forks.get(&(process.pid.0, process.born.0)).and_then(|of| fork(of, chains)),
        start_ns: process.born.0,
        end_ns: process.ended.map(|(time, _)| time.0),
        end: end(process),
        threads: process.threads,
        calls: process.calls,
        faults: process.faults,
        peak_size: process.largest.virtual_bytes.0,
        peak_resident: process.largest.resident_bytes.map(|(bytes, _)| bytes),
        last_resident: process.last_resident.map(|(bytes, _)| bytes),
        last_resident_time_ns: process.last_resident.map(|(_, time)| time.0),
    };
    run.processes.iter().map(row).collect()
}

fn fork(fork: &timeline::Fork, chains: &Chains<'_>) -> Option<report::Fork> {
    let mut writers: Vec<(&timeline::Copier, &u64)> = fork.copied.iter().collect();
    writers.sort_by_key(|(copier, bytes)| (std::cmp::Reverse(**bytes), **copier));
    let writer = |(copier, bytes): (&timeline::Copier, &u64)| report::Writer {
        tid: copier.tid.0,
        in_child: copier.mm == fork.child,
        bytes: *bytes,
        frames: chains.frames(copier.stack),
    };
    Some(report::Fork {
        time_ns: fork.time.0,
        shared: fork.shared?,
        copied_by_child: fork.copied_in(fork.child),
        copied_by_parent: fork.copied_in(fork.parent),
        writers: writers.into_iter().take(WRITERS).map(writer).collect(),
    })
}

/// The program's name; a process that executed none has its maker's.
fn name(run: &Run, process: &Process) -> String {
    let mut process = process;
    while process.programs.is_empty() {
        // A parent is always an earlier process, so this ends.
        let Some(parent) = process.parent.and_then(|no| run.processes.get(no.0)) else { break };
        process = parent;
    }
    program_name(process)
}

pub(super) fn growths(run: &Run) -> Vec<Growth> {
    let mut growths: Vec<Growth> = run
        .growths
        .iter()
        .map(|growth| {
            let process = process_of(run, growth.mm, growth.tid.0);
            Growth {
                time_ns: growth.time.0,
                bytes: growth.bytes,
                pid: process.map(|process| process.pid.0),
                tid: growth.tid.0,
                program: process.map(|process| name(run, process)).unwrap_or_default(),
                cause: growth.call.to_string(),
            }
        })
        .collect();
    growths.extend(run.processes.iter().filter_map(|process| stack_growth(run, process)));
    growths.sort_by(|a, b| b.bytes.cmp(&a.bytes).then(a.time_ns.cmp(&b.time_ns)));
    growths
}

/// How the main stack of a process grew, as one growth.
fn stack_growth(run: &Run, process: &Process) -> Option<Growth> {
    let stack = process.stack?;
    let grown = stack.largest.len().checked_sub(stack.first.len()).filter(|grown| *grown > 0)?;
    Some(Growth {
        time_ns: stack.time.0,
        bytes: grown,
        pid: Some(process.pid.0),
        tid: process.pid.0,
        program: name(run, process),
        cause: format!(
            "page faults below the main stack: it grew from {} to {} in {}",
            bytes(stack.first.len()),
            bytes(stack.largest.len()),
            plural(stack.steps, "step")
        ),
    })
}

/// The process whose memory it was: by the thread where that is a process's first, else by the memory.
pub(super) fn process_of(run: &Run, mm: MmId, tid: i32) -> Option<&Process> {
    let by_tid = || run.processes.iter().rev().find(|process| process.pid.0 == tid);
    run.processes.iter().find(|process| process.mm == mm).or_else(by_tid)
}
