//! A program is executed: the facts of its start.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use abi::{Pid, Resource, Tid};
use recording::{Body, Bytes, CallSource, ExecEvent, MmId, Reason};
use sys::process;
use sys::ptrace::{self, OnTracerDeath, Registers};

use super::{Root, Tracer};
use crate::observer::Observer;

impl<O: Observer> Tracer<O> {
    /// A process stands before the first instruction of a new program.
    pub(super) fn has_executed(&mut self, tid: Tid) {
        let former = ptrace::event_message(tid).map_or(tid, |former| Tid(former as i32));
        // What the leader was doing that another thread's exec has killed is over, as is what was left of the exec's own call.
        for over in [tid, former] {
            self.forget_waiting(over);
            self.end_call(over, None);
        }
        let (former_mm, mm) = self.threads.exec(tid, former);
        if self.root_is == Root::NotExecuted {
            self.root_is = Root::Running;
        }
        if self.calls == CallSource::TwoStops {
            // A filter that asks a tracer who is gone turns memory calls into ENOSYS.
            let _ = ptrace::set_on_tracer_death(tid, OnTracerDeath::Kill);
        }
        let event = exec_event(tid, former, former_mm);
        self.emit(tid, mm, Body::Exec(event));
        if let Some(copier) = &mut self.copier {
            copier.begins(tid, None);
        }
        self.tell_limits(tid, mm);
        self.name(tid);
        self.checkpoint(tid, mm, Reason::Exec);
        if let Some(stop) = self.borrowers.end(former) {
            // Killed meanwhile: it stops for good.
            let _ = process::kill(Pid(tid.0), stop);
        }
        self.go_on(tid, 0);
    }

    /// Tells the limits that are not what was told last: those in force at an exec, and those that somebody has set
    /// from outside, which no call of the program's shows.
    pub(super) fn tell_limits(&mut self, tid: Tid, mm: MmId) {
        for resource in Resource::OF_MEMORY {
            let Ok(limit) = process::limit(Pid(tid.0), resource) else { continue };
            let Some(pid) = self.threads.get(tid).map(|thread| thread.pid) else { return };
            let all = self.threads.told_limits(pid);
            match all.iter_mut().find(|(told, _)| *told == resource) {
                Some((_, told)) if *told == limit => continue,
                Some((_, told)) => *told = limit,
                None => all.push((resource, limit)),
            }
            self.emit(tid, mm, Body::Limit { resource, limit });
        }
    }

    /// Tells the name of a thread, if it is another than before.
    pub(super) fn name(&mut self, tid: Tid) {
        let Ok(mut name) = fs::read(format!("/proc/{tid}/comm")) else { return };
        name.pop_if(|last| *last == b'\n');
        let Some(thread) = self.threads.get_mut(tid) else { return };
        if *thread.name != *name {
            thread.name = Bytes::from(name);
            let (mm, name) = (thread.mm, thread.name.clone());
            self.emit(tid, mm, Body::ThreadName(name));
        }
    }
}

fn exec_event(tid: Tid, former_tid: Tid, former_mm: MmId) -> ExecEvent {
    let file = |name: &str| fs::read(format!("/proc/{tid}/{name}")).unwrap_or_default();
    let path = fs::read_link(format!("/proc/{tid}/exe"));
    let foreign_arch = matches!(ptrace::registers(tid), Ok(Registers::I386 { .. }));
    let auxv = file("auxv");
    let auxv: Arc<[(u64, u64)]> = match proc_text::auxv(&auxv) {
        Ok(pairs) if !foreign_arch => pairs.collect(),
        _ => Arc::default(),
    };
    let stat = file("stat");
    // Without permission the kernel says 0 or 1 for addresses; code may lie at 0, a stack never.
    let stat = proc_text::stat(&stat).ok().filter(|stat| stat.start_stack.0 != 0);
    let personality = String::from_utf8(file("personality")).unwrap_or_default();
    ExecEvent {
        pid: Pid(tid.0),
        former_tid,
        former_mm,
        path: path.map(|path| Bytes::from(path.as_os_str().as_bytes())).unwrap_or_default(),
        argv: words(&file("cmdline")),
        auxv,
        start_brk: stat.map(|stat| stat.start_brk),
        start_stack: stat.map(|stat| stat.start_stack),
        segments: stat.map(|stat| [stat.start_code, stat.end_code, stat.start_data, stat.end_data]),
        personality: u64::from_str_radix(personality.trim(), 16).unwrap_or(0),
        foreign_arch,
    }
}

/// The words of a command line as the kernel keeps it: each ends with a zero byte.
fn words(line: &[u8]) -> Arc<[Bytes]> {
    let line = line.strip_suffix(&[0]).unwrap_or(line);
    if line.is_empty() { Arc::default() } else { line.split(|byte| *byte == 0).map(Bytes::from).collect() }
}
