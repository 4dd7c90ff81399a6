//! The answers to the page's questions about one recording.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;
use view::atlas::Atlas;
use web::{Answer, Query, Site};

use super::bands;
use super::flame::Flames;
use super::loaded::Loaded;
use super::moments::Moments;

/// Rectangles kept in memory, of more the largest: about 100 MiB.
const RECTS_MAX: usize = 300_000;

/// A recording that is being read, or has been.
pub(super) struct RecordingSite {
    path: PathBuf,
    state: Arc<Mutex<State>>,
    moments: Moments,
    flames: Flames,
}

enum State {
    /// Which part is done, and what is known so far.
    Reading(f64, Box<Atlas>),
    Ready(Arc<Loaded>),
    Failed(String),
}

/// Whoever reads: a reader that stops without a result has failed, and the page must not wait for it.
struct Reading(Arc<Mutex<State>>);

impl Drop for Reading {
    fn drop(&mut self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::Reading(..)) {
            *state = State::Failed("a defect of vmatlas stopped the reading".to_owned());
        }
    }
}

impl RecordingSite {
    /// Begins to read a recording in the background.
    pub(super) fn begin(path: &Path) -> Self {
        let state = Arc::new(Mutex::new(State::Reading(0.0, Box::default())));
        let (theirs, file) = (Arc::clone(&state), path.to_owned());
        std::thread::spawn(move || {
            let reading = Reading(theirs);
            let loaded = Loaded::read(&file, RECTS_MAX, |done, so_far| {
                set(&reading.0, State::Reading(done, Box::new(so_far)));
            });
            set(
                &reading.0,
                match loaded {
                    Ok(loaded) => State::Ready(Arc::new(loaded)),
                    Err(error) => State::Failed(crate::exit::line_of(&error)),
                },
            );
        });
        Self { path: path.to_owned(), state, moments: Moments::default(), flames: Flames::default() }
    }

    fn loaded(&self) -> Result<Arc<Loaded>, Answer> {
        match &*self.state.lock().unwrap_or_else(PoisonError::into_inner) {
            State::Reading(done, so_far) => Err(json_answer(&json!({
                "ready": false,
                "progress": done,
                "duration_ns": so_far.duration_ns,
                "memories": so_far.memories,
                "series": so_far.series,
                "density": so_far.density,
                "threads": so_far.threads,
            }))),
            State::Ready(loaded) => Ok(Arc::clone(loaded)),
            State::Failed(why) => Err(Answer::Failed(why.clone())),
        }
    }
}

impl Site for RecordingSite {
    fn answer(&self, name: &str, query: &Query) -> Answer {
        let loaded = match self.loaded() {
            Ok(loaded) => loaded,
            Err(answer) => return answer,
        };
        let answer = match name {
            "overview" => {
                Ok(loaded.overview().map_or_else(|error| Answer::Bad(error.to_string()), Answer::Json))
            }
            "atlas" => Ok(bands::rects(&loaded.atlas, query)),
            "map" => self.moments.map(&self.path, query),
            "story" => self.moments.story(&self.path, query),
            "pages" => self.moments.pages(&self.path, query),
            "flame" => self.flames.answer(&self.path, query),
            _ => Err(Answer::NotFound),
        };
        answer.unwrap_or_else(|answer| answer)
    }
}

fn set(state: &Mutex<State>, new: State) {
    *state.lock().unwrap_or_else(PoisonError::into_inner) = new;
}

/// The question is wrong.
pub(super) fn refused(why: &str) -> Answer {
    Answer::Bad(why.to_owned())
}

pub(super) fn json_answer(value: &serde_json::Value) -> Answer {
    Answer::Json(value.to_string().into_bytes())
}
