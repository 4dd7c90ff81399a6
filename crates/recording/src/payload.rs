//! One block of a file, found by its entry in the index.

use std::io::{Read, Seek, SeekFrom};

use crate::error::{Malformed, ReadError};
use crate::frame::{FRAME_BYTES, Frame, Unpacker};
use crate::index::Entry;

/// Reads, checks and unpacks the block of an entry.
pub(crate) fn load(
    file: &mut (impl Read + Seek),
    unpacker: &mut Unpacker,
    entry: &Entry,
) -> Result<Vec<u8>, ReadError> {
    load_framed(file, unpacker, entry).map(|(_, payload)| payload)
}

pub(crate) fn load_framed(
    file: &mut (impl Read + Seek),
    unpacker: &mut Unpacker,
    entry: &Entry,
) -> Result<(Frame, Vec<u8>), ReadError> {
    file.seek(SeekFrom::Start(entry.offset))?;
    let mut raw = [0; FRAME_BYTES];
    read_whole(file, &mut raw, entry.offset)?;
    let frame = Frame::from_bytes(&raw).map_err(|why| at(entry.offset, why))?;
    if Entry::new(entry.offset, &frame).kind != entry.kind || frame.events != entry.events {
        return Err(at(entry.offset, Malformed("the block is not the one that the index names")));
    }
    let mut packed = Vec::new();
    file.take(u64::from(frame.packed_bytes)).read_to_end(&mut packed)?;
    if packed.len() != frame.packed_bytes as usize {
        return Err(at(entry.offset, Malformed("the block is cut off")));
    }
    let payload = frame.unpack(packed, unpacker).map_err(|why| at(entry.offset, why))?;
    Ok((frame, payload))
}

fn read_whole(file: &mut impl Read, raw: &mut [u8], offset: u64) -> Result<(), ReadError> {
    match file.read_exact(raw) {
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            Err(at(offset, Malformed("the block is cut off")))
        }
        other => Ok(other?),
    }
}

pub(crate) fn at(offset: u64, Malformed(why): Malformed) -> ReadError {
    ReadError::Corrupt { offset, why }
}
