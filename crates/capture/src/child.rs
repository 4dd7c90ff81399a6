//! The child between `fork` and `exec`.

use sys::filter::Action;
use sys::seccomp;
use sys::signals;
use sys::socket::Socket;
use sys::start;
use sys::{OsError, process};

use abi::Errno;

use crate::command::Command;
use crate::link::Message;

/// The status of a child that could not execute its command; the front knows why.
const EXIT_NOT_EXECUTED: i32 = 126;

/// Does what the tracer says, then executes the command. `status` is where the front learns why that failed; it
/// closes by itself when it did not fail.
pub(crate) fn run(command: &Command, calls: Action, tracer: &Socket, status: &Socket) -> ! {
    loop {
        match Message::receive(tracer) {
            Message::Tracer(pid) => {
                process::let_trace(pid);
                let _ = Message::Done.send(tracer);
            }
            Message::Filter => {
                let answer = install(calls);
                let _ = answer.send(tracer);
            }
            Message::Exec => {
                restore();
                // If this is the last word, the command was executed.
                let _ = Message::Done.send(status);
                let OsError { call, errno } = command.exec();
                let _ = Message::ChildFailed(errno, call.into()).send(status);
                process::exit_now(EXIT_NOT_EXECUTED);
            }
            _ => process::exit_now(EXIT_NOT_EXECUTED),
        }
    }
}

/// Makes what the program inherits what this process inherited.
fn restore() {
    let _ = signals::set_disposition(signals::SIGPIPE, start::sigpipe());
    let _ = signals::set_disposition(signals::SIGCHLD, start::sigchld());
    start::closed_streams().for_each(process::close);
}

/// Installs the filter; without a listener where another filter has one, or the kernel knows none.
fn install(calls: Action) -> Message {
    let failed = |error: OsError| Message::ChildFailed(error.errno, error.call.into());
    let mut result = install_now(calls);
    // Without privilege a filter needs the promise never to gain any.
    if result.as_ref().is_err_and(|error| error.errno == Errno::EACCES) {
        if let Err(error) = seccomp::set_no_new_privs() {
            return failed(error);
        }
        result = install_now(calls);
    }
    result.unwrap_or_else(failed)
}

fn install_now(calls: Action) -> Result<Message, OsError> {
    if calls == Action::Notify {
        match seccomp::install_with_listener(&sys::filter::program(Action::Notify)) {
            Ok(listener) => return Ok(Message::Listener(listener)),
            Err(error) if matches!(error.errno, Errno::EBUSY | Errno::EINVAL) => {}
            Err(error) => return Err(error),
        }
    }
    seccomp::install_for_tracer(&sys::filter::program(Action::Trace))?;
    Ok(Message::NoListener)
}
