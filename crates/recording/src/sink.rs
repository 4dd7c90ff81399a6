//! Where a recorder sends its events.

use std::io;

use crate::event::Event;

/// Takes the events of a run, in order.
pub trait EventSink {
    /// Takes the next event.
    ///
    /// # Errors
    /// Whatever the medium says (a full disk). After an error every further call fails likewise.
    fn push(&mut self, event: &Event) -> io::Result<()>;

    /// Makes everything pushed so far safe against the recorder's own death.
    ///
    /// # Errors
    /// As [`EventSink::push`].
    fn flush(&mut self) -> io::Result<()>;

    /// Says that no event follows.
    ///
    /// # Errors
    /// As [`EventSink::push`].
    fn finish(&mut self) -> io::Result<()>;
}

/// Keeps the events in memory.
impl EventSink for Vec<Event> {
    fn push(&mut self, event: &Event) -> io::Result<()> {
        Self::push(self, event.clone());
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}
