//! From a child that waits before its command to a tracer that runs.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{Seek, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use abi::{Pid, Tid};
use recording::CallSource;
use sys::process;
use sys::ptrace::{self, OnTracerDeath};
use sys::seccomp::Listener;
use sys::shared::SharedWord;
use sys::signals::{self, Disposition, SignalFd, SignalSet};
use sys::socket::Socket;

use super::borrowers::Borrowers;
use super::threads::{Memory, Threads};
use super::two_stops::{Turns, TwoStops};
use super::{Root, Tracer, WhenToTell};
use crate::checkpoint::{Checkpointer, PagesWanted};
use crate::input::Mounts;
use crate::link::Message;
use crate::objects::ObjectsTold;
use crate::observer::{Observer, Start};
use crate::stacks::Copier;

/// What the tracer is given.
pub(crate) struct Setup {
    /// The child that waits.
    pub(crate) child: Pid,
    /// The way to it.
    pub(crate) to_child: Socket,
    /// The way to the front.
    pub(crate) front: Socket,
    /// The front.
    pub(crate) front_pid: Pid,
    /// The call that is being answered, for the front to see.
    pub(crate) answering: SharedWord,
    /// When the front is told that the program has ended.
    pub(crate) when_to_tell: WhenToTell,
    /// One memory call at a time in each memory.
    pub(crate) turns: Turns,
}

/// Traces from begin to end; what goes wrong at the beginning is told to the front.
pub(crate) fn run<O: Observer>(setup: Setup, make: impl FnOnce(&Start) -> Result<O, String>) {
    let result = begin(&setup).and_then(|begun| {
        let observer = make(&begun.start)?;
        Ok((begun, observer))
    });
    let (begun, observer) = match result {
        Ok(begun) => begun,
        Err(text) => {
            let _ = Message::Failed(text).send(&setup.front);
            return;
        }
    };
    // Of a folder that was mounted somewhere nothing is to be kept busy.
    let _ = std::env::set_current_dir("/");
    let Setup { child, to_child, front, front_pid, answering, when_to_tell, turns } = setup;
    if let Some(listener) = &begun.listener
        && let Ok(copy) = listener.fd().try_clone()
    {
        // Should the tracer die, the front answers.
        let _ = Message::Listener(copy).send(&front);
    }
    let mut threads = Threads::default();
    let mm = threads.new_memory(Memory::default());
    threads.add(Tid(child.0), child, mm);
    let _ = Message::Exec.send(&to_child);
    drop(to_child);
    let copier = observer.stack_copies().map(Copier::new);
    let mut tracer = Tracer {
        observer,
        copier,
        threads,
        borrowers: Borrowers::default(),
        listener: begun.listener,
        calls: begun.start.calls,
        two_stops: TwoStops::new(turns),
        queue: super::turns::Queue::new(),
        root: child,
        root_is: Root::NotExecuted,
        front: Some(front),
        front_pid,
        answering,
        when_to_tell,
        signals: begun.signals,
        checkpointer: Checkpointer::new(PagesWanted::Yes),
        objects: ObjectsTold::default(),
        mounts: Mounts::default(),
        zero_ns: begun.start.zero_ns,
        early: HashSet::new(),
        newborn: HashSet::new(),
        spawn_flags: HashMap::new(),
        has_warned: false,
        last_tick_ns: 0,
        events_since_tick: 0,
        idle_ticks: 0,
    };
    tracer.trace();
}

struct Begun {
    start: Start,
    listener: Option<Listener>,
    signals: SignalFd,
}

fn begin(setup: &Setup) -> Result<Begun, String> {
    leave_the_job(setup);
    signals::block(&SignalSet::all_but_faults());
    // Ignored by whoever started us, it would not come at all.
    let _ = signals::set_disposition(signals::SIGCHLD, Disposition::Default);
    let signals = SignalFd::new(&SignalSet::of(signals::SIGCHLD)).map_err(|error| error.to_string())?;
    let child = &setup.to_child;
    let _ = Message::Tracer(process::own_pid()).send(child);
    if !matches!(Message::receive(child), Message::Done) {
        return Err("the child has gone".into());
    }
    ptrace::seize(Tid(setup.child.0), OnTracerDeath::Live).map_err(|error| {
        format!("the program can't be traced: {error} (vmatlas needs ptrace: see vmatlas doctor)")
    })?;
    let _ = Message::Filter.send(child);
    let (listener, calls, remarks) = match Message::receive(child) {
        Message::Listener(fd) => (Some(Listener::new(fd)), CallSource::Notify, Vec::new()),
        Message::NoListener => (None, CallSource::TwoStops, Vec::new()),
        Message::ChildFailed(errno, call) => {
            let error = std::io::Error::from_raw_os_error(errno.0.into());
            return Err(format!("no filter can be installed on the program: {call}: {error}"));
        }
        _ => return Err("the child has gone".into()),
    };
    let start = Start { pid: setup.child, calls, zero_ns: sys::clock::monotonic_ns(), remarks };
    Ok(Begun { start, listener, signals })
}

/// Leaves the shell's job and whatever files it has open: a pipe must close when the program does.
fn leave_the_job(setup: &Setup) {
    // Not the session: the scheduler shares the processors out by session (autogroup), and on a busy machine a tracer
    // in one of its own is run ten times later. Signals of the terminal go to groups, and are held back besides.
    let _ = process::new_group();
    process::name_thread(c"vmatlas-tracer");
    // Two events for each processor, and files of threads: more than the 1024 that a shell gives.
    process::raise_file_limit();
    if let Ok(null) = File::options().read(true).write(true).open("/dev/null") {
        for fd in 0..=2 {
            let _ = process::redirect(&null, fd);
        }
    }
    process::close_all_but(3, &[setup.to_child.as_raw_fd(), setup.front.as_fd().as_raw_fd()]);
}

/// Puts bytes into a file in memory, to be handed over.
pub(super) fn in_memory(bytes: &[u8]) -> Option<OwnedFd> {
    let mut file = File::from(sys::files::memory_file(c"vmatlas").ok()?);
    file.write_all(bytes).ok()?;
    file.rewind().ok()?;
    Some(file.into())
}
