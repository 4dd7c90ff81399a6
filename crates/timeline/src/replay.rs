//! The replay: events from a recording, one after another, through the twin.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use recording::{Event, ReadError, Reader, TimeNs};

use crate::keeper::Keeper;
use crate::run::Run;
use crate::world::World;

/// A recording being replayed.
pub struct Replay<R: Read + Seek = File> {
    reader: Reader<R>,
    world: World,
    /// Read ahead: the first event after the moment that was asked for.
    next: Option<Event>,
    keeper: Option<Keeper>,
}

impl Replay<File> {
    /// Opens a recording at its start.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        Ok(Self::new(Reader::open(path)?))
    }
}

impl<R: Read + Seek> Replay<R> {
    /// Replays from a reader that is at its start.
    pub fn new(reader: Reader<R>) -> Self {
        let world = World::new(reader.header().clone());
        Self { reader, world, next: None, keeper: None }
    }

    /// Keeps states on the way to the end.
    ///
    /// # Preconditions
    /// The replay is at its start.
    pub fn with_keeper(mut self, keeper: Keeper) -> Self {
        self.keeper = Some(keeper);
        self
    }

    /// Goes on from another state, which holds after so many events.
    pub(crate) fn go_on_from(&mut self, world: World, events: u64) -> Result<(), ReadError> {
        self.world = world;
        self.next = None;
        self.reader.seek(events)
    }

    pub(crate) fn world_mut(&mut self) -> &mut World {
        &mut self.world
    }

    pub(crate) fn reader_mut(&mut self) -> &mut Reader<R> {
        &mut self.reader
    }

    /// The state after the events so far.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The recording.
    pub fn reader(&self) -> &Reader<R> {
        &self.reader
    }

    /// Takes the next event in and returns it; `None` at the end.
    ///
    /// # Errors
    /// If the recording is damaged here.
    pub fn step(&mut self) -> Result<Option<Event>, ReadError> {
        let next = match self.next.take() {
            Some(event) => Some(event),
            None => self.reader.next_event()?,
        };
        let Some(event) = next else { return Ok(None) };
        self.world.apply(self.reader.position() - 1, &event);
        if let Some(keeper) = &mut self.keeper {
            keeper.see(&self.world);
        }
        Ok(Some(event))
    }

    /// Goes on until `event` events have been taken in, or the end.
    ///
    /// # Errors
    /// As [`Replay::step`].
    pub fn run_to_event(&mut self, event: u64) -> Result<(), ReadError> {
        while self.world.counts().events < event && self.step()?.is_some() {}
        Ok(())
    }

    /// Goes on until the next event is later than `time`, or the end.
    ///
    /// # Errors
    /// As [`Replay::step`].
    pub fn run_to_time(&mut self, time: TimeNs) -> Result<(), ReadError> {
        while self.peek()?.is_some_and(|event| event.time <= time) {
            self.step()?;
        }
        Ok(())
    }

    /// Goes on to the end and sums up. A recording that is damaged on the way gives its good part: [`Run::damage`].
    pub fn finish(mut self) -> Run {
        let damage = loop {
            match self.step() {
                Ok(Some(_)) => {}
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        self.world.keep_virtual_peak();
        if let Some(keeper) = self.keeper.take().filter(|_| damage.is_none()) {
            keeper.finish(&self.world);
        }
        Run::new(self.world, self.reader.completeness(), damage)
    }

    pub(crate) fn peek(&mut self) -> Result<Option<&Event>, ReadError> {
        if self.next.is_none() {
            self.next = self.reader.next_event()?;
        }
        Ok(self.next.as_ref())
    }
}
