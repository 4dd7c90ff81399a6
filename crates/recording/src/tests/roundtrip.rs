//! What is written comes back.

use std::sync::Arc;

use abi::{AddrRange, FileId, FileOff, Prot, Tid, VirtAddr};
use proptest::prelude::*;

use super::arbitrary::{checkpoint, events};
use super::{file_of, open};
use crate::event::*;
use crate::{Completeness, Reader, Writer, example_header};

proptest! {
    #[test]
    fn any_events_round_trip(events in events(40), flushes in proptest::collection::vec(0..40usize, 0..9)) {
        let file = file_of(&events, &flushes);
        let mut reader = open(&file).expect("opens");
        prop_assert_eq!(reader.completeness(), Completeness::Finished);
        prop_assert_eq!(reader.len(), events.len() as u64);
        let read = reader.by_ref().collect::<Result<Vec<_>, _>>().expect("reads");
        prop_assert_eq!(read, events);
    }

    #[test]
    fn seeking_finds_the_same_events(
        events in events(40),
        flushes in proptest::collection::vec(0..40usize, 0..9),
        targets in proptest::collection::vec(0..41u64, 1..9),
    ) {
        let file = file_of(&events, &flushes);
        let mut reader = open(&file).expect("opens");
        for target in targets {
            reader.seek(target).expect("seeks");
            let target = target.min(events.len() as u64);
            prop_assert_eq!(reader.position(), target);
            let read = reader.next_event().expect("reads");
            prop_assert_eq!(read.as_ref(), events.get(target as usize));
        }
        for time in events.iter().map(|event| event.time).chain([TimeNs(0), TimeNs(u64::MAX)]) {
            reader.seek_time(time).expect("seeks");
            let first = events.iter().position(|event| event.time >= time).unwrap_or(events.len());
            prop_assert_eq!(reader.position(), first as u64);
        }
    }

    /// Checkpoints of one memory lean on one another, also across blocks and after seeking.
    #[test]
    fn similar_checkpoints_round_trip(
        full in checkpoint(),
        removals in proptest::collection::vec(any::<prop::sample::Index>(), 1..12),
        flush: bool,
    ) {
        let mut events = vec![event_of(full.clone())];
        let mut next = full;
        for removal in removals {
            let mut maps = next.maps.to_vec();
            if !maps.is_empty() {
                maps.remove(removal.index(maps.len()));
            }
            next.maps = Arc::from(maps);
            events.push(event_of(next.clone()));
        }
        let flushes: Vec<usize> = if flush { (0..events.len()).collect() } else { Vec::new() };
        let file = file_of(&events, &flushes);
        let read = open(&file).expect("opens").collect::<Result<Vec<_>, _>>().expect("reads");
        prop_assert_eq!(&read, &events);
        let mut reader = open(&file).expect("opens");
        for (no, event) in events.iter().enumerate().rev() {
            reader.seek(no as u64).expect("seeks");
            let read = reader.next_event().expect("reads");
            prop_assert_eq!(read.as_ref(), Some(event));
        }
    }
}

fn event_of(checkpoint: Checkpoint) -> Event {
    Event { time: TimeNs(5), tid: Tid(1), mm: MmId(0), body: Body::Checkpoint(Box::new(checkpoint)) }
}

#[test]
fn the_header_round_trips() {
    let file = file_of(&[], &[]);
    let reader = open(&file).expect("opens");
    assert_eq!(reader.header(), &example_header());
    assert!(reader.is_empty());
}

#[test]
fn a_hundred_thousand_faults_take_few_bytes_and_seek_at_once() {
    let mut writer = Writer::new(Vec::new(), &example_header()).expect("writes");
    let fault = |no: u64| Event {
        time: TimeNs(no * 1_000 + no * 7919 % 613),
        tid: Tid(7),
        mm: MmId(0),
        body: Body::Fault(FaultEvent {
            addr: VirtAddr(0x7f00_0000_0000 + no * 4096),
            ip: VirtAddr(0x55_5555_0000 + no * 31 % 64),
            mode: FaultMode::User,
            access: crate::FaultAccess::Write,
            stack: None,
        }),
    };
    (0..100_000).for_each(|no| writer.push(&fault(no)).expect("writes"));
    writer.finish().expect("writes");
    assert!(writer.bytes() < 400_000, "{} bytes", writer.bytes());
    let mut reader = Reader::new(std::io::Cursor::new(writer.into_inner())).expect("opens");
    for no in [99_999, 0, 54_321, 4096, 4095] {
        reader.seek(no).expect("seeks");
        assert_eq!(reader.next_event().expect("reads"), Some(fault(no)));
    }
}

#[test]
fn a_checkpoint_like_the_one_before_takes_a_hundredth() {
    let row = |no: u64| MapRow {
        range: AddrRange::new(
            VirtAddr(no << 32),
            VirtAddr((no << 32) + 4096 * (no * no * 7919 % 60_013 + 1)),
        ),
        prot: Prot::RW,
        shared: false,
        offset: FileOff(0),
        file: FileId::default(),
        name: Bytes::default(),
    };
    let of_rows = |rows: u64| {
        event_of(Checkpoint {
            reason: Reason::Interval,
            maps: (0..rows).map(row).collect(),
            pages: None,
            counters: Counters::default(),
            in_flight: Arc::default(),
        })
    };
    let mut writer = Writer::new(Vec::new(), &example_header()).expect("writes");
    let start = writer.bytes();
    writer.push(&of_rows(10_000)).expect("writes");
    writer.flush().expect("writes");
    let first = writer.bytes() - start;
    writer.push(&of_rows(10_001)).expect("writes");
    writer.flush().expect("writes");
    let second = writer.bytes() - start - first;
    assert!(second * 100 < first, "{first} and {second} bytes");
}
