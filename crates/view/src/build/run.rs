//! What ran.

use recording::ExitStatus;
use timeline::{Process, Run};

use crate::report::{self, CallCount, End, Faults};
use crate::report_findings::mappings_max;
use crate::words::{command, printable};

pub(super) fn run(run: &Run) -> report::Run {
    let first = run.processes.first();
    let header = &run.header;
    let mut calls_by_name: Vec<CallCount> = run
        .counts
        .calls
        .iter()
        .map(|(name, count)| CallCount { name: (*name).to_owned(), count: *count })
        .collect();
    calls_by_name.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.name.cmp(&b.name)));
    report::Run {
        command: header.run.command.as_ref().map(|args| command(args.iter().map(|arg| &arg[..]))),
        program: first.map(program_name).unwrap_or_default(),
        duration_ns: run.duration.0,
        end: first.map_or(End::Running, end),
        processes: run.processes.len() as u64,
        threads: run.counts.threads,
        calls: run.counts.all_calls(),
        calls_by_name,
        faults: faults(run),
        mappings: run.processes.iter().map(|process| process.largest.mappings).max().unwrap_or(0),
        mappings_max: mappings_max(run),
        kernel: header.machine.kernel.clone(),
        arch: header.machine.arch.clone(),
        uid: header.run.uid,
    }
}

/// The name of the program that a process executed last: the last part of its path.
pub(super) fn program_name(process: &Process) -> String {
    match process.programs.last() {
        Some(program) => {
            let path: &[u8] = &program.path;
            printable(path.rsplit(|byte| *byte == b'/').next().unwrap_or(path))
        }
        None => String::new(),
    }
}

pub(super) fn end(process: &Process) -> End {
    match process.ended {
        Some((_, ExitStatus::Code(code))) => End::Exit(code),
        Some((_, ExitStatus::Signal(signal))) => End::Signal(signal),
        None => End::Running,
    }
}

fn faults(run: &Run) -> Faults {
    let faults = run.counts.faults;
    // The kernel's counts are of whole processes: known only if every one was read.
    let counters: Option<Vec<_>> =
        run.processes.iter().map(|process| process.last_counters.map(|(_, sums)| sums)).collect();
    let sum = |of: fn(&recording::Counters) -> u64| counters.as_ref().map(|all| all.iter().map(of).sum());
    Faults {
        recorded: faults.recorded,
        estimated: faults.is_sampled.then_some(faults.estimated),
        minor: sum(|sums| sums.minor_faults),
        major: sum(|sums| sums.major_faults),
    }
}
