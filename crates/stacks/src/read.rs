//! Reading parts of an object: from a file as they are asked for, or from bytes in memory.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// No section of an object is larger than this, packed or unpacked.
const SECTION_BYTES_MAX: u64 = 2 << 30;

/// Where an object's bytes are.
#[derive(Debug)]
pub(crate) enum Source {
    /// In a file, held open so that what is read later is of the same file.
    File(File),
    /// In memory.
    Bytes(Arc<[u8]>),
}

impl Source {
    /// Reads as much of a range as there is into a buffer; returns how much that is.
    pub(crate) fn read(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Bytes(bytes) => {
                let rest =
                    usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..)).unwrap_or_default();
                let size = rest.len().min(into.len());
                into[..size].copy_from_slice(&rest[..size]);
                Ok(size)
            }
            Self::File(file) => {
                let mut read = 0;
                while read < into.len() {
                    match file.read_at(&mut into[read..], offset.saturating_add(read as u64)) {
                        Ok(0) => break,
                        Ok(more) => read += more,
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        Err(error) => return Err(error),
                    }
                }
                Ok(read)
            }
        }
    }

    /// Reads a range of bytes.
    pub(crate) fn bytes(&self, offset: u64, size: u64) -> io::Result<Vec<u8>> {
        let end = offset.checked_add(size).filter(|_| size <= SECTION_BYTES_MAX);
        let end = end.ok_or(io::Error::from(io::ErrorKind::InvalidData))?;
        match self {
            Self::Bytes(bytes) => {
                let part = usize::try_from(offset).ok().zip(usize::try_from(end).ok());
                let part = part.and_then(|(from, to)| bytes.get(from..to));
                Ok(part.ok_or(io::ErrorKind::UnexpectedEof)?.to_vec())
            }
            Self::File(file) => {
                if end > file.metadata()?.len() {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                let mut bytes = vec![0; size as usize];
                file.read_exact_at(&mut bytes, offset)?;
                Ok(bytes)
            }
        }
    }
}

/// How a section is packed: `ch_type` of its compression header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Packing {
    Zlib,
    Zstd,
}

/// Unpacks a section to the size that its header says, and no further.
pub(crate) fn unpack(packed: &[u8], packing: Packing, size: u64) -> io::Result<Vec<u8>> {
    if size > SECTION_BYTES_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = Vec::new();
    match packing {
        Packing::Zlib => flate2::read::ZlibDecoder::new(packed).take(size).read_to_end(&mut bytes)?,
        Packing::Zstd => zstd::stream::read::Decoder::new(packed)?.take(size).read_to_end(&mut bytes)?,
    };
    if bytes.len() as u64 != size {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}
