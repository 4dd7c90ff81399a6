//! Recordings: damaged anywhere, and damaged inside blocks whose checksums were then set right.

use std::io::Cursor;
use std::sync::Arc;

use abi::{AddrRange, Call, FileId, FileOff, Prot, Tid, VirtAddr, table};
use recording::{
    Body, CallEvent, CallInput, CallResult, Checkpoint, Counters, Event, FaultAccess, FaultEvent, FaultMode,
    MapRow, MmId, PageRun, PageState, Reader, Reason, TimeNs, Writer, example_header,
};

use crate::random::Random;

const PROLOGUE: usize = 16;
const FRAME: usize = 44;

/// Makes a recording, checks that it reads back, damages it, and reads what is left of it.
pub fn target(random: &mut Random) {
    let events: Vec<Event> = (0..random.below(60)).map(|_| event(random)).collect();
    let file = written(&events, random);
    let read: Vec<Event> =
        Reader::new(Cursor::new(&file)).expect("opens").map(|event| event.expect("reads")).collect();
    assert_eq!(read, events);
    let damaged =
        if random.below(3) == 0 { damage_anywhere(file, random) } else { damage_payloads(&file, random) };
    let Ok(mut reader) = Reader::new(Cursor::new(&damaged)) else { return };
    while let Ok(Some(_)) = reader.next_event() {}
    let _ = reader.seek(random.any_size());
    let _ = reader.next_event();
    let _ = reader.seek_time(TimeNs(random.any_size()));
    let _ = reader.next_event();
}

fn written(events: &[Event], random: &mut Random) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), &example_header()).expect("a vector takes everything");
    for event in events {
        writer.push(event).expect("a vector takes everything");
        if random.below(8) == 0 {
            writer.flush().expect("a vector takes everything");
        }
    }
    if random.below(4) > 0 {
        writer.finish().expect("a vector takes everything");
    } else {
        writer.flush().expect("a vector takes everything");
    }
    writer.into_inner()
}

fn event(random: &mut Random) -> Event {
    let body = match random.below(6) {
        0 => Body::Call(call(random)),
        1 => Body::Fault(FaultEvent {
            addr: VirtAddr(random.any_size()),
            ip: VirtAddr(random.any_size()),
            mode: FaultMode::User,
            access: FaultAccess::Unknown,
            stack: None,
        }),
        2 => Body::ThreadName(name(random)),
        3 => Body::Stack((0..random.below(9)).map(|_| VirtAddr(random.any_size())).collect()),
        _ => Body::Checkpoint(Box::new(checkpoint(random))),
    };
    let time = TimeNs(random.any_size() >> 1);
    Event { time, tid: Tid(random.below(5) as i32), mm: MmId(random.below(3) as u32), body }
}

fn name(random: &mut Random) -> Arc<[u8]> {
    (0..random.below(6)).map(|_| random.word() as u8).collect()
}

fn call(random: &mut Random) -> CallEvent {
    let call = loop {
        let row = table::ROWS[random.below(table::ROWS.len())];
        let args = std::array::from_fn(|_| random.any_size());
        if let Some(call) = Call::decode_x86_64(row.x86_64, args) {
            break call;
        }
    };
    let input = match random.below(3) {
        0 => CallInput::Words((0..random.below(5)).map(|_| random.any_size()).collect()),
        1 => CallInput::Name(Some(name(random))),
        _ => CallInput::None,
    };
    CallEvent { call, result: CallResult::Seen(random.any_size() as i64), input, stack: None }
}

/// A map that is often like the last one, so that checkpoints lean on one another.
fn checkpoint(random: &mut Random) -> Checkpoint {
    let range = |at: usize, random: &mut Random| {
        let pages = if random.below(9) == 0 { 2 } else { 1 };
        AddrRange::new(VirtAddr((at as u64) << 16), VirtAddr((at as u64) << 16 | pages << 12))
    };
    let count = 20 + random.below(3);
    let row = |at| MapRow {
        range: range(at, random),
        prot: Prot::RW,
        shared: false,
        offset: FileOff(0),
        file: FileId::default(),
        name: Arc::from(b"".as_slice()),
    };
    let maps = (0..count).map(row).collect();
    let run = |at| PageRun { range: range(at, random), state: PageState::PRESENT };
    let pages = (0..count).map(run).collect();
    let counters = Counters { vm_size: random.any_size(), ..Counters::default() };
    Checkpoint {
        reason: Reason::Interval,
        maps,
        pages: Some(pages),
        counters,
        in_flight: Arc::from([Tid(1)]),
    }
}

fn damage_anywhere(mut file: Vec<u8>, random: &mut Random) -> Vec<u8> {
    for _ in 0..1 + random.below(4) {
        hit(&mut file, random);
    }
    file
}

/// Changes, removes or adds some bytes.
fn hit(bytes: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(bytes.len() + 1);
    match random.below(5) {
        0 => bytes.truncate(at),
        1 => bytes.insert(at, random.word() as u8),
        2 if at < bytes.len() => {
            bytes.remove(at);
        }
        3 if at < bytes.len() => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5)],
        _ if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
        _ => {}
    }
}

/// Unpacks each block, damages some, packs them again with the right checksums; the index is left out or kept.
fn damage_payloads(file: &[u8], random: &mut Random) -> Vec<u8> {
    let mut out = file[..PROLOGUE].to_vec();
    let mut rest = &file[PROLOGUE..];
    while rest.len() >= FRAME && rest.starts_with(b"vmB1") {
        let word = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().expect("four bytes"));
        let (packed_bytes, bytes) = (word(8) as usize, word(12) as usize);
        let packed = &rest[FRAME..FRAME + packed_bytes];
        let mut payload = match rest[5] {
            0 => packed.to_vec(),
            _ => zstd::bulk::decompress(packed, bytes).expect("unpacks"),
        };
        if random.below(3) == 0 {
            hit(&mut payload, random);
        }
        let mut frame = rest[..FRAME].to_vec();
        if random.below(20) == 0 {
            hit(&mut frame, random);
            frame.resize(FRAME, 0);
        }
        let packed = zstd::bulk::compress(&payload, 1).expect("packs");
        frame[5] = 1;
        frame[8..12].copy_from_slice(&(packed.len() as u32).to_le_bytes());
        frame[12..16].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        frame[36..40].copy_from_slice(&crc32fast::hash(&packed).to_le_bytes());
        let crc = crc32fast::hash(&frame[..40]);
        frame[40..44].copy_from_slice(&crc.to_le_bytes());
        out.extend_from_slice(&frame);
        out.extend_from_slice(&packed);
        rest = &rest[FRAME + packed_bytes..];
    }
    out
}
