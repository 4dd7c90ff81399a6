//! The front: the program's parent in the shell's job. It passes on what happens to either side, and nothing else.

mod relay;
mod takeover;

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use abi::{Errno, Pid};
use sys::poll::poll;
use sys::process::{self, Wait};
use sys::ptrace::{Stop, Waited};
use sys::seccomp::Listener;
use sys::shared::SharedWord;
use sys::signals::{self, Disposition, SignalFd, SignalSet};
use sys::socket::Socket;

use crate::command::CommandError;
use crate::link::Message;

/// How a program that was run has ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ended {
    /// The process.
    pub pid: Pid,
    /// How.
    pub how: How,
    /// How many threads that it made live on, still being recorded.
    pub left: u32,
    /// What went wrong on the way, one a line.
    pub troubles: Vec<String>,
    /// What the observer found.
    pub found: Vec<u8>,
}

/// How a program ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum How {
    /// By itself, with this status.
    Status(u8),
    /// By this signal.
    Signal(i32),
}

/// Why a program could not be run.
#[derive(Debug)]
pub enum RunError {
    /// Its command can't be executed.
    Command(CommandError),
    /// It can't be traced or recorded, in one line.
    Recording(String),
}

impl std::fmt::Display for RunError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Command(error) => write!(f, "{error}"),
            Self::Recording(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for RunError {}

/// Whom the front stands between.
pub(crate) struct People {
    /// The program.
    pub(crate) child: Pid,
    /// The tracer.
    pub(crate) tracer: Pid,
    /// The command's name.
    pub(crate) name: OsString,
    /// The call that the tracer answers.
    pub(crate) answering: SharedWord,
}

/// The front's state.
pub(crate) struct Front {
    people: People,
    /// The way to the tracer, until it is closed.
    tracer: Option<Socket>,
    /// Where the child says why its command could not be executed, until it is closed.
    status: Option<Socket>,
    signals: SignalFd,
    /// A copy of the filter's listener, for the day the tracer dies.
    listener: Option<Listener>,
    how: Option<How>,
    is_told: bool,
    /// When the tracer was asked to wait no longer for what the program left.
    asked: Option<Instant>,
    /// The command was executed, or is about to be.
    is_executed: bool,
    ended: Ended,
    error: Option<RunError>,
}

impl Front {
    /// Begins to wait for signals as messages. From here on this process is deaf to them.
    pub(crate) fn new(people: People, tracer: Socket, status: Socket) -> sys::OsResult<Self> {
        let pid = people.child;
        let all = SignalSet::all_but_faults();
        signals::block(&all);
        // Ignored by whoever started us, children would end without a word.
        let _ = signals::set_disposition(signals::SIGCHLD, Disposition::Default);
        Ok(Self {
            people,
            tracer: Some(tracer),
            status: Some(status),
            signals: SignalFd::new(&all)?,
            listener: None,
            how: None,
            is_told: false,
            asked: None,
            is_executed: false,
            ended: Ended { pid, how: How::Status(0), left: 0, troubles: Vec::new(), found: Vec::new() },
            error: None,
        })
    }

    /// Waits until the program has ended and its recording is safe.
    pub(crate) fn wait(mut self) -> Result<Ended, RunError> {
        self.reap();
        while self.how.is_none() || self.status.is_some() || (self.tracer.is_some() && !self.is_told) {
            let fds = [
                Some(self.signals.as_fd()),
                self.tracer.as_ref().map(Socket::as_fd),
                self.status.as_ref().map(Socket::as_fd),
            ];
            let Ok(ready) = poll(fds, Duration::from_secs(3600)) else { continue };
            if ready[1].readable || ready[1].hung_up {
                self.take_message();
            }
            if ready[2].readable || ready[2].hung_up {
                self.take_status();
            }
            if ready[0].readable {
                while let Some(taken) = self.signals.take() {
                    self.relay(taken);
                }
                self.reap();
            }
        }
        if self.ended.left == 0 && self.is_told {
            // It has said its last word: nobody else would wait for it.
            let _ = process::wait_child(self.people.tracer, Wait::UntilEvent);
        }
        // The next signal is for this process.
        signals::unblock(&SignalSet::all_but_faults());
        match self.error {
            Some(error) => Err(error),
            None => Ok(Ended { how: self.how.unwrap_or(How::Status(0)), ..self.ended }),
        }
    }

    fn take_message(&mut self) {
        let Some(tracer) = &self.tracer else { return };
        match Message::receive(tracer) {
            Message::Listener(fd) => self.listener = Some(Listener::new(fd)),
            Message::Trouble(text) => self.ended.troubles.push(text),
            Message::Found(fd) => {
                // As much as can be read.
                let _ = File::from(fd).read_to_end(&mut self.ended.found);
            }
            Message::Ended { left } => {
                self.is_told = true;
                self.ended.left = left;
            }
            Message::Failed(text) => {
                self.error = Some(RunError::Recording(text));
                self.is_told = true;
                // It waits for a word that will not come.
                let _ = process::kill(self.people.child, signals::SIGKILL);
            }
            _ => self.tracer_is_gone(),
        }
    }

    fn take_status(&mut self) {
        let Some(status) = &self.status else { return };
        match Message::receive(status) {
            Message::Done => self.is_executed = true,
            Message::ChildFailed(errno, _) => {
                self.error = Some(RunError::Command(CommandError { name: self.people.name.clone(), errno }));
            }
            _ => {
                self.status = None;
                if !self.is_executed && self.error.is_none() {
                    self.error =
                        Some(RunError::Recording("the tracer has died before the program began".into()));
                }
            }
        }
    }

    fn tracer_is_gone(&mut self) {
        self.tracer = None;
        if self.how.is_none() && self.error.is_none() {
            self.ended.troubles.push("the tracer has died: the recording ends early".into());
            if let Some(listener) = self.listener.take() {
                takeover::answer_from_now_on(listener, self.people.answering.get());
            }
        }
    }

    /// Takes what has happened to the child.
    fn reap(&mut self) {
        while self.how.is_none() {
            match process::wait_child(self.people.child, Wait::Not) {
                Ok(Some(Waited::Exited(code))) => self.how = Some(How::Status(code as u8)),
                Ok(Some(Waited::Killed(signal))) => self.how = Some(How::Signal(signal)),
                Ok(Some(Waited::Stopped(Stop::Signal(signal)))) => self.stop_too(signal),
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) if error.errno == Errno::EINTR => {}
                Err(_) => break,
            }
        }
    }
}

/// Ends this process as a program ended: with its status, or by the same signal, without a core.
pub fn end_as(how: How) -> ! {
    match how {
        How::Status(status) => std::process::exit(status.into()),
        How::Signal(signal) => {
            process::forbid_core();
            signals::suffer(signal);
            // A signal that does not end us, though it ended the program.
            std::process::exit(128 + signal)
        }
    }
}
