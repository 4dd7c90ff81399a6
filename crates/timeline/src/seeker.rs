//! Any moment of a recording, forwards and backwards, without a replay from the start.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use recording::{Body, MmId, ReadError, Reader, TimeNs};

use crate::keeper::{Keeper, Kept};
use crate::memory::PagesRead;
use crate::pages;
use crate::replay::Replay;
use crate::saved::Table;
use crate::world::World;

/// Pages read at checkpoints that are kept from one seek to the next.
const PAGES_MAX: usize = 64;

/// A recording with the states kept of it.
pub struct Seeker<R: Read + Seek = File> {
    replay: Replay<R>,
    states: States,
    pages: HashMap<u64, PagesRead>,
    /// States that could not be used.
    restored_badly: u64,
}

/// Where the states are.
enum States {
    /// There are none: every seek backwards replays from the start.
    None,
    /// In the file.
    File(Table),
    /// Here.
    Memory(Box<Kept>),
}

impl Seeker<File> {
    /// Opens a recording with the states that were added to it.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        Ok(Self::new(Reader::open(path)?))
    }
}

impl<R: Read + Seek> Seeker<R> {
    /// Takes a reader at its start.
    pub fn new(mut reader: Reader<R>) -> Self {
        let states = match table(&mut reader) {
            Some(table) => States::File(table),
            None => States::None,
        };
        Self { replay: Replay::new(reader), states, pages: HashMap::new(), restored_badly: 0 }
    }

    /// Replays the whole recording once and keeps states of it in memory.
    ///
    /// # Errors
    /// If the recording is damaged: the states of its good part are kept.
    pub fn keep_in_memory(&mut self) -> Result<(), ReadError> {
        self.keep_with(Keeper::in_memory())
    }

    pub(crate) fn keep_with(&mut self, mut keeper: Keeper) -> Result<(), ReadError> {
        self.restart()?;
        let result = loop {
            match self.replay.step() {
                Ok(Some(_)) => keeper.see(self.replay.world()),
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        self.replay.world_mut().keep_virtual_peak();
        if let Some(kept) = keeper.finish(self.replay.world()) {
            self.states = States::Memory(Box::new(kept));
        }
        result
    }

    /// How many states are kept.
    pub fn states(&self) -> usize {
        self.table().map_or(0, |table| table.moments.len())
    }

    /// The moments whose states are kept, ascending: after how many events, and the time of the last of them. Going to
    /// one of them replays nothing.
    pub fn moments(&self) -> &[(u64, TimeNs)] {
        self.table().map_or(&[], |table| &table.moments)
    }

    /// The memory that was largest and after how many events it was: by resident size where pages were read. `None`
    /// where no states are kept.
    pub fn peak(&self) -> Option<(u64, MmId)> {
        self.table()?.peak
    }

    /// How many states could not be used because they are damaged; what came of it is only slower.
    pub fn restored_badly(&self) -> u64 {
        self.restored_badly
    }

    /// The state where the last seek led.
    pub fn world(&self) -> &World {
        self.replay.world()
    }

    /// The recording.
    pub fn reader(&self) -> &Reader<R> {
        self.replay.reader()
    }

    /// Goes to the moment after so many events, or to the end.
    ///
    /// # Errors
    /// If the recording is damaged on the way.
    pub fn to_event(&mut self, events: u64) -> Result<&World, ReadError> {
        let here = self.world().counts().events;
        self.approach(events < here, |moment, _| moment <= events)?;
        self.replay.run_to_event(events)?;
        Ok(self.replay.world())
    }

    /// Goes to the moment before the first event that is later than `time`.
    ///
    /// # Errors
    /// As [`Seeker::to_event`].
    pub fn to_time(&mut self, time: TimeNs) -> Result<&World, ReadError> {
        self.approach(time < self.world().now(), |_, now| now <= time)?;
        self.replay.run_to_time(time)?;
        Ok(self.replay.world())
    }

    /// Goes to the last state that lies before the moment sought, unless that is nearer from here.
    fn approach(
        &mut self,
        is_backwards: bool,
        is_before: impl Fn(u64, TimeNs) -> bool,
    ) -> Result<(), ReadError> {
        let here = self.world().counts().events;
        let moments = self.table().map_or(&[][..], |table| &table.moments);
        let mut no = moments.partition_point(|(events, now)| is_before(*events, *now));
        while let Some(before) = no.checked_sub(1) {
            let (events, _) =
                self.table().and_then(|table| table.moments.get(before)).copied().unwrap_or_default();
            if !is_backwards && events <= here {
                return Ok(());
            }
            if self.restore(before)? {
                return Ok(());
            }
            // One that can't be read is as if it had not been kept.
            self.restored_badly += 1;
            no = before;
        }
        if is_backwards { self.restart() } else { Ok(()) }
    }

    fn restart(&mut self) -> Result<(), ReadError> {
        let world = World::new(self.world().header().clone());
        self.replay.go_on_from(world, 0)
    }

    fn restore(&mut self, no: usize) -> Result<bool, ReadError> {
        let (table, bytes) = match &self.states {
            States::None => return Ok(false),
            States::Memory(kept) => (&kept.table, kept.states.get(no).cloned()),
            States::File(table) => {
                let state = self.replay.reader_mut().state(table.first + no);
                (table, state.ok().map(|(_, bytes)| bytes))
            }
        };
        let Some(bytes) = bytes else { return Ok(false) };
        let events = table.moments.get(no).map_or(0, |(events, _)| *events);
        let header = self.replay.world().header().clone();
        let (replay, pages) = (&mut self.replay, &mut self.pages);
        let read = |event| pages_at(replay.reader_mut(), pages, event);
        let world =
            World::restore(&header, table, &bytes, read).filter(|world| world.counts.events == events);
        let Some(world) = world else { return Ok(false) };
        self.replay.go_on_from(world, events)?;
        Ok(true)
    }

    fn table(&self) -> Option<&Table> {
        match &self.states {
            States::None => None,
            States::File(table) => Some(table),
            States::Memory(kept) => Some(&kept.table),
        }
    }
}

/// The table of the states added last, if it is one of ours and of these events.
fn table<R: Read + Seek>(reader: &mut Reader<R>) -> Option<Table> {
    let last = reader.states().checked_sub(1)?;
    let (events, bytes) = reader.state(last).ok()?;
    let table = Table::from_bytes(&bytes)?;
    let is_whole =
        table.events == reader.len() && events == table.events && table.first + table.moments.len() == last;
    is_whole.then_some(table)
}

/// The pages that the checkpoint with this number told.
fn pages_at<R: Read + Seek>(
    reader: &mut Reader<R>,
    known: &mut HashMap<u64, PagesRead>,
    event: u64,
) -> Option<PagesRead> {
    if let Some(pages) = known.get(&event) {
        return Some(pages.clone());
    }
    reader.seek(event).ok()?;
    let found = reader.next_event().ok()??;
    let Body::Checkpoint(checkpoint) = found.body else { return None };
    let runs = checkpoint.pages?;
    let pages = PagesRead { event, time: found.time, resident_bytes: pages::resident(&runs), runs };
    if known.len() == PAGES_MAX {
        known.clear();
    }
    known.insert(event, pages.clone());
    Some(pages)
}
