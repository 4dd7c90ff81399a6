//! The tracer: a process of its own that traces, tells the observer, and does nothing else.

mod birth;
mod borrowers;
mod calls;
mod checkpoints;
mod exec;
mod exit;
mod handshake;
mod stops;
mod threads;
mod turns;
mod two_stops;

use std::collections::HashSet;
use std::os::fd::AsFd;
use std::time::Duration;

use abi::{Pid, Tid};
use recording::{Body, CallSource, Event, MmId, TimeNs};
use sys::poll::poll;
use sys::process;
use sys::seccomp::Listener;
use sys::shared::SharedWord;
use sys::signals::{self, SignalFd};
use sys::socket::Socket;

use crate::checkpoint::Checkpointer;
use crate::link::Message;
use crate::objects::ObjectsTold;
use crate::observer::Observer;
use borrowers::Borrowers;
use threads::Threads;
use two_stops::TwoStops;

pub use handshake::Turns;
pub(crate) use handshake::{Setup, run};

/// How often the clock ticks while something happens, and while nothing does.
const TICK: Duration = Duration::from_millis(50);
const TICK_IDLE: Duration = Duration::from_millis(500);
/// Ticks without an event after which nothing happens.
const TICKS_IDLE: u32 = 20;

/// The tracer's state.
pub(crate) struct Tracer<O> {
    observer: O,
    threads: Threads,
    borrowers: Borrowers,
    /// Where memory calls arrive; none where they stop for ptrace.
    listener: Option<Listener>,
    calls: CallSource,
    two_stops: TwoStops,
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
    zero_ns: u64,
    /// Children that stopped before their maker was heard of.
    early: HashSet<Tid>,
    /// Children that were heard of before they stopped.
    newborn: HashSet<Tid>,
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
        loop {
            let wake_ups = self.observer.wake_ups();
            let listener = self.listener.as_ref().map(|listener| listener.fd().as_fd());
            let front = self.front.as_ref().map(Socket::as_fd);
            let mut fds = vec![listener, Some(self.signals.as_fd()), front];
            fds.extend(wake_ups.into_iter().map(Some));
            let Ok(ready) = poll(&fds, self.timeout()) else { continue };
            if ready[1].readable {
                while self.signals.take().is_some() {}
                self.take_stops();
            }
            if ready[0].readable {
                self.notified();
            } else if ready[0].hung_up {
                self.listener = None;
            }
            if ready[2].hung_up {
                self.front_is_gone();
            }
            let now = sys::clock::monotonic_ns();
            let since = Duration::from_nanos(now.saturating_sub(self.last_tick_ns));
            if since >= TICK || ready[3..].iter().any(|ready| ready.readable) {
                self.tick(now);
            }
            if self.listener.is_none() && self.threads.len() == 0 {
                break;
            }
        }
        let found = self.observer.finished();
        self.tell_end(&found);
    }

    fn timeout(&self) -> Duration {
        if self.idle_ticks > TICKS_IDLE { TICK_IDLE } else { TICK }
    }

    fn tick(&mut self, now_ns: u64) {
        self.last_tick_ns = now_ns;
        self.idle_ticks = if self.events_since_tick == 0 { self.idle_ticks.saturating_add(1) } else { 0 };
        self.events_since_tick = 0;
        self.let_waiting_go(now_ns);
        self.end_long_turns(now_ns);
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
            self.observer.program_ended();
            let left = self.threads.len() as u32;
            self.tell(&Message::Ended { left });
            self.front = None;
        }
    }

    fn tell_end(&mut self, found: &[u8]) {
        if self.front.is_none() {
            return;
        }
        if let Some(trouble) = self.observer.tick() {
            self.tell(&Message::Trouble(trouble));
        }
        if !found.is_empty()
            && let Some(file) = handshake::in_memory(found)
        {
            self.tell(&Message::Found(file));
        }
        self.tell(&Message::Ended { left: 0 });
    }
}
