//! The tracer: a process of its own that traces, tells the observer, and does nothing else.

mod birth;
mod borrowers;
mod calls;
mod checkpoints;
mod exec;
mod exit;
mod handshake;
mod spawn_flags;
mod stops;
mod threads;
mod turns;
mod two_stops;

use std::collections::{HashMap, HashSet};
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use abi::{Pid, Tid};
use recording::{Body, CallSource, Event, MmId, TimeNs};
use sys::poll::PollSet;
use sys::process;
use sys::seccomp::Listener;
use sys::shared::SharedWord;
use sys::signals::{self, SignalFd};
use sys::socket::Socket;

use crate::checkpoint::Checkpointer;
use crate::input::Mounts;
use crate::link::Message;
use crate::objects::ObjectsTold;
use crate::observer::Observer;
use crate::stacks::Copier;
use borrowers::Borrowers;
use spawn_flags::SpawnFlags;
use threads::Threads;
use two_stops::TwoStops;

pub(crate) use handshake::{Setup, run};
pub use two_stops::Turns;

/// How often the clock ticks while something happens, and while nothing does.
const TICK: Duration = Duration::from_millis(50);
const TICK_IDLE: Duration = Duration::from_millis(500);
/// Ticks without an event after which nothing happens.
const TICKS_IDLE: u32 = 20;

/// The places of what is waited for.
const CALLS: usize = 0;
const SIGNALS: usize = 1;
const FRONT: usize = 2;
const WAKE_UPS: usize = 3;

/// The tracer's state.
pub(crate) struct Tracer<O> {
    observer: O,
    threads: Threads,
    borrowers: Borrowers,
    /// Where memory calls arrive; none where they stop for ptrace.
    listener: Option<Listener>,
    calls: CallSource,
    two_stops: TwoStops,
    /// Copies callers' stacks, if they are wanted.
    copier: Option<Copier>,
    /// Calls that wait for their turns.
    queue: turns::Queue,
    /// The process that executes the command.
    root: Pid,
    root_is: Root,
    /// The way to the front, as long as it listens.
    front: Option<Socket>,
    front_pid: Pid,
    /// The call that is being answered: should this process die, the front answers it.
    answering: SharedWord,
    when_to_tell: WhenToTell,
    signals: SignalFd,
    checkpointer: Checkpointer,
    objects: ObjectsTold,
    mounts: Mounts,
    zero_ns: u64,
    /// Children that stopped before their maker was heard of.
    early: HashSet<Tid>,
    /// Children that were heard of before they stopped.
    newborn: HashSet<Tid>,
    /// Flags of calls that make threads, changed for the time of the call.
    spawn_flags: HashMap<Tid, SpawnFlags>,
    /// The user was told that the program can't have a listener.
    has_warned: bool,
    last_tick_ns: u64,
    events_since_tick: u64,
    idle_ticks: u32,
}

/// How far the program has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Root {
    /// Its command is not executed yet.
    NotExecuted,
    Running,
    Ended,
}

/// When the front is told that the program has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WhenToTell {
    /// When it has; what it left running goes on being traced.
    AtOnce,
    /// When all that it left running has ended too.
    AfterAll,
}

impl<O: Observer> Tracer<O> {
    /// Traces until nothing that the filter is on lives any more.
    fn trace(&mut self) {
        let mut set = self.poll_set();
        let mut has_front = self.front.is_some();
        while self.listener.is_some() || self.threads.len() > 0 {
            if set.wait(self.timeout()).is_err() {
                continue;
            }
            if set.ready(SIGNALS).readable {
                while self.signals.take().is_some() {}
                self.take_stops();
            }
            let calls = set.ready(CALLS);
            if calls.readable {
                self.notified();
            } else if calls.hung_up {
                self.listener = None;
            }
            let from_front = set.ready(FRONT);
            if from_front.readable || from_front.hung_up {
                self.take_message();
            }
            let now = sys::clock::monotonic_ns();
            if !self.queue.is_empty() {
                self.end_long_turns(now);
            }
            let since = Duration::from_nanos(now.saturating_sub(self.last_tick_ns));
            if since >= TICK || set.any_readable_from(WAKE_UPS) {
                self.tick(now);
            }
            set.drop_closed_from(WAKE_UPS);
            if calls.hung_up || has_front != self.front.is_some() {
                has_front = self.front.is_some();
                set = self.poll_set();
            }
        }
        let found = self.observer.finished();
        self.tell_end(&found);
    }

    /// What is waited for, in the order of the places above.
    fn poll_set(&self) -> PollSet {
        let mut set = PollSet::default();
        set.add(self.listener.as_ref().map(|listener| listener.fd().as_raw_fd()));
        set.add(Some(self.signals.as_fd().as_raw_fd()));
        set.add(self.front.as_ref().map(AsRawFd::as_raw_fd));
        self.observer.wake_ups().iter().for_each(|fd| set.add(Some(fd.as_raw_fd())));
        set
    }

    fn timeout(&self) -> Duration {
        match self.idle_ticks {
            _ if !self.queue.is_empty() => Duration::from_nanos(turns::SETTLED_NS),
            0..=TICKS_IDLE => TICK,
            _ => TICK_IDLE,
        }
    }

    fn tick(&mut self, now_ns: u64) {
        self.last_tick_ns = now_ns;
        self.idle_ticks = if self.events_since_tick == 0 { self.idle_ticks.saturating_add(1) } else { 0 };
        self.events_since_tick = 0;
        self.let_waiting_go(now_ns);
        self.take_due_checkpoints(now_ns);
        if let Some(trouble) = self.observer.tick() {
            self.tell(&Message::Trouble(trouble));
        }
    }

    /// Hands an event on.
    fn emit(&mut self, tid: Tid, mm: MmId, body: Body) {
        let time = TimeNs(sys::clock::monotonic_ns().saturating_sub(self.zero_ns));
        self.events_since_tick += 1;
        self.observer.event(Event { time, tid, mm, body });
    }

    /// The front says something, or is gone.
    fn take_message(&mut self) {
        match self.front.as_ref().map(Message::receive) {
            Some(Message::Enough) => {
                self.when_to_tell = WhenToTell::AtOnce;
                if self.root_is == Root::Ended {
                    self.tell_so_far();
                }
            }
            _ => self.front_is_gone(),
        }
    }

    /// The front has been killed, or has gone before it was told the end: the program was to go with it.
    fn front_is_gone(&mut self) {
        self.front = None;
        if self.root_is != Root::Ended {
            // It may have ended at this moment.
            let _ = process::kill(self.root, signals::SIGKILL);
        }
    }

    fn tell(&mut self, message: &Message) {
        if let Some(front) = &self.front {
            // A front that is gone is seen by its end of the line.
            let _ = message.send(front);
        }
    }

    /// The program has ended: what there is of it is made safe, then the front is told.
    fn root_has_ended(&mut self) {
        if self.root_is == Root::NotExecuted {
            self.observer.abandoned();
        }
        self.root_is = Root::Ended;
        if self.threads.len() > 0 && self.when_to_tell == WhenToTell::AtOnce {
            self.tell_so_far();
        }
    }

    /// What the program left running goes on being traced, without the front.
    fn tell_so_far(&mut self) {
        let found = self.observer.program_ended();
        self.tell_found(&found);
        let left = self.threads.len() as u32;
        self.tell(&Message::Ended { left });
        self.front = None;
    }

    fn tell_end(&mut self, found: &[u8]) {
        if self.front.is_none() {
            return;
        }
        if let Some(trouble) = self.observer.tick() {
            self.tell(&Message::Trouble(trouble));
        }
        self.tell_found(found);
        self.tell(&Message::Ended { left: 0 });
    }

    fn tell_found(&mut self, found: &[u8]) {
        if !found.is_empty()
            && let Some(file) = handshake::in_memory(found)
        {
            self.tell(&Message::Found(file));
        }
    }
}
