//! What waiting for the tracees tells, and where it goes.

use abi::Tid;
use recording::Body;
use sys::ptrace::{self, Stop, Until, Waited};

use super::Tracer;
use crate::observer::Observer;

impl<O: Observer> Tracer<O> {
    /// Takes everything that has happened to tracees.
    pub(super) fn take_stops(&mut self) {
        // `ECHILD`: none is left. Threads that are still known then ended unseen.
        loop {
            match ptrace::wait_any() {
                Ok(Some((tid, waited))) => self.take(tid, waited),
                Ok(None) => break,
                Err(_) => {
                    self.forget_all();
                    break;
                }
            }
        }
    }

    fn take(&mut self, tid: Tid, waited: Waited) {
        match waited {
            Waited::Exited(_) | Waited::Killed(_) => self.ended(tid, waited),
            Waited::Continued => {}
            Waited::Stopped(stop) => self.stopped(tid, stop),
        }
    }

    fn stopped(&mut self, tid: Tid, stop: Stop) {
        if let Some(thread) = self.threads.get_mut(tid) {
            // Whatever call it was let go into is behind it.
            thread.let_go_ns = None;
        }
        self.give_turn_back(tid);
        match stop {
            Stop::Signal(signal) => {
                let signal = self.borrowers.deliver(tid, signal);
                self.go_on(tid, signal);
            }
            Stop::Group(signal) => self.group_stopped(tid, signal),
            Stop::Trap => self.trapped(tid),
            Stop::Spawn => self.has_spawned(tid),
            Stop::Exec => self.has_executed(tid),
            Stop::Exit => self.is_ending(tid),
            Stop::Seccomp => self.stands_before_call(tid),
            Stop::Syscall => self.stands_behind_call(tid),
            Stop::Other => self.go_on(tid, 0),
        }
    }

    /// Lets a tracee go on.
    pub(super) fn go_on(&mut self, tid: Tid, signal: i32) {
        // Killed meanwhile: its end is told by the next wait.
        let _ = ptrace::resume(tid, Until::Event, signal);
    }

    fn group_stopped(&mut self, tid: Tid, signal: i32) {
        let Some(thread) = self.threads.get_mut(tid) else {
            self.early.insert(tid);
            return;
        };
        thread.is_listening = true;
        let (pid, mm) = (thread.pid, thread.mm);
        if self.newborn.contains(&tid) {
            self.born(tid);
        }
        if self.threads.stopped.insert(pid) && self.threads.is_recorded(mm) {
            self.emit(tid, mm, Body::Stopped { signal });
        }
        let _ = ptrace::listen(tid);
    }

    /// A child's first stop, the end of a group stop, or a stop that was asked for.
    fn trapped(&mut self, tid: Tid) {
        let Some(thread) = self.threads.get_mut(tid) else {
            self.early.insert(tid);
            return;
        };
        let was_listening = std::mem::take(&mut thread.is_listening);
        let (pid, mm) = (thread.pid, thread.mm);
        if self.newborn.contains(&tid) {
            self.born(tid);
        }
        if was_listening && self.threads.stopped.remove(&pid) {
            if self.threads.is_recorded(mm) {
                self.emit(tid, mm, Body::Continued);
            }
            self.tell_continued(pid);
        }
        self.go_on(tid, 0);
    }
}
