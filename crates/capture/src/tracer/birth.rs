//! New threads and processes.

use std::path::Path;

use abi::{Pid, Tid, VirtAddr};
use recording::{Body, Reason, SpawnEvent, SpawnKind};
use sys::filter::{CLONE_VM, NR_CLONE, NR_CLONE3, NR_FORK};
use sys::ptrace::{self, OnTracerDeath, Registers};
use sys::{memory, process, signals};

use super::Tracer;
use super::threads::Memory;
use crate::observer::Observer;

const NR_VFORK: u32 = 58;

const CLONE_VFORK: u64 = 0x4000;
const CLONE_THREAD: u64 = 0x1_0000;

impl<O: Observer> Tracer<O> {
    /// A thread has made another.
    pub(super) fn has_spawned(&mut self, parent: Tid) {
        if let Ok(message) = ptrace::event_message(parent) {
            let child = Tid(message as i32);
            if self.threads.get(child).is_none() {
                let kind = kind_of(parent, child);
                self.add_child(parent, child, kind);
                self.has_made(parent, child, kind);
                if self.early.remove(&child) {
                    self.born(child);
                    self.go_on(child, 0);
                } else {
                    self.newborn.insert(child);
                }
            }
        }
        self.go_on(parent, 0);
        self.end_fork(parent);
    }

    fn add_child(&mut self, parent: Tid, child: Tid, kind: SpawnKind) {
        let Some(maker) = self.threads.get(parent) else { return };
        let (maker_pid, maker_mm) = (maker.pid, maker.mm);
        let child_pid = if kind == SpawnKind::Thread { maker_pid } else { Pid(child.0) };
        let child_mm = match kind {
            SpawnKind::Fork => {
                let maker = self.threads.memory(maker_mm).cloned().unwrap_or_default();
                let Memory { is_recorded, start_stack, .. } = maker;
                self.threads.new_memory(Memory { is_recorded, start_stack, ..Memory::default() })
            }
            SpawnKind::Thread | SpawnKind::Vfork | SpawnKind::SharedMemory => maker_mm,
        };
        self.threads.add(child, child_pid, child_mm);
        if child_pid != maker_pid {
            self.threads.inherit_limits(maker_pid, child_pid);
        }
        if let (Some(copier), SpawnKind::Fork | SpawnKind::Vfork) = (&mut self.copier, kind) {
            copier.begins(child, Some(parent));
        }
        if kind == SpawnKind::Vfork {
            self.borrowers.begin(child);
        }
        if self.threads.is_recorded(maker_mm) {
            self.emit(parent, maker_mm, Body::Spawn(SpawnEvent { child, child_pid, child_mm, kind }));
        }
    }

    /// A child that is known stands before its first instruction.
    pub(super) fn born(&mut self, child: Tid) {
        self.newborn.remove(&child);
        self.put_back(child);
        let Some((pid, mm)) = self.threads.get(child).map(|thread| (thread.pid, thread.mm)) else { return };
        if let Some(copier) = self.copier.as_mut().filter(|_| pid.0 != child.0) {
            copier.begins(child, None);
        }
        if self.threads.are_alone(mm)
            && self.threads.memory(mm).is_some_and(|memory| memory.checkpoint_ns == 0)
        {
            self.checkpoint(child, mm, Reason::Fork);
        }
    }

    /// A thread that nobody told of makes a memory call: it was made with `CLONE_UNTRACED`, which only a listener sees.
    pub(super) fn adopt(&mut self, tid: Tid) {
        let status = std::fs::read(format!("/proc/{tid}/status")).unwrap_or_default();
        let Ok(status) = proc_text::status(&status) else { return };
        let id = |field: Option<u64>| field.map(|id| Pid(id as i32));
        let pid = id(status.tgid).unwrap_or(Pid(tid.0));
        let parent = if pid.0 == tid.0 { id(status.ppid).unwrap_or(self.root) } else { pid };
        let maker = self.threads.of_process(parent).map(|(tid, _)| tid).next().unwrap_or(Tid(self.root.0));
        let kind = if pid.0 != tid.0 {
            SpawnKind::Thread
        } else if process::share_memory(maker, tid) == Ok(true) {
            SpawnKind::SharedMemory
        } else {
            SpawnKind::Fork
        };
        self.add_child(maker, tid, kind);
        // If it can't be traced, its end is not seen until the filter's last user is gone.
        let _ = ptrace::seize(tid, OnTracerDeath::Live);
    }

    /// A stopped process goes on: the front stopped with it, and must go on too.
    pub(super) fn tell_continued(&mut self, pid: Pid) {
        if pid == self.root && self.front.is_some() {
            let _ = process::kill(self.front_pid, signals::SIGCONT);
        }
    }
}

/// How a child was made: by the arguments of the call its maker stands in, else by what the two share.
fn kind_of(parent: Tid, child: Tid) -> SpawnKind {
    let flags = match ptrace::registers(parent) {
        Ok(Registers::X86_64 { nr, args, .. }) => match nr as u32 {
            NR_FORK => Some(0),
            NR_VFORK => Some(u64::from(CLONE_VM) | CLONE_VFORK),
            NR_CLONE => Some(args[0]),
            NR_CLONE3 => memory::read_words(parent, VirtAddr(args[0]), 1).map(|words| words[0]),
            _ => None,
        },
        _ => None,
    };
    match flags {
        Some(flags) if flags & CLONE_THREAD != 0 => SpawnKind::Thread,
        Some(flags) if flags & u64::from(CLONE_VM) == 0 => SpawnKind::Fork,
        Some(flags) if flags & CLONE_VFORK != 0 => SpawnKind::Vfork,
        Some(_) => SpawnKind::SharedMemory,
        None if Path::new(&format!("/proc/{parent}/task/{child}")).exists() => SpawnKind::Thread,
        None if process::share_memory(parent, child) == Ok(true) => SpawnKind::SharedMemory,
        None => SpawnKind::Fork,
    }
}
