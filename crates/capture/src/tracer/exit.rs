//! Ends of threads and processes.

use abi::Tid;
use abi::table::ROWS;
use recording::{Body, ExitStatus, MmId, Reason};
use sys::ptrace::{self, Registers, Waited};

use super::{Root, Tracer};
use crate::observer::{Leaving, Observer};

impl<O: Observer> Tracer<O> {
    /// A thread is about to end; its memory is still there.
    pub(super) fn is_ending(&mut self, tid: Tid) {
        let Some(thread) = self.threads.get_mut(tid) else {
            self.go_on(tid, 0);
            return;
        };
        thread.is_ending = true;
        let mm = thread.mm;
        self.cut_off(tid, mm);
        self.forget_waiting(tid);
        self.end_fork(tid);
        self.newborn.remove(&tid);
        if self.threads.is_recorded(mm) {
            self.name(tid);
            if self.threads.of_memory(mm).all(|(_, thread)| thread.is_ending) {
                self.observer.leaves(tid, mm, Leaving::End);
                self.checkpoint(tid, mm, Reason::Exit);
            }
        }
        self.go_on(tid, 0);
    }

    /// A thread that is killed inside a memory call has made it or not: its registers hold what it answered.
    fn cut_off(&mut self, tid: Tid, mm: MmId) {
        let Ok(Registers::X86_64 { nr, result, .. }) = ptrace::registers(tid) else { return };
        if ROWS.iter().any(|row| u64::from(row.x86_64) == nr) {
            if let Some(memory) = self.threads.memory_mut(mm) {
                memory.cut_off.push(tid);
            }
            self.end_call(tid, Some(result));
        }
    }

    /// A thread has ended.
    pub(super) fn ended(&mut self, tid: Tid, how: Waited) {
        self.borrowers.end(tid);
        self.early.remove(&tid);
        self.newborn.remove(&tid);
        self.spawn_flags.remove(&tid);
        self.end_call(tid, None);
        self.give_turn_back(tid);
        let status = match how {
            Waited::Killed(signal) => ExitStatus::Signal(signal),
            Waited::Exited(code) => ExitStatus::Code(code),
            Waited::Stopped(_) | Waited::Continued => return,
        };
        let Some((pid, mm)) = self.threads.get(tid).map(|thread| (thread.pid, thread.mm)) else { return };
        let is_recorded = self.threads.is_recorded(mm);
        self.threads.remove(tid);
        let last_thread = self.threads.of_process(pid).next().is_none();
        if is_recorded {
            self.emit(tid, mm, Body::Exit { status, last_thread });
        }
        if pid == self.root && last_thread && self.root_is != Root::Ended {
            self.root_has_ended();
        }
    }

    /// No tracee is left: whoever is still in the table could not be traced.
    pub(super) fn forget_all(&mut self) {
        let left: Vec<Tid> = self.threads.all().collect();
        for tid in left {
            self.threads.remove(tid);
        }
        if self.root_is != Root::Ended {
            self.root_has_ended();
        }
    }
}
