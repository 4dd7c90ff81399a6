//! Adding blocks to a finished file: what a reader has found out and wants to find again.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use crate::error::{Malformed, ReadError};
use crate::event::TimeNs;
use crate::frame::{BlockKind, Frame, Packer, Unpacker};
use crate::index::{self, Entry};
use crate::limits::BLOCK_BYTES_MAX;
use crate::open;
use crate::payload::at;
use crate::symbols::Symbols;

/// Adds twin checkpoints and names to a finished recording.
///
/// Nothing that is there is written over: the blocks follow the old trailer, then a new index and a new trailer,
/// after which the file is finished again. In between a reader finds the events by a scan, as in a file whose
/// recorder was killed.
pub struct Appender {
    file: File,
    offset: u64,
    entries: Vec<Entry>,
    packer: Packer,
}

impl Appender {
    /// Opens a finished recording for adding to it.
    ///
    /// # Errors
    /// If it can't be opened for writing, is not finished, or another process is adding to it.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        let mut file = OpenOptions::new().read(true).write(true).open(path)?;
        file.try_lock().map_err(io::Error::from)?;
        let mut unpacker = Unpacker::new()?;
        let entries = open::all_entries(&mut file, &mut unpacker)?;
        let offset = file.seek(SeekFrom::End(0))?;
        let entries = entries.ok_or(at(offset, Malformed("the recording is not finished")))?;
        Ok(Self { file, offset, entries, packer: Packer::new()? })
    }

    /// Adds the state of the twin after so many events; what it says is the caller's.
    ///
    /// # Errors
    /// Whatever the medium says; if the state is larger than a block may be.
    pub fn push(&mut self, events: u64, time: TimeNs, state: &[u8]) -> io::Result<()> {
        self.write_block(Frame::of(BlockKind::TWIN, 0, events, time.0), state)
    }

    /// Adds names of frames: readers take the last ones there are.
    ///
    /// # Errors
    /// Whatever the medium says; if they are larger than a block may be.
    pub fn push_symbols(&mut self, symbols: &Symbols) -> io::Result<()> {
        self.write_block(Frame::of(BlockKind::SYMBOLS, 0, self.next_event(), 0), &symbols.to_payload())
    }

    /// Writes the new index and trailer.
    ///
    /// # Errors
    /// Whatever the medium says.
    pub fn finish(mut self) -> io::Result<()> {
        let payload = index::to_payload(&self.entries);
        let index_offset = self.offset;
        self.write_block(Frame::of(BlockKind::INDEX, 0, 0, 0), &payload)?;
        self.file.write_all(&index::trailer(index_offset))?;
        self.file.flush()
    }

    fn write_block(&mut self, frame: Frame, payload: &[u8]) -> io::Result<()> {
        if payload.len() > BLOCK_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "that is larger than a block may be"));
        }
        let block = frame.pack(payload, &mut self.packer)?;
        self.file.write_all(&block)?;
        let entry = Entry { first_event: self.next_event(), ..Entry::new(self.offset, &frame) };
        self.entries.push(entry);
        self.offset += block.len() as u64;
        Ok(())
    }

    /// The index counts events: a block without any stands at the number of those before it.
    fn next_event(&self) -> u64 {
        self.entries.last().map_or(0, |last| last.first_event + last.counted_events())
    }
}
