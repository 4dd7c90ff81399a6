//! Running a program: the child, the tracer beside it, the front that waits for both.

use std::fs::File;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use sys::filter::Action;
use sys::process::{self, Side};
use sys::shared::SharedWord;
use sys::signals::{self, Disposition};
use sys::socket::Socket;

use crate::child;
use crate::command::Command;
use crate::front::{Ended, Front, People, RunError};
use crate::observer::{Observer, Start};
use crate::recorder::{RecordOptions, Recorder};
use crate::tracer::{self, Setup, Turns, WhenToTell};

/// How a program is traced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TraceOptions {
    /// How its memory calls are seen.
    pub calls: Action,
    /// Whether the threads of a memory take turns at them.
    pub turns: Turns,
    /// When this call comes back.
    pub until: WhenToTell,
}

impl TraceOptions {
    /// For recording: at entry only.
    pub const RECORD: Self = Self { calls: Action::Notify, turns: Turns::Free, until: WhenToTell::AtOnce };
    /// For checking, and for recording results and order: at entry and exit, one call at a time.
    pub const CHECK: Self = Self { calls: Action::Trace, turns: Turns::Taken, until: WhenToTell::AtOnce };
}

/// A program that was run and recorded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recorded {
    /// How it ended.
    pub ended: Ended,
    /// The recording.
    pub path: PathBuf,
}

/// Runs a program and records it. Comes back when the program has ended.
///
/// # Preconditions
/// This process has one thread.
///
/// # Errors
/// If the command can't be executed, or the recording can't begin: then the command is not executed.
pub fn record(command: &Command, options: &RecordOptions, trace: TraceOptions) -> Result<Recorded, RunError> {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let path = |pid| options.output.path(pid, &command.program(), since_1970.as_secs());
    let ended = run(command, trace, |start| Recorder::begin(command, options, start, path(start.pid)))?;
    Ok(Recorded { path: path(ended.pid), ended })
}

/// Runs a program under an observer, which lives in a process of its own.
///
/// # Preconditions
/// This process has one thread.
///
/// # Errors
/// As [`record`].
pub fn run<O: Observer>(
    command: &Command,
    trace: TraceOptions,
    make: impl FnOnce(&Start) -> Result<O, String>,
) -> Result<Ended, RunError> {
    let failed = |error: sys::OsError| RunError::Recording(error.to_string());
    // Where it is ignored, no child leaves its status and no stop is told.
    signals::set_disposition(signals::SIGCHLD, Disposition::Default).map_err(failed)?;
    let (to_child, from_tracer) = Socket::pair().map_err(failed)?;
    let (to_front, to_tracer) = Socket::pair().map_err(failed)?;
    let (child_status, front_status) = Socket::pair().map_err(failed)?;
    let child = match process::fork().map_err(failed)? {
        Side::Child => {
            drop((to_child, to_front, to_tracer, front_status));
            child::run(command, trace.calls, &from_tracer, &child_status);
        }
        Side::Parent(child) => child,
    };
    drop((from_tracer, child_status));
    let front_pid = process::own_pid();
    let answering = SharedWord::new().map_err(failed)?;
    let tracer = match process::fork() {
        Ok(Side::Child) => {
            drop((to_tracer, front_status));
            let setup = Setup {
                child,
                to_child,
                front: to_front,
                front_pid,
                answering,
                when_to_tell: trace.until,
                turns: trace.turns,
            };
            // Whatever goes wrong in here must not come out as a second front.
            let traced = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| tracer::run(setup, make)));
            process::exit_now(i32::from(traced.is_err()));
        }
        Ok(Side::Parent(tracer)) => tracer,
        Err(error) => {
            let _ = process::kill(child, signals::SIGKILL);
            return Err(failed(error));
        }
    };
    drop((to_child, to_front));
    let people = People { child, tracer, name: command.name(), answering };
    let front = Front::new(people, to_tracer, front_status).map_err(failed)?;
    let_go_of_files();
    front.wait()
}

/// Input and output are the program's alone: a pipe must close when the program closes it.
fn let_go_of_files() {
    if let Ok(null) = File::options().read(true).write(true).open("/dev/null") {
        for fd in 0..=1 {
            let _ = process::redirect(&null, fd);
        }
    }
}
