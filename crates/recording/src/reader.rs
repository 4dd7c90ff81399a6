//! The reader: streams events out of a file, one block in memory at a time.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use crate::columns::ColumnsIn;
use crate::dictionary::DictionaryIn;
use crate::error::{Malformed, ReadError};
use crate::event::{Body, Event, MmId, TimeNs};
use crate::frame::{BlockKind, Unpacker};
use crate::header::Header;
use crate::index::Entry;
use crate::open::{self, Completeness, Opened};
use crate::payload::{at, load, load_framed};
use crate::symbols::Symbols;
use crate::wire::{Base, Bases, CodedCheckpoint, Decoded, Decoder, get_event};

/// Reads a recording.
pub struct Reader<R: Read + Seek = File> {
    file: R,
    unpacker: Unpacker,
    header: Header,
    entries: Vec<Entry>,
    symbols: Option<Entry>,
    twins: Vec<Entry>,
    completeness: Completeness,
    dictionary: DictionaryIn,
    /// Dictionary blocks among the first so many entries have been added.
    dictionary_entries: usize,
    bases: Bases,
    block: Option<Block>,
    next_entry: usize,
    next_event: u64,
    unknown_events: u64,
}

/// The block whose events are being read.
struct Block {
    columns: ColumnsIn,
    offset: u64,
    left: u32,
}

impl Reader<File> {
    /// Opens a recording: a finished one, one being written, or one that was cut off.
    ///
    /// # Errors
    /// If it is no recording, of a newer format, or without a whole header.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        // A pipe can't be sought in; opening it would wait for a writer.
        if std::fs::metadata(&path)?.file_type().is_fifo() {
            return Err(io::Error::other("a pipe; save what comes through it to a file first").into());
        }
        Self::new(File::open(path)?)
    }
}

impl<R: Read + Seek> Reader<R> {
    /// Opens a recording in anything that can be read and sought in.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn new(mut file: R) -> Result<Self, ReadError> {
        let mut unpacker = Unpacker::new()?;
        let Opened { header, entries, symbols, twins, completeness } = open::open(&mut file, &mut unpacker)?;
        Ok(Self {
            file,
            unpacker,
            header,
            entries,
            symbols,
            twins,
            completeness,
            dictionary: DictionaryIn::default(),
            dictionary_entries: 0,
            bases: Bases::default(),
            block: None,
            next_entry: 0,
            next_event: 0,
            unknown_events: 0,
        })
    }

    /// The facts about machine and run.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Whether the file has its end.
    pub fn completeness(&self) -> Completeness {
        self.completeness
    }

    /// How many events the file holds.
    pub fn len(&self) -> u64 {
        self.entries.last().map_or(0, |last| last.first_event + last.counted_events())
    }

    /// Tells whether the file holds no event.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of the event that [`Reader::next_event`] returns next.
    pub fn position(&self) -> u64 {
        self.next_event
    }

    /// Events passed over so far because a newer vmatlas wrote them.
    pub fn unknown_events(&self) -> u64 {
        self.unknown_events
    }

    /// The next event, `None` at the end.
    ///
    /// # Errors
    /// If the file can't be read or is damaged here; the reader is then at its end.
    pub fn next_event(&mut self) -> Result<Option<Event>, ReadError> {
        let next = self.step();
        self.end_at_error(next)
    }

    /// Moves to event number `event` (past the end: to the end).
    ///
    /// # Errors
    /// As [`Reader::next_event`].
    pub fn seek(&mut self, event: u64) -> Result<(), ReadError> {
        let at = self.entries.partition_point(|entry| entry.first_event + entry.counted_events() <= event);
        // What lies ahead in the block at hand needs no other.
        let is_ahead = self.block.is_some() && self.next_entry == at + 1 && self.next_event <= event;
        if !is_ahead {
            self.block = None;
            self.next_entry = at;
            self.next_event = self.entries.get(at).map_or(self.len(), |entry| entry.first_event);
            self.load_dictionaries(at)?;
        }
        while self.next_event < event && self.next_event < self.len() {
            let passed = self.pass_over();
            self.end_at_error(passed)?;
        }
        Ok(())
    }

    /// Moves to the first event at or after `time`.
    ///
    /// # Errors
    /// As [`Reader::next_event`].
    pub fn seek_time(&mut self, time: TimeNs) -> Result<(), ReadError> {
        let later = self.entries.partition_point(|entry| entry.first_time_ns < time.0);
        let block = self.entries[..later].iter().rposition(|entry| entry.kind == BlockKind::EVENTS);
        self.seek(block.map_or(0, |at| self.entries[at].first_event))?;
        loop {
            let at = self.next_event;
            match self.next_event()? {
                Some(event) if event.time < time => {}
                Some(_) => return self.seek(at),
                None => return Ok(()),
            }
        }
    }

    /// How many states of the twin the file holds, in the order in which they were added.
    pub fn states(&self) -> usize {
        self.twins.len()
    }

    /// Reads a state of the twin: after how many events it holds, and what whoever added it wrote.
    ///
    /// # Errors
    /// If there is no such state, or the file can't be read or is damaged there.
    pub fn state(&mut self, no: usize) -> Result<(u64, Vec<u8>), ReadError> {
        let entry = self.twins.get(no).copied();
        let entry = entry.ok_or(at(0, Malformed("there is no such state of the twin")))?;
        let (frame, payload) = load_framed(&mut self.file, &mut self.unpacker, &entry)?;
        Ok((frame.first_event, payload))
    }

    /// Reads the names of the frames of call chains; `None` if they were not recorded.
    ///
    /// # Errors
    /// If the file can't be read or is damaged there.
    pub fn symbols(&mut self) -> Result<Option<Symbols>, ReadError> {
        let Some(entry) = self.symbols else { return Ok(None) };
        let payload = load(&mut self.file, &mut self.unpacker, &entry)?;
        Symbols::from_payload(&payload).map(Some).map_err(|why| at(entry.offset, why))
    }

    fn end_at_error<T>(&mut self, result: Result<T, ReadError>) -> Result<T, ReadError> {
        if result.is_err() {
            self.block = None;
            self.next_entry = self.entries.len();
        }
        result
    }

    fn step(&mut self) -> Result<Option<Event>, ReadError> {
        loop {
            let no = self.next_event;
            let Some((decoded, offset)) = self.decode()? else { return Ok(None) };
            match decoded {
                Decoded::Event(event) => return Ok(Some(event)),
                Decoded::Checkpoint(time, tid, mm, coded) => {
                    let body = Body::Checkpoint(Box::new(self.resolve(coded, mm, no, offset)?));
                    return Ok(Some(Event { time, tid, mm, body }));
                }
                Decoded::Unknown => self.unknown_events += 1,
            }
        }
    }

    /// Passes over one event. A checkpoint is not made whole: whatever leans on it finds it again.
    fn pass_over(&mut self) -> Result<(), ReadError> {
        if let Some((Decoded::Unknown, _)) = self.decode()? {
            self.unknown_events += 1;
        }
        Ok(())
    }

    /// The next event as its block tells it, and where the block is.
    #[inline]
    fn decode(&mut self) -> Result<Option<(Decoded, u64)>, ReadError> {
        let block = loop {
            match &mut self.block {
                Some(block) if block.left > 0 => break block,
                _ => {}
            }
            if !self.enter_next_block()? {
                return Ok(None);
            }
        };
        let offset = block.offset;
        let mut input = Decoder { columns: &mut block.columns, dictionary: &self.dictionary };
        let decoded = get_event(&mut input).map_err(|why| at(offset, why))?;
        block.left -= 1;
        self.next_event += 1;
        Ok(Some((decoded, offset)))
    }

    /// Enters the next block of events; `false` if there is none.
    fn enter_next_block(&mut self) -> Result<bool, ReadError> {
        self.block = None;
        while let Some(entry) = self.entries.get(self.next_entry).copied() {
            self.load_dictionaries(self.next_entry + 1)?;
            self.next_entry += 1;
            if entry.kind == BlockKind::EVENTS {
                self.block = Some(self.load_events(&entry)?);
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn load_dictionaries(&mut self, entries: usize) -> Result<(), ReadError> {
        while self.dictionary_entries < entries.min(self.entries.len()) {
            let entry = self.entries[self.dictionary_entries];
            if entry.kind == BlockKind::DICTIONARY {
                let payload = load(&mut self.file, &mut self.unpacker, &entry)?;
                self.dictionary.add(payload, entry.events).map_err(|why| at(entry.offset, why))?;
            }
            self.dictionary_entries += 1;
        }
        Ok(())
    }

    fn load_events(&mut self, entry: &Entry) -> Result<Block, ReadError> {
        let payload = load(&mut self.file, &mut self.unpacker, entry)?;
        let columns = ColumnsIn::new(payload).map_err(|why| at(entry.offset, why))?;
        Ok(Block { columns, offset: entry.offset, left: entry.events })
    }

    /// Makes a checkpoint whole again, reading the one it leans on if that is not at hand.
    fn resolve(
        &mut self,
        coded: CodedCheckpoint,
        mm: MmId,
        no: u64,
        offset: u64,
    ) -> Result<crate::event::Checkpoint, ReadError> {
        if coded.distance == 0 {
            let checkpoint = coded.apply(None).map_err(|why| at(offset, why))?;
            self.bases.set(mm, Base::new(no, &checkpoint));
            return Ok(checkpoint);
        }
        let wanted = no.checked_sub(coded.distance);
        let wanted = wanted.ok_or(at(offset, Malformed("a checkpoint leans on one before the start")))?;
        let base = match self.bases.get(mm).filter(|base| base.event == wanted) {
            Some(base) => base.clone(),
            None => self.fetch_base(mm, wanted)?,
        };
        let checkpoint = coded.apply(Some(&base)).map_err(|why| at(offset, why))?;
        self.bases.set(mm, base);
        Ok(checkpoint)
    }

    /// Reads the full checkpoint that is event number `wanted`.
    fn fetch_base(&mut self, mm: MmId, wanted: u64) -> Result<Base, ReadError> {
        let index =
            self.entries.partition_point(|entry| entry.first_event + entry.counted_events() <= wanted);
        let entry = self.entries[index];
        let mut block = self.load_events(&entry)?;
        let wrong = || at(entry.offset, Malformed("a checkpoint leans on something else than a full one"));
        for no in entry.first_event..=wanted {
            let mut input = Decoder { columns: &mut block.columns, dictionary: &self.dictionary };
            match get_event(&mut input).map_err(|why| at(entry.offset, why))? {
                Decoded::Checkpoint(_, _, of, coded) if no == wanted && of == mm && coded.distance == 0 => {
                    let checkpoint = coded.apply(None).map_err(|why| at(entry.offset, why))?;
                    return Ok(Base::new(no, &checkpoint));
                }
                _ => {}
            }
        }
        Err(wrong())
    }
}

impl<R: Read + Seek> Iterator for Reader<R> {
    type Item = Result<Event, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_event().transpose()
    }
}
