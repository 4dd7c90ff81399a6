//! Files that are cut off, damaged, hostile or of another version.

use abi::Tid;
use proptest::prelude::*;

use super::arbitrary::events;
use super::{file_of, open};
use crate::event::{Body, Event, MmId, TimeNs};
use crate::frame::{BlockKind, FRAME_BYTES, Frame, PROLOGUE_BYTES, Packer, Unpacker};
use crate::{Completeness, ReadError, Writer};

fn small_events() -> Vec<Event> {
    let event = |no: u64, body| Event { time: TimeNs(no), tid: Tid(3), mm: MmId(0), body };
    let name = |text: &[u8]| Body::ThreadName(text.into());
    vec![
        event(1, name(b"main")),
        event(2, Body::Stopped { signal: 19 }),
        event(3, Body::Continued),
        event(4, name(b"worker")),
        event(5, name(b"main")),
    ]
}

/// Reads as far as it goes; panics are the only failure.
fn drain(file: &[u8]) -> (Vec<Event>, Option<ReadError>) {
    let mut read = Vec::new();
    match open(file) {
        Err(error) => (read, Some(error)),
        Ok(reader) => {
            for event in reader {
                match event {
                    Ok(event) => read.push(event),
                    Err(error) => return (read, Some(error)),
                }
            }
            (read, None)
        }
    }
}

/// Keeps what is there after each write: what a recorder that was killed then leaves.
#[derive(Default)]
struct Moments(Vec<Vec<u8>>);

impl std::io::Write for Moments {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let before = self.0.last().cloned().unwrap_or_default();
        self.0.push([before, bytes.to_vec()].concat());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_file_that_is_begun_opens_after_every_write() {
    let events = small_events();
    let mut moments = Moments::default();
    let mut writer = Writer::new(&mut moments, &crate::example_header()).expect("memory has room");
    for event in &events {
        writer.push(event).expect("memory has room");
        writer.flush().expect("memory has room");
    }
    writer.finish().expect("memory has room");
    assert!(moments.0.len() > events.len());
    for file in &moments.0 {
        let read = open(file).expect("it opens").collect::<Result<Vec<_>, _>>().expect("all of it reads");
        assert_eq!(read, events[..read.len()]);
    }
}

#[test]
fn cut_off_anywhere_it_gives_its_good_part() {
    let events = small_events();
    let file = file_of(&events, &[0, 2, 3]);
    let mut most = 0;
    for length in 0..file.len() {
        match open(&file[..length]) {
            Err(error) => assert!(
                matches!(error, ReadError::NotARecording | ReadError::NoHeader),
                "at {length}: {error}"
            ),
            Ok(reader) => {
                let Completeness::Recovered { good_bytes, bytes_lost, .. } = reader.completeness() else {
                    panic!("at {length} it claims to be finished");
                };
                assert_eq!(good_bytes + bytes_lost, length as u64);
                let read = reader.collect::<Result<Vec<_>, _>>().expect("the good part reads");
                assert_eq!(read, events[..read.len()]);
                assert!(read.len() >= most, "a longer file gives no less");
                most = read.len();
            }
        }
    }
    assert_eq!(most, events.len());
}

#[test]
fn a_flipped_bit_never_gives_other_events() {
    let events = small_events();
    let file = file_of(&events, &[1]);
    for bit in 0..file.len() * 8 {
        let mut bad = file.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        let (read, _) = drain(&bad);
        assert_eq!(read, events[..read.len()], "bit {bit}");
    }
}

#[test]
fn a_damaged_block_is_named_with_its_place() {
    let file = file_of(&small_events(), &[2]);
    let second = file
        .windows(4)
        .enumerate()
        .filter(|(_, at)| at == b"vmB1")
        .map(|(at, _)| at)
        .nth(4)
        .expect("is there");
    let mut bad = file.clone();
    bad[second + FRAME_BYTES] ^= 1;
    let (read, error) = drain(&bad);
    assert_eq!(read.len(), 3);
    match error {
        Some(ReadError::Corrupt { offset, .. }) => assert_eq!(offset, second as u64),
        other => panic!("{other:?}"),
    }
}

#[test]
fn blocks_of_unknown_kind_are_passed_over() {
    let events = small_events();
    let file = file_of(&events, &[]);
    let raw = file[PROLOGUE_BYTES..PROLOGUE_BYTES + FRAME_BYTES].try_into().expect("long enough");
    let header = Frame::from_bytes(&raw).expect("whole");
    let after_header = PROLOGUE_BYTES + FRAME_BYTES + header.packed_bytes as usize;
    let unknown = Frame::of(BlockKind(77), 123, 0, 0)
        .pack(b"from the future", &mut Packer::new().expect("packer"))
        .expect("packs");
    // The index no longer fits: the scan takes over.
    let mut longer = file[..after_header].to_vec();
    longer.extend_from_slice(&unknown);
    longer.extend_from_slice(&file[after_header..]);
    assert_eq!(drain(&longer).0, events);
}

#[test]
fn a_newer_format_is_refused_with_what_to_do() {
    let mut file = file_of(&small_events(), &[]);
    file[8] = 2;
    let error = open(&file).err().expect("refused");
    assert_eq!(
        error.to_string(),
        "the recording has format 2, this vmatlas reads up to 1: use a newer vmatlas"
    );
}

#[test]
fn other_files_are_no_recordings() {
    for file in [b"".as_slice(), b"\x7fELF", b"PERFILE2 and much more than sixteen bytes"] {
        assert!(matches!(open(file), Err(ReadError::NotARecording)));
    }
}

proptest! {
    /// Damage that the checksums can't see, because whoever made it has set them right.
    #[test]
    fn hostile_payloads_never_panic(
        events in events(12),
        hits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let file = file_of(&events, &[5]);
        let (mut packer, mut unpacker) = (Packer::new().expect("packer"), Unpacker::new().expect("unpacker"));
        let mut offset = PROLOGUE_BYTES;
        let mut hostile = file[..offset].to_vec();
        while let Some(raw) = file.get(offset..offset + FRAME_BYTES).and_then(|raw| raw.try_into().ok()) {
            let Ok(frame) = Frame::from_bytes(&raw) else { break };
            let end = offset + FRAME_BYTES + frame.packed_bytes as usize;
            let mut payload = frame.unpack(file[offset + FRAME_BYTES..end].to_vec(), &mut unpacker).expect("unpacks");
            if frame.kind != BlockKind::INDEX {
                for (place, value) in &hits {
                    let length = payload.len();
                    if let Some(byte) = payload.get_mut(place.index(length.max(1))) {
                        *byte ^= value;
                    }
                }
                hostile.extend_from_slice(&frame.pack(&payload, &mut packer).expect("packs"));
            }
            offset = end;
        }
        drain(&hostile);
        if let Ok(mut reader) = open(&hostile) {
            let _ = reader.seek(events.len() as u64 / 2);
            let _ = reader.next_event();
        }
    }

    #[test]
    fn random_bytes_never_panic(tail in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut file = file_of(&[], &[])[..PROLOGUE_BYTES].to_vec();
        file.extend_from_slice(&tail);
        drain(&file);
    }
}
