//! Trying on a child of our own whether recording is permitted here.

use std::time::Duration;

use abi::{Errno, Pid, Tid};
use sys::filter::{self, Action};
use sys::process::{self, Side, Wait};
use sys::ptrace::{self, OnTracerDeath, Waited};
use sys::{OsError, OsResult, seccomp};

const SIGKILL: i32 = 9;
/// How long a child waits to be traced and killed, should its parent die meanwhile.
const PATIENCE: Duration = Duration::from_secs(5);

/// Tries to trace a child.
///
/// # Preconditions
/// This process has one thread.
///
/// # Errors
/// What the kernel said.
pub fn tracing() -> OsResult<()> {
    let child = match process::fork()? {
        Side::Child => {
            std::thread::sleep(PATIENCE);
            process::exit_now(0)
        }
        Side::Parent(child) => child,
    };
    let result = ptrace::seize(Tid(child.0), OnTracerDeath::Kill);
    process::kill(child, SIGKILL)?;
    wait_for_end(child)?;
    result
}

/// Tries to install the filter on a child.
///
/// # Preconditions
/// This process has one thread.
///
/// # Errors
/// What the kernel said.
pub fn filter(action: Action) -> OsResult<()> {
    let program = filter::program(action);
    let child = match process::fork()? {
        Side::Child => {
            // From here on the child does no memory call: nobody would answer it.
            let result = seccomp::set_no_new_privs().and_then(|()| match action {
                Action::Notify => seccomp::install_with_listener(&program).map(std::mem::forget),
                Action::Trace => seccomp::install_for_tracer(&program),
            });
            process::exit_now(result.map_or_else(|error| i32::from(error.errno.0), |()| 0))
        }
        Side::Parent(child) => child,
    };
    match wait_for_end(child)? {
        Waited::Exited(0) => Ok(()),
        Waited::Exited(errno) => Err(refused(Errno(u16::try_from(errno).unwrap_or(0)))),
        // A container that kills whoever asks.
        _ => Err(refused(Errno::EPERM)),
    }
}

const fn refused(errno: Errno) -> OsError {
    OsError { call: "seccomp(SECCOMP_SET_MODE_FILTER)", errno }
}

fn wait_for_end(child: Pid) -> OsResult<Waited> {
    loop {
        match process::wait_child(child, Wait::UntilEvent)? {
            Some(end @ (Waited::Exited(_) | Waited::Killed(_))) => return Ok(end),
            // A traced child stops once more on its way out.
            Some(Waited::Stopped(_)) => ptrace::detach(Tid(child.0))?,
            Some(Waited::Continued) | None => {}
        }
    }
}
