//! Running a program with its twin beside it.

use capture::{Command, Ended, RunError, TraceOptions, WhenToTell, machine};
use recording::{CallSource, FaultSource, Header, PageSource, Sources};

use super::memory::Every;
use super::program::Program;

/// Runs a program and checks every memory call of it. [`Ended::found`] is the report as JSON
/// ([`super::CHECK_SCHEMA`]).
///
/// # Preconditions
/// This process has one thread.
///
/// # Errors
/// If the command can't be executed or traced.
pub fn run(command: &Command, every: Every) -> Result<Ended, RunError> {
    // Everything the program made is checked to its end.
    let trace = TraceOptions { until: WhenToTell::AfterAll, ..TraceOptions::CHECK };
    capture::run(command, trace, |start| {
        if start.calls != CallSource::TwoStops {
            return Err("calls can't be stopped at both ends here: ptrace is needed".to_owned());
        }
        let header = Header {
            vmatlas: env!("CARGO_PKG_VERSION").to_owned(),
            machine: machine::machine(),
            run: machine::run(start.pid, start.zero_ns, None, None),
            sources: Sources {
                calls: CallSource::TwoStops,
                faults: FaultSource::Off,
                mapped: false,
                pages: PageSource::Scan,
                stacks: false,
                remarks: start.remarks.clone(),
            },
        };
        Ok(Program::new(&header, every))
    })
}
