//! The processes at one event. Those that have ended are told once, in the table of the last state: they no longer
//! change.

use abi::Tid;
use recording::MmId;

use super::codec::{saved, saved_number};
use crate::growth::StackGrowth;
use crate::memory::Largest;
use crate::processes::{Process, ProcessNo, Processes, Program, Thread};

/// The processes at one event.
pub(crate) struct ProcessesState {
    /// How many there have been.
    count: usize,
    /// Those that may still change.
    open: Vec<(ProcessNo, Process)>,
    by_mm: Vec<(MmId, Vec<ProcessNo>)>,
    threads: Vec<(Tid, Thread)>,
}

saved_number! { ProcessNo: usize }

saved! {
    Program { time, path, argv, foreign_arch }
    Thread { process, name }
    Largest { virtual_bytes, resident_bytes, mappings }
    StackGrowth { first, largest, time, steps }
    Process {
        pid, parent, kind, born, programs, threads, ended, mm, calls, faults, largest, page_checkpoints,
        last_resident, last_counters, stack,
    }
    ProcessesState { count, open, by_mm, threads }
}

impl Processes {
    /// Takes them apart.
    pub(crate) fn state(&self) -> ProcessesState {
        let Self { all, by_pid: _, by_mm, threads } = self;
        let mut by_mm: Vec<_> = by_mm.iter().map(|(mm, sharers)| (*mm, sharers.clone())).collect();
        by_mm.sort_unstable();
        let mut threads: Vec<_> = threads.iter().map(|(tid, thread)| (*tid, thread.clone())).collect();
        threads.sort_unstable_by_key(|(tid, _)| *tid);
        let has_memory = |no: ProcessNo| by_mm.iter().any(|(_, sharers)| sharers.contains(&no));
        let numbered = all.iter().enumerate().map(|(no, process)| (ProcessNo(no), process));
        let open = numbered.filter(|(no, process)| process.ended.is_none() || has_memory(*no));
        let open = open.map(|(no, process)| (no, process.clone())).collect();
        ProcessesState { count: all.len(), open, by_mm, threads }
    }

    /// Puts them together; `None` if they name processes that are not there.
    pub(crate) fn of_state(state: ProcessesState, ended: &[Process]) -> Option<Self> {
        let ProcessesState { count, open, by_mm, threads } = state;
        let mut all: Vec<Process> = ended.get(..count)?.to_vec();
        for (no, process) in open {
            *all.get_mut(no.0)? = process;
        }
        let is_there = |no: &ProcessNo| no.0 < count;
        let sharers = by_mm.iter().flat_map(|(_, sharers)| sharers);
        let named = sharers.chain(threads.iter().map(|(_, thread)| &thread.process));
        if !named.chain(all.iter().filter_map(|process| process.parent.as_ref())).all(is_there) {
            return None;
        }
        let alive = all.iter().enumerate().filter(|(_, process)| process.ended.is_none());
        Some(Self {
            by_pid: alive.map(|(no, process)| (process.pid, ProcessNo(no))).collect(),
            all,
            by_mm: by_mm.into_iter().collect(),
            threads: threads.into_iter().collect(),
        })
    }
}
