//! What a run is watched by: the recorder, or whoever checks calls as they happen.

use std::os::fd::BorrowedFd;

use crate::stacks::StackCopies;
use abi::{Pid, Tid};
use recording::{CallEvent, CallSource, Event, MmId};

/// What is known when tracing begins: the child is traced, its filter installed, its command not yet executed.
#[derive(Clone, Debug)]
pub struct Start {
    /// The process that will execute the command.
    pub pid: Pid,
    /// How its memory calls will be seen.
    pub calls: CallSource,
    /// The zero of all events' times, in nanoseconds of `CLOCK_MONOTONIC`.
    pub zero_ns: u64,
    /// What was not permitted and why, one a line.
    pub remarks: Vec<String>,
}

/// Who stands at a memory call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct At {
    /// The thread; it stands still, `/proc/TID` can be read.
    pub tid: Tid,
    /// Its process.
    pub pid: Pid,
    /// Its memory.
    pub mm: MmId,
    /// Whether it is the only one inside a memory call of this memory.
    pub order: Order,
}

/// Whether the order of calls is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// No other thread of this memory is inside a memory call.
    Alone,
    /// Others may be: the wait for them has become too long, or nobody asked for one at a time.
    Uncertain,
}

/// How the last of those who have a memory leaves it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Leaving {
    /// It ends.
    End,
    /// It is about to execute another program, which may fail (only told with [`CallSource::TwoStops`]).
    Exec,
}

/// Whether accesses are told that a signal ends a process for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Crashes {
    /// They are.
    Told,
    /// They are not.
    NotTold,
}

/// Takes what happens, in order.
///
/// Every method may take its time: the threads concerned stand still meanwhile, and those that reach a memory call
/// wait.
pub trait Observer {
    /// Something has happened. Calls come here too: at entry where results are not seen, after their exit where
    /// they are.
    fn event(&mut self, event: Event);

    /// Where copies of callers' stacks go, if they are wanted: they are made before a call is let go.
    fn stack_copies(&self) -> Option<StackCopies> {
        None
    }

    /// Whether to tell, as faults, of accesses that a signal ends a process for.
    fn crashes(&self) -> Crashes {
        Crashes::NotTold
    }

    /// A thread stands before a memory call (only with [`CallSource::TwoStops`]).
    fn entered(&mut self, at: At, call: &CallEvent) {
        let _ = (at, call);
    }

    /// A thread stands behind a memory call (only with [`CallSource::TwoStops`]); the event with its result follows.
    fn left(&mut self, at: At, call: &CallEvent) {
        let _ = (at, call);
    }

    /// A thread stands before a call that copies its memory for a child (only with [`CallSource::TwoStops`]). The child's
    /// event follows, unless the call fails.
    fn forking(&mut self, at: At) {
        let _ = at;
    }

    /// A thread has made no child of the call that [`Observer::forking`] told.
    fn fork_failed(&mut self, tid: Tid, mm: MmId) {
        let _ = (tid, mm);
    }

    /// A thread stands still that leaves a memory: the memory is there for the last time, unless others have it. At an end
    /// it is told of the last thread that has it.
    fn leaves(&mut self, tid: Tid, mm: MmId, how: Leaving) {
        let _ = (tid, mm, how);
    }

    /// Descriptors on whose readability [`Observer::tick`] is to be called early.
    fn wake_ups(&self) -> Vec<BorrowedFd<'_>> {
        Vec::new()
    }

    /// Called some twenty times a second. Returns what the user must be told, once.
    fn tick(&mut self) -> Option<String> {
        None
    }

    /// The program has ended while processes it made go on: everything so far is to be made safe. Returns what
    /// was found so far, as [`Observer::finished`] does; nobody listens from here on.
    fn program_ended(&mut self) -> Vec<u8> {
        Vec::new()
    }

    /// The command could not be executed: nothing has happened at all.
    fn abandoned(&mut self) {}

    /// Nothing follows. Returns what was found, for [`crate::Ended::found`].
    fn finished(&mut self) -> Vec<u8> {
        Vec::new()
    }
}
