//! Keeping states of the world while a recording is replayed, so that later readers can begin near any moment.

use std::path::Path;

use recording::{Appender, MmId, ReadError, TimeNs};

use crate::saved::Table;
use crate::world::World;

/// A state is kept after at least so many events.
const EVENTS_BETWEEN: u64 = 4096;
/// And after so many for each mapping there is: a state's size follows the mappings.
const EVENTS_BY_MAPPING: u64 = 1;

/// Keeps states during a replay.
pub struct Keeper {
    place: Place,
    first: usize,
    moments: Vec<(u64, TimeNs)>,
    next: u64,
    /// A state is kept after at least so many events.
    between: u64,
    /// Where the largest memory was largest, and which it is.
    peak: Option<(u64, MmId)>,
}

/// Where states are kept.
enum Place {
    File(Box<Appender>),
    Memory(Vec<Vec<u8>>),
    /// Writing failed: nothing more is kept.
    Failed,
}

/// States kept in memory, with their table.
pub(crate) struct Kept {
    pub(crate) table: Table,
    pub(crate) states: Vec<Vec<u8>>,
}

impl Keeper {
    /// Keeps them in memory.
    pub fn in_memory() -> Self {
        Self::new(Place::Memory(Vec::new()), 0)
    }

    /// Adds them to the finished recording itself, which holds `states` already.
    ///
    /// # Errors
    /// If it can't be opened for writing or is not finished.
    pub fn in_file(path: impl AsRef<Path>, states: usize) -> Result<Self, ReadError> {
        Ok(Self::new(Place::File(Box::new(Appender::open(path)?)), states))
    }

    fn new(place: Place, first: usize) -> Self {
        Self { place, first, moments: Vec::new(), next: EVENTS_BETWEEN, between: EVENTS_BETWEEN, peak: None }
    }

    /// Keeps one after at least so many events.
    #[cfg(test)]
    pub(crate) fn every(mut self, events: u64) -> Self {
        (self.next, self.between) = (events, events);
        self
    }

    /// Looks at the world after an event.
    pub(crate) fn see(&mut self, world: &World) {
        self.peak = world.peaks.largest_at().or(self.peak);
        let events = world.counts.events;
        if events < self.next {
            return;
        }
        let mappings = world.total.mappings;
        self.next =
            events + self.between.max(mappings.saturating_mul(EVENTS_BY_MAPPING).min(self.between * 64));
        let state = world.save();
        match &mut self.place {
            Place::File(appender) => {
                if appender.push(events, world.now(), &state).is_err() {
                    self.place = Place::Failed;
                }
            }
            Place::Memory(states) => states.push(state),
            Place::Failed => return,
        }
        self.moments.push((events, world.now()));
    }

    /// Ends keeping at the end of the recording.
    pub(crate) fn finish(self, world: &World) -> Option<Kept> {
        let Self { place, first, moments, next: _, between: _, peak } = self;
        let table = Table::of(world, first, moments, peak.or(world.peaks.virtual_at()));
        match place {
            Place::Memory(states) => Some(Kept { table, states }),
            Place::File(mut appender) => {
                appender.push(table.events, world.now(), &table.to_bytes()).ok()?;
                appender.finish().ok()?;
                None
            }
            Place::Failed => None,
        }
    }
}
