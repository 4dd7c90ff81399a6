//! A recording made by hand: one event a millisecond.

use std::io::Cursor;
use std::sync::Arc;

use abi::{AddrRange, Call, FileId, FileOff, Pid, Prot, Tid, VirtAddr};
use recording::{
    Body, Bytes, CallEvent, CallInput, CallResult, Checkpoint, Counters, Event, ExecEvent, ExitStatus,
    MapRow, MappedEvent, MmId, PageRun, PageState, Reader, Reason, SpawnEvent, SpawnKind, TimeNs, Writer,
    example_header,
};

use crate::{Replay, Run};

/// A page's number as an address.
pub(super) fn page(no: u64) -> VirtAddr {
    VirtAddr(no << 12)
}

pub(super) fn pages(from: u64, to: u64) -> AddrRange {
    AddrRange::new(page(from), page(to))
}

/// A private anonymous line of a map.
pub(super) fn row(from: u64, to: u64) -> MapRow {
    MapRow {
        range: pages(from, to),
        prot: Prot::RW,
        shared: false,
        offset: FileOff(0),
        file: FileId::default(),
        name: Bytes::default(),
    }
}

/// The events so far.
#[derive(Default)]
pub(super) struct Tape(Vec<Event>);

impl Tape {
    pub(super) fn push(mut self, tid: i32, mm: u32, body: Body) -> Self {
        let time = TimeNs(self.0.len() as u64 * 1_000_000);
        self.0.push(Event { time, tid: Tid(tid), mm: MmId(mm), body });
        self
    }

    /// Process `pid` executes a program; its new memory is `mm`.
    pub(super) fn exec(self, pid: i32, former_mm: u32, mm: u32) -> Self {
        let exec = ExecEvent {
            pid: Pid(pid),
            former_tid: Tid(pid),
            former_mm: MmId(former_mm),
            path: Bytes::from(b"/bin/guest".as_slice()),
            argv: Arc::default(),
            auxv: Arc::default(),
            start_brk: None,
            start_stack: None,
            segments: None,
            personality: 0,
            foreign_arch: false,
        };
        self.push(pid, mm, Body::Exec(exec))
    }

    /// A checkpoint with these lines; `resident` tells which pages are there.
    pub(super) fn checkpoint(self, tid: i32, mm: u32, maps: &[MapRow], resident: &[AddrRange]) -> Self {
        self.checkpoint_with(tid, mm, maps, resident, &[])
    }

    pub(super) fn checkpoint_with(
        self,
        tid: i32,
        mm: u32,
        maps: &[MapRow],
        resident: &[AddrRange],
        in_flight: &[Tid],
    ) -> Self {
        let run = |range: &AddrRange| PageRun { range: *range, state: PageState::PRESENT };
        let checkpoint = Checkpoint {
            reason: Reason::Interval,
            maps: maps.into(),
            pages: Some(resident.iter().map(run).collect()),
            counters: Counters::default(),
            in_flight: in_flight.into(),
        };
        self.push(tid, mm, Body::Checkpoint(Box::new(checkpoint)))
    }

    pub(super) fn call(self, tid: i32, mm: u32, call: Call) -> Self {
        self.call_with(tid, mm, call, CallInput::None)
    }

    /// A call with what it read.
    pub(super) fn call_with(self, tid: i32, mm: u32, call: Call, input: CallInput) -> Self {
        self.push(tid, mm, Body::Call(CallEvent { call, result: CallResult::Unseen, input, stack: None }))
    }

    /// The kernel says that a thread has mapped this.
    pub(super) fn mapped(self, tid: i32, mm: u32, range: AddrRange) -> Self {
        let row = MapRow { range, offset: FileOff(range.start.0), ..row(0, 1) };
        self.mapped_file(tid, mm, &row)
    }

    /// The same with the file that is behind it.
    pub(super) fn mapped_file(self, tid: i32, mm: u32, row: &MapRow) -> Self {
        let MapRow { range, prot, shared, offset, file, ref name } = *row;
        let mapped = MappedEvent { range, prot, shared, offset, file, name: name.clone() };
        self.push(tid, mm, Body::Mapped(mapped))
    }

    pub(super) fn spawn(
        self,
        tid: i32,
        mm: u32,
        child: i32,
        pid: i32,
        child_mm: u32,
        kind: SpawnKind,
    ) -> Self {
        let spawn = SpawnEvent { child: Tid(child), child_pid: Pid(pid), child_mm: MmId(child_mm), kind };
        self.push(tid, mm, Body::Spawn(spawn))
    }

    pub(super) fn exit(self, tid: i32, mm: u32) -> Self {
        self.push(tid, mm, Body::Exit { status: ExitStatus::Code(0), last_thread: true })
    }

    /// The finished file.
    pub(super) fn bytes(self) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new(), &example_header()).expect("a vector takes everything");
        self.0.iter().for_each(|event| writer.push(event).expect("a vector takes everything"));
        writer.finish().expect("a vector takes everything");
        writer.into_inner()
    }

    pub(super) fn replay(self) -> Replay<Cursor<Vec<u8>>> {
        Replay::new(Reader::new(Cursor::new(self.bytes())).expect("opens"))
    }

    pub(super) fn run(self) -> Run {
        self.replay().finish()
    }
}
