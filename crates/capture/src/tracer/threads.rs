//! Who runs, and in which memory.

use std::collections::HashSet;

use abi::{Pid, Resource, Rlimit, Tid, VirtAddr};
use foldhash::HashMap as QuickMap;
use recording::{Bytes, MmId};

use super::turns::MemoryTurns;
use crate::input::MemoryOf;

/// A traced thread.
#[derive(Clone, Debug)]
pub(super) struct Thread {
    pub(super) pid: Pid,
    pub(super) mm: MmId,
    /// The name it was last seen with.
    pub(super) name: Bytes,
    /// When its last memory call was let go; it has not been seen behind it yet.
    pub(super) let_go_ns: Option<u64>,
    /// It is about to end.
    pub(super) is_ending: bool,
    /// It is left in a group stop.
    pub(super) is_listening: bool,
}

/// A memory with at least one thread.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    /// It was born by an exec that was seen, or copied from one that was: before that it is vmatlas's own.
    pub(super) is_recorded: bool,
    /// Where its stack began at its exec, once that was read: which tells it from the one that a thread has after another.
    pub(super) start_stack: Option<VirtAddr>,
    /// Calls since its last checkpoint.
    pub(super) calls: u64,
    /// When its last checkpoint was taken.
    pub(super) checkpoint_ns: u64,
    /// How long that took.
    pub(super) checkpoint_took_ns: u64,
    /// How much was resident then, in bytes.
    pub(super) resident: u64,
    /// Threads that were killed inside a memory call.
    pub(super) cut_off: Vec<Tid>,
    /// How many threads have it.
    pub(super) threads: u32,
    /// Turns at calls.
    pub(super) turns: MemoryTurns,
    /// A call that is not understood has passed since.
    pub(super) is_unmodelled: bool,
}

/// All threads and memories that live.
#[derive(Debug, Default)]
pub(super) struct Threads {
    threads: QuickMap<Tid, Thread>,
    memories: QuickMap<MmId, Memory>,
    next: u32,
    /// The limits of each process that were told last.
    limits: QuickMap<Pid, Vec<(Resource, Rlimit)>>,
    /// Processes that are stopped by a signal.
    pub(super) stopped: HashSet<Pid>,
}

impl Threads {
    pub(super) fn get(&self, tid: Tid) -> Option<&Thread> {
        self.threads.get(&tid)
    }

    pub(super) fn get_mut(&mut self, tid: Tid) -> Option<&mut Thread> {
        self.threads.get_mut(&tid)
    }

    pub(super) fn len(&self) -> usize {
        self.threads.len()
    }

    /// Every thread.
    pub(super) fn all(&self) -> impl Iterator<Item = Tid> {
        self.threads.keys().copied()
    }

    pub(super) fn memory_mut(&mut self, mm: MmId) -> Option<&mut Memory> {
        self.memories.get_mut(&mm)
    }

    /// A memory, and all threads.
    pub(super) fn memory_and_threads(&mut self, mm: MmId) -> (Option<&mut Memory>, &QuickMap<Tid, Thread>) {
        (self.memories.get_mut(&mm), &self.threads)
    }

    pub(super) fn memory(&self, mm: MmId) -> Option<&Memory> {
        self.memories.get(&mm)
    }

    pub(super) fn memories(&self) -> impl Iterator<Item = (MmId, &Memory)> {
        self.memories.iter().map(|(mm, memory)| (*mm, memory))
    }

    /// Whether a memory has one thread only.
    pub(super) fn are_alone(&self, mm: MmId) -> bool {
        self.memories.get(&mm).is_none_or(|memory| memory.threads < 2)
    }

    pub(super) fn is_recorded(&self, mm: MmId) -> bool {
        self.memories.get(&mm).is_some_and(|memory| memory.is_recorded)
    }

    /// A new memory.
    pub(super) fn new_memory(&mut self, memory: Memory) -> MmId {
        let mm = MmId(self.next);
        self.next += 1;
        self.memories.insert(mm, memory);
        mm
    }

    /// A new thread.
    pub(super) fn add(&mut self, tid: Tid, pid: Pid, mm: MmId) {
        let thread = Thread {
            pid,
            mm,
            name: Bytes::default(),
            let_go_ns: None,
            is_ending: false,
            is_listening: false,
        };
        self.threads.insert(tid, thread);
        if let Some(memory) = self.memories.get_mut(&mm) {
            memory.threads += 1;
        }
    }

    /// A thread has ended. Returns what it was, and drops its memory if nobody else has it.
    pub(super) fn remove(&mut self, tid: Tid) -> Option<Thread> {
        let thread = self.threads.remove(&tid)?;
        if let Some(memory) = self.memories.get_mut(&thread.mm) {
            memory.threads -= 1;
            if memory.threads == 0 {
                self.memories.remove(&thread.mm);
            }
        }
        if self.of_process(thread.pid).next().is_none() {
            self.stopped.remove(&thread.pid);
            self.limits.remove(&thread.pid);
        }
        Some(thread)
    }

    /// The limits of a process that were told last.
    pub(super) fn told_limits(&mut self, pid: Pid) -> &mut Vec<(Resource, Rlimit)> {
        self.limits.entry(pid).or_default()
    }

    /// A process was made: its limits are those of its maker.
    pub(super) fn inherit_limits(&mut self, maker: Pid, child: Pid) {
        let told = self.limits.get(&maker).cloned().unwrap_or_default();
        self.limits.insert(child, told);
    }

    /// A process has executed a program: only the thread that did so is left, as the leader, with a new memory.
    pub(super) fn exec(&mut self, leader: Tid, former: Tid) -> (MmId, MmId) {
        let pid = Pid(leader.0);
        let former_mm = self.get(former).or(self.get(leader)).map_or(MmId(0), |thread| thread.mm);
        let gone: Vec<Tid> = self.of_process(pid).map(|(tid, _)| tid).collect();
        let mm = self.new_memory(Memory { is_recorded: true, ..Memory::default() });
        for tid in gone {
            self.remove(tid);
        }
        self.add(leader, pid, mm);
        (former_mm, mm)
    }

    pub(super) fn of_memory(&self, mm: MmId) -> impl Iterator<Item = (Tid, &Thread)> {
        self.threads.iter().filter(move |(_, thread)| thread.mm == mm).map(|(tid, thread)| (*tid, thread))
    }

    pub(super) fn of_process(&self, pid: Pid) -> impl Iterator<Item = (Tid, &Thread)> {
        self.threads.iter().filter(move |(_, thread)| thread.pid == pid).map(|(tid, thread)| (*tid, thread))
    }
}

impl MemoryOf for Threads {
    fn memory_of(&self, pid: Pid) -> Option<MmId> {
        self.of_process(pid).next().map(|(_, thread)| thread.mm)
    }

    fn own_of(&self, tid: Tid) -> Option<MmId> {
        self.get(tid).map(|thread| thread.mm)
    }

    fn threads(&self) -> impl Iterator<Item = Tid> {
        self.all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exec_from_a_thread_leaves_the_leader_with_a_new_memory() {
        let mut threads = Threads::default();
        let mm = threads.new_memory(Memory::default());
        threads.add(Tid(10), Pid(10), mm);
        threads.add(Tid(11), Pid(10), mm);
        let (former, new) = threads.exec(Tid(10), Tid(11));
        assert_eq!((former, new), (MmId(0), MmId(1)));
        assert_eq!(threads.of_process(Pid(10)).count(), 1);
        assert!(threads.is_recorded(new) && threads.memory(former).is_none());
    }

    #[test]
    fn what_was_told_of_limits_goes_with_the_process() {
        let mut threads = Threads::default();
        let mm = threads.new_memory(Memory::default());
        threads.add(Tid(10), Pid(10), mm);
        let told = vec![(Resource::AS, Rlimit::UNLIMITED)];
        threads.told_limits(Pid(10)).clone_from(&told);
        threads.add(Tid(20), Pid(20), mm);
        threads.inherit_limits(Pid(10), Pid(20));
        assert_eq!(*threads.told_limits(Pid(20)), told);
        threads.told_limits(Pid(20)).clear();
        assert_eq!(*threads.told_limits(Pid(10)), told);
        threads.remove(Tid(10));
        assert_eq!(*threads.told_limits(Pid(10)), []);
    }

    #[test]
    fn a_memory_lives_as_long_as_a_thread_has_it() {
        let mut threads = Threads::default();
        let mm = threads.new_memory(Memory::default());
        threads.add(Tid(10), Pid(10), mm);
        // A vfork child shares it and executes.
        threads.add(Tid(20), Pid(20), mm);
        assert_eq!(threads.exec(Tid(20), Tid(20)), (mm, MmId(1)));
        assert!(threads.memory(mm).is_some());
        threads.remove(Tid(10));
        assert!(threads.memory(mm).is_none());
        assert_eq!(threads.memory_of(Pid(20)), Some(MmId(1)));
    }
}
