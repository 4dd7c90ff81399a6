//! The index: where each block is. Written at the end of a file, made again by a scan where it is missing.

use crate::columns::{Col, ColumnsIn, ColumnsOut};
use crate::error::Malformed;
use crate::frame::{BlockKind, FRAME_BYTES, Frame, PROLOGUE_BYTES};

/// Where one block is and what it holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    pub(crate) kind: BlockKind,
    /// Where its frame begins, in bytes from the start of the file.
    pub(crate) offset: u64,
    /// Its first event's number.
    pub(crate) first_event: u64,
    /// How many events it holds.
    pub(crate) events: u32,
    /// Its first event's time in nanoseconds.
    pub(crate) first_time_ns: u64,
}

impl Entry {
    pub(crate) fn new(offset: u64, frame: &Frame) -> Self {
        let Frame { kind, events, first_event, first_time_ns, .. } = *frame;
        Self { kind, offset, first_event, events, first_time_ns }
    }
}

/// The bytes the trailer ends with, and so the file.
const TRAILER_MAGIC: [u8; 8] = *b"vmatlas\x04";
/// The trailer: where the index block begins, a CRC-32 of that number, four zeros, the magic.
pub(crate) const TRAILER_BYTES: usize = 24;

/// The last bytes of a finished file.
pub(crate) fn trailer(index_offset: u64) -> [u8; TRAILER_BYTES] {
    let mut out = [0; TRAILER_BYTES];
    out[..8].copy_from_slice(&index_offset.to_le_bytes());
    out[8..12].copy_from_slice(&crc32fast::hash(&index_offset.to_le_bytes()).to_le_bytes());
    out[16..].copy_from_slice(&TRAILER_MAGIC);
    out
}

/// Where the index of a finished file begins; `None` if these bytes are no trailer.
pub(crate) fn index_offset(last: &[u8; TRAILER_BYTES]) -> Option<u64> {
    let (offset, _) = last.split_first_chunk()?;
    let offset = u64::from_le_bytes(*offset);
    (*last == trailer(offset)).then_some(offset)
}

/// Writes the payload of the index block.
pub(crate) fn to_payload(entries: &[Entry]) -> Vec<u8> {
    let mut columns = ColumnsOut::new();
    let mut next_event = 0;
    for entry in entries {
        columns.put(Col::IndexKind, u64::from(entry.kind.0));
        columns.put_difference(Col::IndexOffset, entry.offset);
        columns.put(Col::IndexEvents, u64::from(entry.events));
        columns.put_difference(Col::IndexTime, entry.first_time_ns);
        debug_assert_eq!(entry.first_event, next_event);
        next_event += entry.counted_events();
    }
    columns.take_payload()
}

/// Reads the payload of the index block, which begins at `index_offset`.
pub(crate) fn from_payload(payload: Vec<u8>, index_offset: u64) -> Result<Vec<Entry>, Malformed> {
    let mut columns = ColumnsIn::new(payload)?;
    let mut entries = Vec::new();
    let mut first_event: u64 = 0;
    let mut least_offset = PROLOGUE_BYTES as u64;
    while !columns.is_at_end(Col::IndexKind) {
        let kind =
            u8::try_from(columns.get(Col::IndexKind)?).map_err(|_| Malformed("the index has an odd kind"))?;
        let events = u32::try_from(columns.get(Col::IndexEvents)?);
        let entry = Entry {
            kind: BlockKind(kind),
            offset: columns.get_difference(Col::IndexOffset)?,
            first_event,
            events: events.map_err(|_| Malformed("the index counts too many events"))?,
            first_time_ns: columns.get_difference(Col::IndexTime)?,
        };
        if entry.offset < least_offset || entry.offset >= index_offset {
            return Err(Malformed("the index points outside the blocks"));
        }
        least_offset = entry.offset + FRAME_BYTES as u64;
        first_event += entry.counted_events();
        entries.push(entry);
    }
    Ok(entries)
}

impl Entry {
    /// How many of the recording's events the block holds: blocks of other kinds use the field as they like.
    pub(crate) fn counted_events(&self) -> u64 {
        if self.kind == BlockKind::EVENTS { u64::from(self.events) } else { 0 }
    }
}
