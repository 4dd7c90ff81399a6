//! The processes and threads of a run: who made whom, what they executed, how they ended.

use std::collections::HashMap;

use abi::{Pid, Tid};
use foldhash::HashMap as QuickMap;
use recording::{Bytes, Counters, ExecEvent, ExitStatus, MmId, SpawnEvent, SpawnKind, TimeNs};

use crate::growth::StackGrowth;
use crate::memory::{Largest, Memory};

/// A process, numbered by its place in [`Processes::all`]: pids are used again, numbers are not.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ProcessNo(pub usize);

/// The life of one process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Process {
    /// Its pid.
    pub pid: Pid,
    /// The process that made it; `None` for the first, and where the making was not seen.
    pub parent: Option<ProcessNo>,
    /// How it was made.
    pub kind: Option<SpawnKind>,
    /// When it was made.
    pub born: TimeNs,
    /// What it executed, in order.
    pub programs: Vec<Program>,
    /// Threads it ever had, its first included.
    pub threads: u64,
    /// When and how it ended, if that was seen.
    pub ended: Option<(TimeNs, ExitStatus)>,
    /// Its memory at the moment; after its end: its last.
    pub mm: MmId,
    /// Memory calls it made.
    pub calls: u64,
    /// Faults of it in the recording.
    pub faults: u64,
    /// Its largest moments, over all memories it had.
    pub largest: Largest,
    /// Checkpoints with pages, over all memories it had.
    pub page_checkpoints: u64,
    /// Its resident size in bytes at its last checkpoint with pages, and when.
    pub last_resident: Option<(u64, TimeNs)>,
    /// The kernel's own last sums, and when.
    pub last_counters: Option<(TimeNs, Counters)>,
    /// How its main stack grew, for the memory where it grew most.
    pub stack: Option<StackGrowth>,
}

/// A program that a process executed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Program {
    /// When.
    pub time: TimeNs,
    /// The executable's path.
    pub path: Bytes,
    /// The command line, empty if it was left out.
    pub argv: Vec<Bytes>,
    /// Whether its calls can't be followed (32-bit).
    pub foreign_arch: bool,
}

/// A thread that lives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Thread {
    /// Its process.
    pub process: ProcessNo,
    /// Its name, empty where it was not told.
    pub name: Bytes,
}

/// All processes so far and the threads alive.
#[derive(Clone, Debug, Default)]
pub struct Processes {
    pub(crate) all: Vec<Process>,
    pub(crate) by_pid: HashMap<Pid, ProcessNo>,
    /// Which processes have a memory, or had it last, as long as it lives.
    pub(crate) by_mm: QuickMap<MmId, Vec<ProcessNo>>,
    pub(crate) threads: QuickMap<Tid, Thread>,
}

impl Processes {
    /// Every process so far, in order of appearance.
    pub fn all(&self) -> &[Process] {
        &self.all
    }

    /// The thread of this id that lives.
    pub fn thread(&self, tid: Tid) -> Option<&Thread> {
        self.threads.get(&tid)
    }

    /// The threads of a process that live, in no order.
    pub fn threads_of(&self, process: ProcessNo) -> impl Iterator<Item = (Tid, &Thread)> {
        self.threads
            .iter()
            .filter(move |(_, thread)| thread.process == process)
            .map(|(tid, thread)| (*tid, thread))
    }

    /// The process that a thread belongs to.
    pub fn of(&self, tid: Tid) -> Option<&Process> {
        self.threads.get(&tid).and_then(|thread| self.all.get(thread.process.0))
    }

    /// The live process of this id.
    pub fn of_pid(&self, pid: Pid) -> Option<&Process> {
        self.by_pid.get(&pid).and_then(|no| self.all.get(no.0))
    }

    /// Tells whether a live process has this memory.
    pub fn uses(&self, mm: MmId) -> bool {
        self.with_memory(mm).any(|no| self.all[no.0].ended.is_none())
    }

    /// Threads of all processes together that live and have this memory.
    pub fn threads_in(&self, mm: MmId) -> usize {
        self.threads.values().filter(|thread| self.all[thread.process.0].mm == mm).count()
    }

    /// Every process whose memory it is, or was last, as long as the memory lives.
    pub fn with_memory(&self, mm: MmId) -> impl Iterator<Item = ProcessNo> {
        self.by_mm.get(&mm).into_iter().flatten().copied()
    }

    /// Takes over what a memory tells of the processes that have it.
    pub(crate) fn note(&mut self, memory: &Memory) {
        for no in self.by_mm.get(&memory.id).into_iter().flatten() {
            let process = &mut self.all[no.0];
            process.largest = process.largest.or(memory.largest);
            process.page_checkpoints += memory.page_checkpoints;
            process.last_resident = memory.pages.as_ref().map(|pages| (pages.resident_bytes, pages.time));
            process.last_counters = memory.counters.or(process.last_counters);
            let size = |stack: &Option<StackGrowth>| stack.map_or(0, |stack| stack.largest.len());
            if size(&memory.stack) > size(&process.stack) {
                process.stack = memory.stack;
            }
        }
    }

    /// The memory is no more.
    pub(crate) fn forget(&mut self, mm: MmId) {
        self.by_mm.remove(&mm);
    }

    pub(crate) fn of_mut(&mut self, tid: Tid) -> Option<&mut Process> {
        let no = self.threads.get(&tid)?.process;
        self.all.get_mut(no.0)
    }

    /// A thread is heard of: if it is new, it is taken for the leader of a process that was not seen made.
    pub(crate) fn meet(&mut self, tid: Tid, mm: MmId, time: TimeNs) -> ProcessNo {
        match self.threads.get(&tid) {
            Some(thread) => thread.process,
            None => self.add_process(Pid(tid.0), tid, mm, time, None, None),
        }
    }

    pub(crate) fn spawn(&mut self, parent: Tid, mm: MmId, spawn: &SpawnEvent, time: TimeNs) {
        let parent = self.meet(parent, mm, time);
        let SpawnEvent { child, child_pid, child_mm, kind } = *spawn;
        match kind {
            SpawnKind::Thread => {
                let process = self.by_pid.get(&child_pid).copied().unwrap_or(parent);
                self.all[process.0].threads += 1;
                self.threads.insert(child, Thread { process, name: Bytes::default() });
            }
            SpawnKind::Fork | SpawnKind::Vfork | SpawnKind::SharedMemory => {
                self.add_process(child_pid, child, child_mm, time, Some(parent), Some(kind));
            }
        }
    }

    pub(crate) fn exec(&mut self, tid: Tid, mm: MmId, exec: &ExecEvent, time: TimeNs) {
        let process = match self.threads.remove(&exec.former_tid).or_else(|| self.threads.remove(&tid)) {
            Some(thread) => thread.process,
            None => self.meet(tid, exec.former_mm, time),
        };
        // The thread that executes becomes the leader, the others are gone.
        self.threads.retain(|_, thread| thread.process != process);
        self.threads.insert(tid, Thread { process, name: Bytes::default() });
        self.leave(process);
        self.by_mm.entry(mm).or_default().push(process);
        let process = &mut self.all[process.0];
        process.mm = mm;
        process.programs.push(Program {
            time,
            path: exec.path.clone(),
            argv: exec.argv.to_vec(),
            foreign_arch: exec.foreign_arch,
        });
    }

    pub(crate) fn name(&mut self, tid: Tid, name: &Bytes) {
        if let Some(thread) = self.threads.get_mut(&tid) {
            thread.name = name.clone();
        }
    }

    pub(crate) fn exit(&mut self, tid: Tid, status: ExitStatus, last_thread: bool, time: TimeNs) {
        let Some(thread) = self.threads.remove(&tid) else { return };
        if last_thread {
            let process = &mut self.all[thread.process.0];
            process.ended = Some((time, status));
            self.by_pid.retain(|_, no| *no != thread.process);
            self.threads.retain(|_, other| other.process != thread.process);
        }
    }

    /// The process no longer has its memory.
    fn leave(&mut self, process: ProcessNo) {
        if let Some(sharers) = self.by_mm.get_mut(&self.all[process.0].mm) {
            sharers.retain(|no| *no != process);
        }
    }

    fn add_process(
        &mut self,
        pid: Pid,
        leader: Tid,
        mm: MmId,
        born: TimeNs,
        parent: Option<ProcessNo>,
        kind: Option<SpawnKind>,
    ) -> ProcessNo {
        let no = ProcessNo(self.all.len());
        self.all.push(Process {
            pid,
            parent,
            kind,
            born,
            programs: Vec::new(),
            threads: 1,
            ended: None,
            mm,
            calls: 0,
            faults: 0,
            largest: Largest::default(),
            page_checkpoints: 0,
            last_resident: None,
            last_counters: None,
            stack: None,
        });
        self.by_pid.insert(pid, no);
        self.by_mm.entry(mm).or_default().push(no);
        self.threads.insert(leader, Thread { process: no, name: Bytes::default() });
        no
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spawn(child: i32, pid: i32, mm: u32, kind: SpawnKind) -> SpawnEvent {
        SpawnEvent { child: Tid(child), child_pid: Pid(pid), child_mm: MmId(mm), kind }
    }

    #[test]
    fn a_memory_is_used_until_the_last_process_with_it_ends() {
        let mut processes = Processes::default();
        processes.meet(Tid(1), MmId(0), TimeNs(0));
        processes.spawn(Tid(1), MmId(0), &spawn(2, 2, 0, SpawnKind::Vfork), TimeNs(1));
        processes.spawn(Tid(1), MmId(0), &spawn(3, 1, 0, SpawnKind::Thread), TimeNs(2));
        assert_eq!(processes.threads_in(MmId(0)), 3);
        processes.exit(Tid(1), ExitStatus::Code(0), false, TimeNs(3));
        processes.exit(Tid(3), ExitStatus::Code(0), true, TimeNs(4));
        assert!(processes.uses(MmId(0)));
        processes.exit(Tid(2), ExitStatus::Signal(9), true, TimeNs(5));
        assert!(!processes.uses(MmId(0)));
        assert_eq!(processes.all()[0].threads, 2);
        assert_eq!(processes.all()[1].parent, Some(ProcessNo(0)));
    }

    #[test]
    fn exec_from_another_thread_leaves_the_leader_only() {
        let mut processes = Processes::default();
        processes.meet(Tid(1), MmId(0), TimeNs(0));
        processes.spawn(Tid(1), MmId(0), &spawn(9, 1, 0, SpawnKind::Thread), TimeNs(1));
        let exec = ExecEvent {
            pid: Pid(1),
            former_tid: Tid(9),
            former_mm: MmId(0),
            path: Bytes::from(b"/bin/true".as_slice()),
            argv: Vec::new().into(),
            auxv: Vec::new().into(),
            start_brk: None,
            start_stack: None,
            segments: None,
            personality: 0,
            foreign_arch: false,
        };
        processes.exec(Tid(1), MmId(1), &exec, TimeNs(2));
        assert_eq!(processes.all().len(), 1);
        assert_eq!(processes.all()[0].mm, MmId(1));
        assert!(processes.thread(Tid(9)).is_none());
        assert!(!processes.uses(MmId(0)));
    }
}
