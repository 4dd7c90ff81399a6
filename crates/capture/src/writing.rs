//! The thread that writes: what the disk costs, the program does not wait for.

use std::fs::File;
use std::io;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use recording::{Event, Writer};

use crate::stacks::Unwinding;

/// Whoever kills the recorder loses no more than this, and half of it for what has not been handed over.
const FLUSH: Duration = Duration::from_millis(50);
/// Events handed over together.
const BATCH: usize = 2048;
/// Events that may wait for the disk; beyond, the program waits with them.
const WAITING_MAX: usize = 1 << 18;

/// Writes events to a file on a thread of its own.
#[derive(Debug)]
pub(crate) struct Writing {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Something is to be written.
    work: Condvar,
    /// Something has been written.
    done: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<Event>,
    asked: Asked,
    error: Option<io::Error>,
    /// Nothing is written any more.
    has_ended: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Asked {
    #[default]
    Nothing,
    Flush,
    Finish,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writing {
    /// Begins to write.
    pub(crate) fn begin(writer: Writer<File>, unwinding: Option<Unwinding>) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let theirs = shared.clone();
        let thread = thread::Builder::new().name("vmatlas-writer".into()).spawn(move || {
            // Whatever ends the thread, nobody waits for it.
            let ended = Ended(theirs);
            let result = write(&ended.0, writer, unwinding);
            if let Err(error) = result {
                ended.0.lock().error = Some(error);
            }
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Takes events; they are gone from `events`. Nothing is kept once writing has ended.
    pub(crate) fn take(&self, events: &mut Vec<Event>) {
        let mut state = self.shared.lock();
        while state.waiting.len() > WAITING_MAX && !state.has_ended {
            state = self.shared.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.has_ended {
            events.clear();
            return;
        }
        if state.waiting.is_empty() {
            mem::swap(&mut state.waiting, events);
        } else {
            state.waiting.append(events);
        }
        self.shared.work.notify_one();
    }

    /// Waits until everything taken so far is in the file.
    pub(crate) fn flush(&self) {
        self.ask(Asked::Flush);
    }

    /// Ends the file.
    pub(crate) fn finish(&mut self) {
        self.ask(Asked::Finish);
        if let Some(thread) = self.thread.take() {
            // Its error is in the state.
            let _ = thread.join();
        }
    }

    fn ask(&self, what: Asked) {
        let mut state = self.shared.lock();
        state.asked = what;
        self.shared.work.notify_one();
        while state.asked != Asked::Nothing && !state.has_ended {
            state = self.shared.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Why writing has ended before its time; told once.
    pub(crate) fn error(&self) -> Option<io::Error> {
        self.shared.lock().error.take()
    }
}

/// Says that writing has ended, however it did.
struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.has_ended = true;
        state.waiting = Vec::new();
        self.0.done.notify_all();
    }
}

fn write(shared: &Shared, mut writer: Writer<File>, mut unwinding: Option<Unwinding>) -> io::Result<()> {
    let (mut batch, mut chained) = (Vec::new(), Vec::new());
    loop {
        let asked = {
            let mut state = shared.lock();
            while state.asked == Asked::Nothing && state.waiting.is_empty() {
                state = shared.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            // More may follow; small blocks are large files.
            let is_due = |state: &mut State| state.asked == Asked::Nothing && state.waiting.len() < BATCH;
            (state, _) =
                shared.work.wait_timeout_while(state, FLUSH, is_due).unwrap_or_else(PoisonError::into_inner);
            mem::swap(&mut state.waiting, &mut batch);
            state.asked
        };
        if let Some(unwinding) = &mut unwinding {
            for event in batch.drain(..) {
                unwinding.see(event, &mut chained);
            }
            mem::swap(&mut batch, &mut chained);
        }
        for event in batch.drain(..) {
            writer.push(&event)?;
        }
        match asked {
            Asked::Finish => {
                if let Some(symbols) = unwinding.as_ref().and_then(Unwinding::symbols) {
                    writer.push_symbols(&symbols)?;
                }
                writer.finish()?;
            }
            Asked::Flush | Asked::Nothing => writer.flush()?,
        }
        let mut state = shared.lock();
        if asked != Asked::Nothing {
            state.asked = Asked::Nothing;
        }
        shared.done.notify_all();
        if asked == Asked::Finish {
            return Ok(());
        }
    }
}
