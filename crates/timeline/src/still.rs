//! One memory held still: what a snapshot is made from. Taking one costs nothing by size; the twin's copy shares.

use std::sync::Arc;
use std::time::Duration;

use abi::{AddrRange, Tid, VirtAddr};
use recording::{Bytes, ExecEvent, HugeZeros, MmId, ObjectEvent, TimeNs};
use snapshot::{HugeSample, Mapping, Moment, Object, Snapshot, StackArea, Thread};

use crate::ledger::Split;
use crate::memory::{Memory, PagesRead, ThreadStack};
use crate::pages;
use crate::processes::{ProcessNo, Processes};
use crate::twin::Twin;

/// `AT_ENTRY`'s and `AT_BASE`'s places in the auxiliary vector.
const AT_BASE: u64 = 7;
const AT_ENTRY: u64 = 9;

/// One memory at one moment.
#[derive(Clone)]
pub struct Still {
    /// The memory.
    pub mm: MmId,
    /// The first process with it.
    pub process: Option<ProcessNo>,
    /// When.
    pub time: TimeNs,
    /// Each quantity at this moment.
    pub sample: crate::Sample,
    twin: Option<Twin>,
    pages: Option<PagesRead>,
    split: Option<Arc<[(AddrRange, Split)]>>,
    huge_zeros: Option<HugeZeros>,
    exec: Option<Arc<ExecEvent>>,
    stack_areas: Vec<ThreadStack>,
    threads: Vec<(Tid, Bytes)>,
}

impl Still {
    /// The twin's memory; `None` where no map was known yet.
    pub fn space(&self) -> Option<&mm::AddressSpace> {
        self.twin.as_ref().map(Twin::space)
    }

    pub(crate) fn of(memory: &Memory, processes: &Processes, time: TimeNs) -> Self {
        let process = processes.with_memory(memory.id).next();
        let threads = process.into_iter().flat_map(|process| processes.threads_of(process));
        let mut threads: Vec<_> = threads.map(|(tid, thread)| (tid, thread.name.clone())).collect();
        threads.sort_by_key(|(tid, _)| *tid);
        Self {
            mm: memory.id,
            process,
            time,
            sample: memory.sample(),
            twin: memory.twin.clone(),
            pages: memory.pages.clone(),
            split: None,
            huge_zeros: memory.huge_zeros,
            exec: memory.exec.clone(),
            stack_areas: memory.stack_areas.clone(),
            threads,
        }
    }

    /// The same with other pages.
    pub(crate) fn with_pages(mut self, pages: PagesRead) -> Self {
        self.sample.resident_bytes = pages.resident_bytes;
        self.pages = Some(pages);
        self
    }

    /// The same with what its pages are besides.
    pub(crate) fn with_split(self, split: Vec<(AddrRange, Split)>) -> Self {
        Self { split: Some(split.into()), ..self }
    }

    /// The lines of its map.
    pub fn rows(&self) -> Vec<recording::MapRow> {
        self.twin.as_ref().map(Twin::rows).unwrap_or_default()
    }

    /// The pages that were read last; empty where none were.
    pub fn page_runs(&self) -> &[recording::PageRun] {
        self.pages.as_ref().map_or(&[], |pages| &pages.runs)
    }

    /// Whether the machine's setting and the advice of the mapping at an address let a fault make a huge page, if there is
    /// room for one.
    pub fn allows_huge(&self, machine: &recording::Machine, at: VirtAddr) -> bool {
        let mode = crate::twin::thp(machine);
        self.space().is_some_and(|space| space.allows_huge(mode, at))
    }

    /// What of its anonymous huge pages, as they were read last, holds only zeros.
    fn huge_sample(&self) -> Option<HugeSample> {
        let HugeZeros { looked_at, zeros } = self.huge_zeros?;
        let huge = pages::anonymous_huge(self.page_runs());
        (huge > 0).then_some(HugeSample { huge, looked_at, zeros })
    }

    /// Makes the snapshot; `objects` are the executables and libraries seen in the recording.
    pub fn snapshot(&self, objects: &[ObjectEvent]) -> Snapshot {
        let rows = self.twin.as_ref().map(Twin::rows).unwrap_or_default();
        let file_at = |addr: u64| {
            let row = rows.iter().find(|row| row.range.contains(abi::VirtAddr(addr)));
            row.map(|row| row.file).filter(|file| file.ino != 0)
        };
        let auxv = |kind| {
            let pairs = self.exec.as_ref()?.auxv.iter();
            pairs.clone().find(|(of, _)| *of == kind).map(|(_, value)| *value).filter(|value| *value != 0)
        };
        let used: std::collections::HashSet<_> = rows.iter().map(|row| row.file).collect();
        Snapshot {
            held: None,
            malloc: None,
            huge: self.huge_sample(),
            moment: Moment::At(Duration::from_nanos(self.time.0)),
            pages_moment: self
                .pages
                .as_ref()
                .map_or(Moment::Unknown, |pages| Moment::At(Duration::from_nanos(pages.time.0))),
            pages: self.pages.as_ref().map(|pages| pages::for_snapshot(&pages.runs, self.split.as_deref())),
            objects: objects.iter().filter(|object| used.contains(&object.file)).map(object).collect(),
            program: auxv(AT_ENTRY).and_then(file_at),
            interpreter: auxv(AT_BASE).and_then(file_at),
            heap: self.twin.as_ref().and_then(Twin::heap),
            stack_start: self.exec.as_ref().and_then(|exec| exec.start_stack),
            threads: self.threads.iter().map(|(tid, name)| thread(*tid, name)).collect(),
            stack_areas: self
                .stack_areas
                .iter()
                .map(|area| StackArea { range: area.range, thread: area.thread })
                .collect(),
            mappings: rows.into_iter().map(mapping).collect(),
            sums: Vec::new(),
        }
    }
}

fn thread(tid: Tid, name: &Bytes) -> Thread {
    Thread { tid, name: name.clone(), stack_pointer: None }
}

fn mapping(row: recording::MapRow) -> Mapping {
    let recording::MapRow { range, prot, shared, offset, file, name } = row;
    Mapping { range, prot, shared, offset, file, name }
}

fn object(object: &ObjectEvent) -> Object {
    let ObjectEvent { file, path, build_id, segments } = object;
    let segment = |segment: &recording::Segment| {
        let recording::Segment { kind, flags, offset, vaddr, file_bytes, memory_bytes, align } = *segment;
        elf::Segment::from_raw(kind, flags, [offset, vaddr, file_bytes, memory_bytes, align])
    };
    Object {
        soname: [].into(),
        file: *file,
        path: path.clone(),
        build_id: build_id.clone(),
        segments: segments.iter().map(segment).collect(),
    }
}
