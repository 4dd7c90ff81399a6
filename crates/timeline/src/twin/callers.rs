//! Who makes calls: the limits of each process, the personality of each thread.
//!
//! Neither belongs to a memory. A child of `vfork` has limits of its own in the memory of its maker, and the threads of one
//! memory may differ in their personality.
//! Linux: `include/linux/sched/signal.h: signal_struct`, `include/linux/sched.h: task_struct`.

use abi::{Pid, Resource, Rlimit, Tid};
use foldhash::HashMap as QuickMap;
use mm::{AddressSpace, Limits};
use recording::{CallInput, ExecEvent, Header, SpawnEvent};

/// The limits of processes and the personalities of threads.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Callers {
    /// What the first process inherits.
    first: Limits,
    /// Of processes of which anything else was told.
    limits: QuickMap<Pid, Limits>,
    threads: QuickMap<Tid, Thread>,
}

/// A thread that lives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Thread {
    pub(crate) pid: Pid,
    pub(crate) persona: u32,
}

/// What a state of a recording holds of them.
pub(crate) struct CallersState {
    pub(crate) limits: Vec<(Pid, Limits)>,
    pub(crate) threads: Vec<(Tid, Thread)>,
}

impl Callers {
    /// Begins with what the first process of a recording inherits.
    pub(super) fn new(header: &Header) -> Self {
        let mut first = Limits::default();
        header.run.limits.iter().for_each(|(resource, limit)| first.set(*resource, *limit));
        Self { first, ..Self::default() }
    }

    /// The thread `maker` has made another, or a process: it begins as its maker is.
    pub fn spawned(&mut self, maker: Tid, spawn: &SpawnEvent) {
        let SpawnEvent { child, child_pid, child_mm: _, kind: _ } = *spawn;
        let Thread { pid, persona } = self.thread(maker);
        self.threads.insert(child, Thread { pid: child_pid, persona });
        if pid == child_pid {
            return;
        }
        match self.limits.get(&pid).copied() {
            Some(limits) => self.limits.insert(child_pid, limits),
            // Its number may have been another's.
            None => self.limits.remove(&child_pid),
        };
    }

    /// A process has executed a program: the thread `leader` is all that is left of it.
    pub fn executed(&mut self, leader: Tid, exec: &ExecEvent) {
        self.threads.retain(|_, thread| thread.pid != exec.pid);
        self.threads.insert(leader, Thread { pid: exec.pid, persona: exec.personality as u32 });
    }

    /// A thread is no more.
    pub fn thread_ended(&mut self, tid: Tid) {
        self.threads.remove(&tid);
    }

    /// The last thread of a process is no more.
    pub fn process_ended(&mut self, tid: Tid) {
        let pid = self.thread(tid).pid;
        self.threads.retain(|_, thread| thread.pid != pid);
        self.limits.remove(&pid);
    }

    /// The limits of a thread's process.
    pub fn limits(&self, tid: Tid) -> Limits {
        self.limits_of(self.thread(tid).pid)
    }

    /// A limit of a thread's process is in force.
    pub fn set_limit(&mut self, tid: Tid, resource: Resource, limit: Rlimit) {
        let pid = self.thread(tid).pid;
        let mut limits = self.limits_of(pid);
        limits.set(resource, limit);
        self.limits.insert(pid, limits);
    }

    /// Gives a memory what a thread has that makes the next call in it.
    pub(super) fn enter(&self, tid: Tid, space: &mut AddressSpace) {
        let Thread { pid, persona } = self.thread(tid);
        space.set_caller(self.limits_of(pid), persona);
    }

    /// The process whose limits a call of a thread sets; `None` where it is not known.
    pub(super) fn target(&self, tid: Tid, input: &CallInput) -> Option<Pid> {
        match *input {
            CallInput::Rlimit { pid, .. } if pid != Pid(0) => self.named(pid),
            _ => Some(self.thread(tid).pid),
        }
    }

    /// Gives a memory the limits of a process, for a call that sets them.
    pub(super) fn aim(&self, pid: Pid, space: &mut AddressSpace) {
        space.set_caller(self.limits_of(pid), space.settings().persona);
    }

    /// Keeps the limits of a process as a call has left them.
    pub(super) fn keep_limits(&mut self, pid: Pid, limits: Limits) {
        self.limits.insert(pid, limits);
    }

    /// Keeps the personality of a thread as a call has left it.
    pub(super) fn keep_persona(&mut self, tid: Tid, persona: u32) {
        let thread = Thread { persona, ..self.thread(tid) };
        self.threads.insert(tid, thread);
    }

    /// The process that a number means, which may be that of any of its threads.
    fn named(&self, number: Pid) -> Option<Pid> {
        let leads = || self.limits.contains_key(&number).then_some(number);
        self.threads.get(&Tid(number.0)).map(|thread| thread.pid).or_else(leads)
    }

    /// One of which nothing was told is taken for the leader of a process.
    fn thread(&self, tid: Tid) -> Thread {
        self.threads.get(&tid).copied().unwrap_or(Thread { pid: Pid(tid.0), persona: 0 })
    }

    fn limits_of(&self, pid: Pid) -> Limits {
        self.limits.get(&pid).copied().unwrap_or(self.first)
    }

    /// Takes them apart.
    pub(super) fn state(&self) -> CallersState {
        let Self { first: _, limits, threads } = self;
        let mut limits: Vec<_> = limits.iter().map(|(pid, limits)| (*pid, *limits)).collect();
        limits.sort_unstable_by_key(|(pid, _)| *pid);
        let mut threads: Vec<_> = threads.iter().map(|(tid, thread)| (*tid, *thread)).collect();
        threads.sort_unstable_by_key(|(tid, _)| *tid);
        CallersState { limits, threads }
    }

    /// Puts them together.
    pub(super) fn of_state(header: &Header, state: CallersState) -> Self {
        let CallersState { limits, threads } = state;
        Self {
            limits: limits.into_iter().collect(),
            threads: threads.into_iter().collect(),
            ..Self::new(header)
        }
    }
}
