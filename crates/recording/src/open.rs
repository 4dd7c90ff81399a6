//! Opening a file: the prologue, the header, and where every block is: by the index, or by a scan.

use std::io::{ErrorKind, Read, Seek, SeekFrom};

use crate::error::{Malformed, ReadError};
use crate::facts;
use crate::frame::{BlockKind, FILE_MAGIC, FORMAT_MAJOR, FRAME_BYTES, Frame, PROLOGUE_BYTES, Unpacker};
use crate::header::Header;
use crate::index::{self, Entry, TRAILER_BYTES};
use crate::payload::load;

/// Whether a recording has its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Completeness {
    /// The recorder finished the file.
    Finished,
    /// It did not, or does still write: what is here is whole up to the last good block.
    Recovered {
        /// Where the good part ends, in bytes from the start of the file.
        good_bytes: u64,
        /// Bytes after it that belong to no good block.
        bytes_lost: u64,
        /// What is wrong there.
        why: &'static str,
    },
}

/// What opening finds out.
pub(crate) struct Opened {
    pub(crate) header: Header,
    pub(crate) entries: Vec<Entry>,
    /// The block with the names of frames.
    pub(crate) symbols: Option<Entry>,
    /// Blocks with states of the twin.
    pub(crate) twins: Vec<Entry>,
    pub(crate) completeness: Completeness,
}

/// The kinds of blocks that reading events needs.
const KNOWN: [BlockKind; 3] = [BlockKind::HEADER, BlockKind::DICTIONARY, BlockKind::EVENTS];

/// Opens a file. An index that is missing or damaged is made again by a scan.
pub(crate) fn open(file: &mut (impl Read + Seek), unpacker: &mut Unpacker) -> Result<Opened, ReadError> {
    check_prologue(file)?;
    let file_bytes = file.seek(SeekFrom::End(0))?;
    let (mut entries, completeness) = match read_index(file, unpacker, file_bytes)? {
        Some(entries) => (entries, Completeness::Finished),
        None => scan(file, file_bytes)?,
    };
    let twins = entries.iter().filter(|entry| entry.kind == BlockKind::TWIN).copied().collect();
    let symbols = entries.iter().rfind(|entry| entry.kind == BlockKind::SYMBOLS).copied();
    // Blocks of other kinds may say what they like in their frames.
    entries.retain(|entry| KNOWN.contains(&entry.kind));
    let first = entries.first().filter(|first| first.kind == BlockKind::HEADER).ok_or(ReadError::NoHeader)?;
    let header = facts::from_payload(&load(file, unpacker, first)?)?;
    Ok(Opened { header, entries, symbols, twins, completeness })
}

/// Every block of a finished file; `None` if it is not finished.
pub(crate) fn all_entries(
    file: &mut (impl Read + Seek),
    unpacker: &mut Unpacker,
) -> Result<Option<Vec<Entry>>, ReadError> {
    check_prologue(file)?;
    let file_bytes = file.seek(SeekFrom::End(0))?;
    read_index(file, unpacker, file_bytes)
}

fn check_prologue(file: &mut (impl Read + Seek)) -> Result<(), ReadError> {
    file.seek(SeekFrom::Start(0))?;
    let mut prologue = Vec::new();
    file.take(PROLOGUE_BYTES as u64).read_to_end(&mut prologue)?;
    let magic = &prologue[..prologue.len().min(FILE_MAGIC.len())];
    if prologue.is_empty() || !FILE_MAGIC.starts_with(magic) {
        return Err(ReadError::NotARecording);
    }
    let major = prologue.get(8..10).map(|word| u16::from_le_bytes([word[0], word[1]]));
    match major {
        Some(major) if major > FORMAT_MAJOR => {
            Err(ReadError::NewerFormat { file: major, supported: FORMAT_MAJOR })
        }
        Some(_) if prologue.len() == PROLOGUE_BYTES => Ok(()),
        _ => Err(ReadError::NoHeader),
    }
}

/// Reads the index of a finished file; `None` if there is none that is whole.
fn read_index(
    file: &mut (impl Read + Seek),
    unpacker: &mut Unpacker,
    file_bytes: u64,
) -> Result<Option<Vec<Entry>>, ReadError> {
    let Some(trailer_at) = file_bytes.checked_sub(TRAILER_BYTES as u64) else { return Ok(None) };
    file.seek(SeekFrom::Start(trailer_at))?;
    let mut trailer = [0; TRAILER_BYTES];
    file.read_exact(&mut trailer)?;
    let Some(offset) = index::index_offset(&trailer).filter(|&offset| offset < trailer_at) else {
        return Ok(None);
    };
    let place = Entry { kind: BlockKind::INDEX, offset, first_event: 0, events: 0, first_time_ns: 0 };
    let entries = match load(file, unpacker, &place) {
        Ok(payload) => index::from_payload(payload, offset),
        Err(ReadError::Io(error)) => return Err(error.into()),
        Err(_) => return Ok(None),
    };
    Ok(entries.ok())
}

/// Finds the blocks one after another, checking every checksum, up to the first that is not whole.
fn scan(file: &mut (impl Read + Seek), file_bytes: u64) -> Result<(Vec<Entry>, Completeness), ReadError> {
    let mut entries = Vec::new();
    let mut offset = PROLOGUE_BYTES as u64;
    let mut next_event: u64 = 0;
    let why = loop {
        if offset == file_bytes {
            break "the recorder has not finished the file";
        }
        match scan_block(file, offset, next_event)? {
            Ok((frame, end)) => {
                let mut entry = Entry::new(offset, &frame);
                entry.first_event = next_event;
                next_event += entry.counted_events();
                entries.push(entry);
                offset = end;
            }
            Err(Malformed(why)) => break why,
        }
    };
    let recovered =
        Completeness::Recovered { good_bytes: offset, bytes_lost: file_bytes.saturating_sub(offset), why };
    Ok((entries, recovered))
}

/// Checks one block; returns its frame and where it ends.
fn scan_block(
    file: &mut (impl Read + Seek),
    offset: u64,
    next_event: u64,
) -> Result<Result<(Frame, u64), Malformed>, ReadError> {
    const CUT_OFF: Malformed = Malformed("the last block is cut off");
    file.seek(SeekFrom::Start(offset))?;
    let mut raw = [0; FRAME_BYTES];
    match file.read_exact(&mut raw) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(Err(CUT_OFF)),
        other => other?,
    }
    let frame = match Frame::from_bytes(&raw) {
        Ok(frame) => frame,
        Err(why) => return Ok(Err(why)),
    };
    if frame.kind == BlockKind::EVENTS && frame.first_event != next_event {
        return Ok(Err(Malformed("a block does not follow the one before it")));
    }
    let mut crc = crc32fast::Hasher::new();
    let mut left = frame.packed_bytes as usize;
    let mut buffer = [0; 16 << 10];
    while left > 0 {
        let wanted = left.min(buffer.len());
        let got = match file.read(&mut buffer[..wanted]) {
            Ok(0) => return Ok(Err(CUT_OFF)),
            Ok(got) => got,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        };
        crc.update(&buffer[..got]);
        left -= got;
    }
    if crc.finalize() != frame.crc {
        return Ok(Err(Malformed("the checksum of a block is wrong")));
    }
    Ok(Ok((frame, offset + FRAME_BYTES as u64 + u64::from(frame.packed_bytes))))
}
