//! The writer: events in, whole blocks out.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use crate::columns::ColumnsOut;
use crate::dictionary::DictionaryOut;
use crate::event::{Body, Event, LossSource};
use crate::facts;
use crate::frame::{BlockKind, FILE_MAGIC, FORMAT_MAJOR, FORMAT_MINOR, Frame, PROLOGUE_BYTES, Packer};
use crate::header::Header;
use crate::index::{self, Entry};
use crate::limits::{BLOCK_BYTES_MAX, BYTES_PER_BLOCK, EVENTS_PER_BLOCK, MAP_ROWS_MAX, PAGE_RUNS_MAX};
use crate::sink::EventSink;
use crate::symbols::Symbols;
use crate::wire::{Bases, Encoder, put_event};

/// Writes a recording, block by block, each with one write.
///
/// Whoever is killed between two blocks leaves a file that opens. After an error every further call fails
/// with the same kind of error and nothing more is written.
pub struct Writer<W: Write = File> {
    out: W,
    /// Bytes written so far.
    offset: u64,
    entries: Vec<Entry>,
    encoder: Encoder,
    packer: Packer,
    bases: Bases,
    /// Events in blocks already written.
    written: u64,
    /// Events in the block being filled.
    pending: u32,
    /// The time of the first of them.
    pending_time_ns: u64,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Finished,
    Failed(io::ErrorKind),
}

impl Writer<File> {
    /// Makes a new file; one that is there already is left alone.
    ///
    /// # Errors
    /// `AlreadyExists`, or whatever the operating system says.
    pub fn create_new(path: impl AsRef<Path>, header: &Header) -> io::Result<Self> {
        Self::new(File::create_new(path)?, header)
    }

    /// Makes a new file in place of whatever is there.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub fn create(path: impl AsRef<Path>, header: &Header) -> io::Result<Self> {
        Self::new(File::create(path)?, header)
    }
}

impl<W: Write> Writer<W> {
    /// Begins a recording on `out`, which must be empty.
    ///
    /// # Errors
    /// Whatever `out` says.
    pub fn new(out: W, header: &Header) -> io::Result<Self> {
        let mut writer = Self {
            out,
            offset: 0,
            entries: Vec::new(),
            encoder: Encoder { columns: ColumnsOut::new(), dictionary: DictionaryOut::new() },
            packer: Packer::new()?,
            bases: Bases::default(),
            written: 0,
            pending: 0,
            pending_time_ns: 0,
            state: State::Open,
        };
        let mut prologue = [0; PROLOGUE_BYTES];
        prologue[..8].copy_from_slice(&FILE_MAGIC);
        prologue[8..10].copy_from_slice(&FORMAT_MAJOR.to_le_bytes());
        prologue[10..12].copy_from_slice(&FORMAT_MINOR.to_le_bytes());
        // Together: a file with the one and not the other would be none.
        writer.write_behind(&prologue, Frame::of(BlockKind::HEADER, 0, 0, 0), &facts::to_payload(header))?;
        writer.out.flush()?;
        Ok(writer)
    }

    /// Events pushed so far.
    pub fn events(&self) -> u64 {
        self.written + u64::from(self.pending)
    }

    /// Bytes written so far.
    pub fn bytes(&self) -> u64 {
        self.offset
    }

    /// Takes the next event.
    ///
    /// A checkpoint larger than any block may be is replaced by a note that one is lost.
    ///
    /// # Errors
    /// Whatever the medium says.
    pub fn push(&mut self, event: &Event) -> io::Result<()> {
        self.ready()?;
        if let Body::Checkpoint(checkpoint) = &event.body
            && (checkpoint.maps.len() > MAP_ROWS_MAX
                || checkpoint.pages.as_ref().is_some_and(|pages| pages.len() > PAGE_RUNS_MAX))
        {
            let body = Body::Lost { source: LossSource::Checkpoints, count: 1 };
            return self.push(&Event { body, ..event.clone() });
        }
        if self.pending == 0 {
            self.pending_time_ns = event.time.0;
        }
        put_event(event, self.events(), &mut self.bases, &mut self.encoder);
        self.pending += 1;
        let is_full = self.pending >= EVENTS_PER_BLOCK
            || self.encoder.columns.bytes() >= BYTES_PER_BLOCK
            || self.encoder.dictionary.fresh_bytes() >= BYTES_PER_BLOCK;
        if is_full { self.end_block() } else { Ok(()) }
    }

    /// Ends the block, so that everything pushed so far outlives this process.
    ///
    /// # Errors
    /// Whatever the medium says.
    pub fn flush(&mut self) -> io::Result<()> {
        self.ready()?;
        self.end_block()?;
        self.out.flush()
    }

    /// Adds the names of frames, after the last event.
    ///
    /// # Errors
    /// Whatever the medium says; if they are larger than a block may be.
    pub fn push_symbols(&mut self, symbols: &Symbols) -> io::Result<()> {
        self.flush()?;
        let payload = symbols.to_payload();
        if payload.len() > BLOCK_BYTES_MAX {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the names are larger than a block may be",
            ));
        }
        self.write_block(Frame::of(BlockKind::SYMBOLS, 0, self.written, 0), &payload)
    }

    /// Writes the index and the trailer. Calling it again does nothing.
    ///
    /// # Errors
    /// Whatever the medium says.
    pub fn finish(&mut self) -> io::Result<()> {
        if self.state == State::Finished {
            return Ok(());
        }
        self.flush()?;
        let payload = index::to_payload(&self.entries);
        let index_offset = self.offset;
        self.write_block(Frame::of(BlockKind::INDEX, 0, 0, 0), &payload)?;
        self.write(&index::trailer(index_offset))?;
        self.out.flush()?;
        self.state = State::Finished;
        Ok(())
    }

    /// Gives back what was written to.
    pub fn into_inner(self) -> W {
        self.out
    }

    fn ready(&self) -> io::Result<()> {
        match self.state {
            State::Open => Ok(()),
            State::Finished => Err(io::Error::other("the recording is finished")),
            State::Failed(kind) => Err(kind.into()),
        }
    }

    fn end_block(&mut self) -> io::Result<()> {
        if self.pending == 0 {
            return Ok(());
        }
        let (pending, time) = (self.pending, self.pending_time_ns);
        if let Some((payload, entries)) = self.encoder.dictionary.take_payload() {
            let frame = Frame::of(BlockKind::DICTIONARY, entries, self.written, time);
            self.write_block(frame, &payload)?;
        }
        let payload = self.encoder.columns.take_payload();
        let frame = Frame::of(BlockKind::EVENTS, pending, self.written, time);
        self.write_block(frame, &payload)?;
        self.written += u64::from(pending);
        self.pending = 0;
        Ok(())
    }

    fn write_block(&mut self, frame: Frame, payload: &[u8]) -> io::Result<()> {
        self.write_behind(&[], frame, payload)
    }

    /// Writes a block behind other bytes, with one write.
    fn write_behind(&mut self, before: &[u8], frame: Frame, payload: &[u8]) -> io::Result<()> {
        if payload.len() > BLOCK_BYTES_MAX {
            self.state = State::Failed(io::ErrorKind::InvalidInput);
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "an event is larger than a block may be",
            ));
        }
        self.entries.push(Entry::new(self.offset + before.len() as u64, &frame));
        let block = frame.pack(payload, &mut self.packer)?;
        if before.is_empty() { self.write(&block) } else { self.write(&[before, &block].concat()) }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let result = self.out.write_all(bytes);
        match &result {
            Ok(()) => self.offset += bytes.len() as u64,
            Err(error) => self.state = State::Failed(error.kind()),
        }
        result
    }
}

impl<W: Write> EventSink for Writer<W> {
    fn push(&mut self, event: &Event) -> io::Result<()> {
        Self::push(self, event)
    }

    fn flush(&mut self) -> io::Result<()> {
        Self::flush(self)
    }

    fn finish(&mut self) -> io::Result<()> {
        Self::finish(self)
    }
}
