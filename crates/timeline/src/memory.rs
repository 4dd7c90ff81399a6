//! One memory (`mm_struct`) as the replay knows it.

use std::collections::VecDeque;
use std::sync::Arc;

use abi::{AddrRange, Call, Errno, MapFlags, Tid};
use foldhash::HashMap as QuickMap;
use mm::Settings;
use recording::{CallInput, Counters, ExecEvent, HugeZeros, MapRow, MmId, PageRun, TimeNs};

use crate::arguments::Arguments;
use crate::curve::Sample;
use crate::grown::Grown;
use crate::growth::StackGrowth;
use crate::ledger::{Ledger, PageSums};
use crate::proof::LastCall;
use crate::twin::Twin;

/// Calls remembered for the answer to "who touched this last".
const RECENT_MAX: usize = 1024;
/// So long after it was let go a call may still wait for the kernel's lock on a busy machine.
const RACE_NS: u64 = 100_000_000;

/// One memory: its twin and what the kernel told of it.
pub struct Memory {
    /// Its id.
    pub id: MmId,
    /// The program it was made for; a fork's is its parent's.
    pub exec: Option<Arc<ExecEvent>>,
    /// The number of that event.
    pub(crate) exec_event: Option<u64>,
    /// The kernel's last word on which pages are there, and when.
    pub pages: Option<PagesRead>,
    /// The kernel's last sums, and when.
    pub counters: Option<(TimeNs, Counters)>,
    /// How its main stack grew.
    pub stack: Option<StackGrowth>,
    /// Its largest moments.
    pub largest: Largest,
    /// Checkpoints with pages so far.
    pub page_checkpoints: u64,
    /// Ranges mapped as stacks of threads that are still mapped.
    pub stack_areas: Vec<ThreadStack>,
    /// What of it is in the sums over all memories.
    pub(crate) counted: Sample,
    /// `None` until the first checkpoint with a map.
    pub(crate) twin: Option<Twin>,
    /// What the memory before it left to it.
    pub(crate) inherited: Settings,
    /// Each thread's last call, as long as nothing tells that it has ended.
    pub(crate) under_way: QuickMap<Tid, UnderWay>,
    /// Something that is not modelled has passed since the last checkpoint.
    pub(crate) is_unmodelled: bool,
    /// Threads made calls at the same time: what no line shows (which pages share an `anon_vma`) is not sure from then
    /// on.
    pub(crate) is_raced: bool,
    pub(crate) recent: VecDeque<Recent>,
    /// Its pages; `None` until the first checkpoint with pages.
    pub(crate) ledger: Option<Ledger>,
    /// Not every fault was seen since the pages were read last.
    pub(crate) has_gaps: bool,
    /// Its stacks that grow while its map is read.
    pub(crate) grown: Grown,
    /// What of its huge pages holds only zeros, as it was told last.
    pub(crate) huge_zeros: Option<HugeZeros>,
    /// What its pages came to when most of it was resident; not kept in saved states.
    pub(crate) sums: Option<(TimeNs, Box<PageSums>)>,
    /// What it is counted for programs about to be executed; not kept in saved states.
    pub(crate) arguments: Arguments,
    /// What other threads' calls may have changed before it was copied, or after, until its first checkpoint; not kept in
    /// saved states.
    pub(crate) raced_at_fork: Vec<AddrRange>,
}

/// The moments of a memory's largest sizes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Largest {
    /// Virtual size in bytes, by the twin, and when.
    pub virtual_bytes: (u64, TimeNs),
    /// Resident size in bytes at a checkpoint with pages, and when; `None` without such a checkpoint.
    pub resident_bytes: Option<(u64, TimeNs)>,
    /// Mappings, by the twin.
    pub mappings: u64,
}

impl Largest {
    pub(crate) fn see(&mut self, sample: Sample, time: TimeNs) {
        if sample.virtual_bytes > self.virtual_bytes.0 {
            self.virtual_bytes = (sample.virtual_bytes, time);
        }
        self.mappings = self.mappings.max(sample.mappings);
    }

    pub(crate) fn see_pages(&mut self, bytes: u64, time: TimeNs) {
        if self.resident_bytes.is_none_or(|(largest, _)| bytes > largest) {
            self.resident_bytes = Some((bytes, time));
        }
    }

    /// The larger of both, quantity by quantity.
    pub(crate) fn or(mut self, other: Self) -> Self {
        if other.virtual_bytes.0 > self.virtual_bytes.0 {
            self.virtual_bytes = other.virtual_bytes;
        }
        if let Some((bytes, time)) = other.resident_bytes {
            self.see_pages(bytes, time);
        }
        self.mappings = self.mappings.max(other.mappings);
        self
    }
}

/// Which pages are there, as a checkpoint told.
#[derive(Clone, Debug)]
pub struct PagesRead {
    /// The number of the checkpoint's event.
    pub event: u64,
    /// When they were read.
    pub time: TimeNs,
    /// The runs.
    pub runs: Arc<[PageRun]>,
    /// Bytes in memory.
    pub resident_bytes: u64,
}

/// A range that a thread's stack was mapped at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ThreadStack {
    /// The range as it was mapped, guard included.
    pub range: AddrRange,
    /// Who mapped it.
    pub mapped_by: Tid,
    /// The thread made next by the one that mapped it.
    pub thread: Option<Tid>,
}

/// A call whose end was not seen.
#[derive(Clone, Debug)]
pub(crate) struct UnderWay {
    pub(crate) event: u64,
    pub(crate) time: TimeNs,
    pub(crate) call: Call,
    /// What the call read, kept where it may have to be done again elsewhere.
    pub(crate) input: CallInput,
    pub(crate) predicted: Result<u64, Errno>,
    pub(crate) ranges: [Option<AddrRange>; 2],
    /// The kernel's word on it has come.
    pub(crate) is_confirmed: bool,
}

pub(crate) struct Recent {
    last: LastCall,
    time: TimeNs,
    ranges: [Option<AddrRange>; 2],
}

impl Memory {
    pub(crate) fn new(id: MmId, exec: Option<Arc<ExecEvent>>) -> Self {
        Self {
            id,
            exec,
            exec_event: None,
            pages: None,
            counters: None,
            stack: None,
            largest: Largest::default(),
            page_checkpoints: 0,
            counted: Sample::default(),
            stack_areas: Vec::new(),
            twin: None,
            inherited: Settings::default(),
            under_way: QuickMap::default(),
            is_unmodelled: false,
            is_raced: false,
            recent: VecDeque::new(),
            ledger: None,
            has_gaps: false,
            huge_zeros: None,
            sums: None,
            arguments: Arguments::default(),
            grown: Grown::default(),
            raced_at_fork: Vec::new(),
        }
    }

    /// What a program that is executed inherits from it.
    pub(crate) fn inherited(&self) -> Settings {
        self.twin.as_ref().map_or(self.inherited.inherited(), Twin::inherited)
    }

    /// What is known of its pages between checkpoints; `None` until the first checkpoint with pages.
    pub fn ledger(&self) -> Option<&Ledger> {
        self.ledger.as_ref()
    }

    /// Its size now: virtual and mappings by the twin, resident as of the last checkpoint with pages.
    pub fn sample(&self) -> Sample {
        Sample {
            virtual_bytes: self.twin.as_ref().map_or(0, Twin::bytes),
            resident_bytes: self.pages.as_ref().map_or(0, |pages| pages.resident_bytes),
            mappings: self.twin.as_ref().map_or(0, Twin::mappings),
        }
    }

    /// The lines of its map that share an address with a range, by the twin.
    pub fn rows_in(&self, range: AddrRange) -> Vec<MapRow> {
        self.twin.as_ref().map(|twin| twin.rows_in(range)).unwrap_or_default()
    }

    /// Remembers a call for [`Memory::last_call`] and notes stacks that it maps or unmaps.
    pub(crate) fn remember(&mut self, tid: Tid, under_way: UnderWay) {
        if under_way.ranges.iter().any(Option::is_some) {
            if self.recent.len() == RECENT_MAX {
                self.recent.pop_front();
            }
            let UnderWay { event, time, call, ranges, .. } = under_way;
            self.recent.push_back(Recent { last: LastCall { event, tid, call }, time, ranges });
        }
        if under_way.predicted.is_ok() {
            self.note_stacks(tid, under_way.call, under_way.ranges[0]);
        }
        self.under_way.insert(tid, under_way);
    }

    /// Tells whether another thread's call may be at work beside one made now.
    pub(crate) fn races(&self, tid: Tid, now: TimeNs) -> bool {
        self.under_way.iter().any(|(other, call)| {
            *other != tid && !call.is_confirmed && now.0.saturating_sub(call.time.0) < RACE_NS
        })
    }

    /// What calls of others may have changed at the same time as a thread forked, which is told when it is over.
    pub(crate) fn raced_at_fork(&self, tid: Tid, now: TimeNs) -> Vec<AddrRange> {
        let last = self.recent.iter().rev();
        let at_once = last.take_while(|recent| now.0.saturating_sub(recent.time.0) < RACE_NS);
        at_once.filter(|recent| recent.last.tid != tid).flat_map(|recent| recent.ranges).flatten().collect()
    }

    /// The call that last touched a range, among the last ones.
    pub(crate) fn last_call(&self, range: AddrRange) -> Option<LastCall> {
        let hits = |recent: &&Recent| recent.ranges.iter().flatten().any(|touched| touched.overlaps(range));
        self.recent.iter().rev().find(hits).map(|recent| recent.last)
    }

    /// A thread was made: the stack that its maker mapped last is its own.
    pub(crate) fn give_stack(&mut self, maker: Tid, thread: Tid) {
        let free = |area: &&mut ThreadStack| area.thread.is_none() && area.mapped_by == maker;
        if let Some(area) = self.stack_areas.iter_mut().rev().find(free) {
            area.thread = Some(thread);
        }
    }

    /// A thread ended: its stack is free for another.
    pub(crate) fn free_stack(&mut self, thread: Tid) {
        self.under_way.remove(&thread);
        for area in self.stack_areas.iter_mut().filter(|area| area.thread == Some(thread)) {
            area.thread = None;
        }
    }

    fn note_stacks(&mut self, tid: Tid, call: Call, range: Option<AddrRange>) {
        let Some(range) = range else { return };
        match call {
            Call::Mmap { flags, .. } => {
                self.stack_areas.retain(|area| !area.range.overlaps(range));
                if flags.contains(MapFlags::STACK) {
                    self.stack_areas.push(ThreadStack { range, mapped_by: tid, thread: None });
                }
            }
            Call::Munmap { .. } => self.stack_areas.retain(|area| !area.range.overlaps(range)),
            _ => {}
        }
    }
}
