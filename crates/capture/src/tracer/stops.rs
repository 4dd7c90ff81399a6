//! What waiting for the tracees tells, and where it goes.

use std::fs;

use abi::table::{ROWS, When};
use abi::{Tid, VirtAddr};
use recording::{Body, FaultAccess, FaultEvent, FaultMode};
use sys::filter::ARCH_X86_64;
use sys::ptrace::{self, Registers, Stop, Until, Waited};

use super::Tracer;
use super::calls::{Meaning, Raw};
use crate::observer::{Crashes, Observer};

/// What a call that a signal has ended returns inside the kernel: it is made again if the handler says so.
const ERESTARTSYS: i64 = -512;
/// The same, made again whatever the handler says.
const ERESTARTNOINTR: i64 = -513;

/// `SIGBUS` and `SIGSEGV` in a set of signals.
const BAD_ACCESS: u64 = 1 << 6 | 1 << 10;

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
                self.insist_on_call(tid);
                self.tell_crash(tid);
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

    /// A signal stops a thread: if it is for an access and ends the process, that is told as a fault, which may not be among
    /// those that are recorded.
    fn tell_crash(&mut self, tid: Tid) {
        if self.observer.crashes() == Crashes::NotTold {
            return;
        }
        let Ok(Some(addr)) = ptrace::bad_access(tid) else { return };
        let Some(mm) = self.threads.get(tid).map(|thread| thread.mm) else { return };
        if !self.threads.is_recorded(mm) || is_handled(tid) {
            return;
        }
        let Ok(Registers::X86_64 { ip, .. }) = ptrace::registers(tid) else { return };
        let stack = self.copier.as_mut().and_then(|copier| copier.copy_at_fault(tid));
        let (ip, mode, access) = (VirtAddr(ip), FaultMode::User, FaultAccess::Unknown);
        self.emit(tid, mm, Body::Fault(FaultEvent { addr, ip, mode, access, stack }));
    }

    /// A signal has come before the listener took a memory call: the call is made again after the signal's handler.
    ///
    /// The kernel leaves that to the handler's `SA_RESTART`, as for calls that wait by nature. Memory calls do not:
    /// a program that was told `EINTR` would take it for a lack of memory.
    fn insist_on_call(&self, tid: Tid) {
        if self.listener.is_none() {
            return;
        }
        let is_left = match ptrace::registers(tid) {
            Ok(Registers::X86_64 { nr, args, result, .. }) => {
                let raw = Raw { arch: ARCH_X86_64, nr: nr as u32, args };
                result == ERESTARTSYS && !matches!(raw.meaning(), Meaning::Nothing | Meaning::Exec)
            }
            // Only where the number alone says that it is a memory call.
            Ok(Registers::I386 { nr, result }) => {
                let mut rows = ROWS.iter().filter(|row| row.i386 == Some(nr));
                i64::from(result) == ERESTARTSYS && rows.any(|row| matches!(row.when, When::Always))
            }
            Err(_) => false,
        };
        if is_left {
            let _ = ptrace::set_result(tid, ERESTARTNOINTR);
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

/// Whether a thread's process has a handler for bad accesses that is not held off.
fn is_handled(tid: Tid) -> bool {
    let status = fs::read_to_string(format!("/proc/{tid}/status")).unwrap_or_default();
    let has = |field: &str| {
        let mask = status.lines().find_map(|line| line.strip_prefix(field)).map(str::trim);
        mask.and_then(|mask| u64::from_str_radix(mask, 16).ok()).is_some_and(|mask| mask & BAD_ACCESS != 0)
    };
    has("SigCgt:") && !has("SigBlk:")
}
