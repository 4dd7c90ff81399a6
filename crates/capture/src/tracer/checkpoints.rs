//! When the kernel's own state is read.

use std::fs;

use abi::Tid;
use recording::{Body, LossSource, MmId, Reason};

use super::Tracer;
use crate::checkpoint::{is_still, resident_bytes};
use crate::huge_zeros;
use crate::observer::Observer;

/// A memory in which something happens is read so often.
const INTERVAL_NS: u64 = 1_000_000_000;
/// Reading takes at most one in so many parts of the time.
const SHARE: u64 = 40;
/// Growth below this is not worth a look.
const GROWTH_BYTES_MIN: u64 = 1 << 20;
/// Memories looked at in one tick.
const LOOKS_MAX: usize = 64;
/// A thread that was let go so recently may be inside its call though it runs.
const RUNNING_NS: u64 = 1_000_000_000;

impl<O: Observer> Tracer<O> {
    /// Reads a memory through one of its threads.
    pub(super) fn checkpoint(&mut self, tid: Tid, mm: MmId, reason: Reason) {
        if !self.threads.is_recorded(mm) {
            return;
        }
        let before = sys::clock::monotonic_ns();
        if reason != Reason::Exit {
            self.tell_limits(tid, mm);
        }
        let in_flight = self.in_flight(mm, before);
        if !is_still(reason) {
            self.emit(tid, mm, Body::Reading);
        }
        let body = match self.checkpointer.read(tid, reason, &in_flight) {
            // A thread that runs may have executed another program: its stop that tells so is still to come.
            Ok(_) if reason != Reason::Exec && !self.has_read(mm) => return,
            Ok(checkpoint) => Body::Checkpoint(Box::new(checkpoint)),
            Err(_) => Body::Lost { source: LossSource::Checkpoints, count: 1 },
        };
        let now = sys::clock::monotonic_ns();
        let mut resident = None;
        if let Body::Checkpoint(checkpoint) = &body {
            let counters = &checkpoint.counters;
            resident = Some(counters.rss_anon + counters.rss_file + counters.rss_shmem);
            let mut objects = Vec::new();
            self.objects.tell(tid, &checkpoint.maps, |object| objects.push(object));
            for object in objects {
                self.emit(tid, mm, Body::Object(object));
            }
            if let Some(zeros) = checkpoint.pages.as_deref().and_then(|runs| huge_zeros::look(tid, runs)) {
                self.emit(tid, mm, Body::HugeZeros(zeros));
            }
        }
        self.emit(tid, mm, body);
        let start_stack = self.checkpointer.start_stack();
        if let Some(memory) = self.threads.memory_mut(mm) {
            if reason == Reason::Exec && resident.is_some() {
                memory.start_stack = Some(start_stack);
            }
            memory.calls = 0;
            memory.checkpoint_ns = now;
            memory.checkpoint_took_ns = now - before;
            memory.resident = resident.unwrap_or(memory.resident);
            memory.is_unmodelled = false;
        }
    }

    /// Tells whether what was read last was this memory.
    fn has_read(&self, mm: MmId) -> bool {
        let known = self.threads.memory(mm).and_then(|memory| memory.start_stack);
        known.is_none_or(|known| known == self.checkpointer.start_stack())
    }

    /// Threads that may be inside a memory call at this moment.
    fn in_flight(&mut self, mm: MmId, now_ns: u64) -> Vec<Tid> {
        let mut inside: Vec<Tid> = self.inside_calls(mm).collect();
        inside.extend(self.threads.memory(mm).into_iter().flat_map(|memory| &memory.cut_off));
        let let_go = |thread: &super::threads::Thread| Some((thread.let_go_ns?, thread.is_ending));
        let maybe: Vec<(Tid, u64)> = self
            .threads
            .of_memory(mm)
            .filter_map(|(tid, thread)| let_go(thread).filter(|(_, ends)| !ends).map(|(ns, _)| (tid, ns)))
            .collect();
        for (tid, since_ns) in maybe {
            let is_inside = match fs::read(format!("/proc/{tid}/syscall")).unwrap_or_default().as_slice() {
                b"running\n" | b"" => now_ns.saturating_sub(since_ns) < RUNNING_NS,
                waiting => is_memory_call(waiting),
            };
            if is_inside {
                inside.push(tid);
            } else if let Some(thread) = self.threads.get_mut(tid) {
                thread.let_go_ns = None;
            }
        }
        inside
    }

    /// Reads the memories whose time has come.
    pub(super) fn take_due_checkpoints(&mut self, now_ns: u64) {
        let mut due = Vec::new();
        let mut looks = 0;
        for (mm, memory) in self.threads.memories() {
            let since = now_ns.saturating_sub(memory.checkpoint_ns);
            if !memory.is_recorded || since < memory.checkpoint_took_ns * SHARE || looks >= LOOKS_MAX {
                continue;
            }
            let alive = |(_, thread): &(Tid, &super::threads::Thread)| !thread.is_ending;
            let Some((tid, _)) = self.threads.of_memory(mm).find(alive) else { continue };
            if self.newborn.contains(&tid) {
                continue;
            }
            looks += 1;
            let resident = resident_bytes(tid).unwrap_or(memory.resident);
            let grown = resident.saturating_sub(memory.resident);
            let reason = if memory.is_unmodelled {
                Reason::Unmodelled
            } else if grown >= GROWTH_BYTES_MIN && grown >= memory.resident / 10 {
                Reason::Growth
            } else if since >= INTERVAL_NS && (memory.calls > 0 || resident != memory.resident) {
                Reason::Interval
            } else {
                continue;
            };
            due.push((tid, mm, reason));
        }
        for (tid, mm, reason) in due {
            self.checkpoint(tid, mm, reason);
        }
    }
}

/// Whether a line of `/proc/PID/syscall` says that the thread waits inside a memory call.
pub(super) fn is_memory_call(line: &[u8]) -> bool {
    let nr = std::str::from_utf8(line).ok().and_then(|line| line.split_whitespace().next()?.parse().ok());
    nr.is_some_and(|nr: u32| abi::table::ROWS.iter().any(|row| row.x86_64 == nr))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_waiting_threads_are_told_apart() {
        assert!(is_memory_call(b"149 0x7f 0x1000 0x0 0x0 0x0 0x0 0x7ffc 0x7f\n"));
        assert!(!is_memory_call(b"202 0x7f 0x80 0x0 0x0 0x0 0x0 0x7ffc 0x7f\n"));
        assert!(!is_memory_call(b"-1 0x7ffc 0x7f\n"));
    }
}
