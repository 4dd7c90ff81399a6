//! A small recording written, replayed and reported.

use std::io::Cursor;
use std::sync::Arc;

use abi::{AddrRange, DevId, FileId, FileOff, Pid, Prot, Tid, VirtAddr};
use recording::{
    Body, Bytes, Checkpoint, Counters, Event, ExecEvent, ExitStatus, MapRow, MmId, PageRun, PageState,
    Reader, Reason, TimeNs, Writer,
};

use super::*;
use crate::report::End;

const TID: Tid = Tid(4242);

fn range(start: u64, end: u64) -> AddrRange {
    AddrRange::new(VirtAddr(start), VirtAddr(end))
}

fn row(start: u64, end: u64, prot: Prot, ino: u64, name: &str) -> MapRow {
    MapRow {
        range: range(start, end),
        prot,
        shared: false,
        offset: FileOff(0),
        file: if ino == 0 { FileId::default() } else { FileId { dev: DevId { major: 8, minor: 1 }, ino } },
        name: Bytes::from(name.as_bytes()),
    }
}

fn exec() -> Body {
    Body::Exec(ExecEvent {
        pid: Pid(4242),
        former_tid: TID,
        former_mm: MmId(0),
        path: Bytes::from(&b"/bin/tr\x1bue"[..]),
        argv: Vec::new().into(),
        auxv: Vec::new().into(),
        start_brk: Some(VirtAddr(0x20_0000)),
        start_stack: None,
        segments: None,
        personality: 0,
        foreign_arch: false,
    })
}

fn checkpoint(reason: Reason, resident: u64) -> Body {
    let state = PageState::PRESENT;
    Body::Checkpoint(Box::new(Checkpoint {
        reason,
        maps: Arc::from([
            row(0x10_0000, 0x10_4000, Prot::RX, 7, "/bin/true"),
            row(0x20_0000, 0x28_0000, Prot::RW, 0, "[heap]"),
            row(0x7ffe_0000_0000, 0x7ffe_0002_0000, Prot::RW, 0, "[stack]"),
        ]),
        pages: Some(Arc::from([PageRun { range: range(0x20_0000, 0x20_0000 + resident), state }])),
        counters: Counters { rss_peak: resident, minor_faults: 9, ..Counters::default() },
        in_flight: Arc::from([]),
    }))
}

fn recorded(events: &[(u64, Body)]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), &recording::example_header()).expect("a Vec takes everything");
    for (time, body) in events {
        let event = Event { time: TimeNs(*time), tid: TID, mm: MmId(1), body: body.clone() };
        writer.push(&event).expect("a Vec takes everything");
    }
    writer.finish().expect("a Vec takes everything");
    writer.into_inner()
}

fn reported(bytes: Vec<u8>) -> Report {
    let source = Source { path: b"a.vmatlas", bytes: bytes.len() as u64, symbols: None };
    let reader = Reader::new(Cursor::new(bytes)).expect("a recording");
    report(source, Replay::new(reader))
}

fn events() -> Vec<(u64, Body)> {
    vec![
        (0, exec()),
        (1_000, checkpoint(Reason::Exec, 0x1000)),
        (50_000_000, checkpoint(Reason::Interval, 0x40000)),
        (90_000_000, checkpoint(Reason::Exit, 0x2000)),
        (100_000_000, Body::Exit { status: ExitStatus::Signal(15), last_thread: true }),
    ]
}

#[test]
fn the_peak_is_the_largest_checkpoint() {
    let report = reported(recorded(&events()));
    assert_eq!((report.run.end, report.run.processes), (End::Signal(15), 1));
    assert_eq!(report.run.program, "tr\\u{1b}ue");
    let memory = report.memory.expect("the recording holds maps");
    assert_eq!((memory.pid, memory.page_checkpoints), (Some(4242), 3));
    assert_eq!((memory.total.size, memory.total.resident), (0xa_4000, Some(0x40000)));
    assert_eq!(memory.total.size, memory.groups.iter().map(|group| group.row.size).sum::<u64>());
    assert_eq!(memory.total.mappings, 3);
    let heap = memory.groups.iter().find(|group| group.group == "heap").expect("a heap");
    assert_eq!((heap.row.size, heap.row.resident, heap.row.peak), (0x8_0000, Some(0x40000), Some(0x40000)));
    assert_eq!(report.proof.mappings, report.proof.mappings_matched);
    assert!(report.recording.incomplete.is_none());
}

#[test]
fn a_cut_recording_is_reported_as_far_as_it_goes() {
    let whole = recorded(&events());
    for cut in (0..whole.len()).step_by(7) {
        let Ok(reader) = Reader::new(Cursor::new(whole[..cut].to_vec())) else { continue };
        let source = Source { path: b"a.vmatlas", bytes: cut as u64, symbols: None };
        let report = report(source, Replay::new(reader));
        assert!(report.recording.incomplete.is_some(), "cut at {cut}");
    }
}
