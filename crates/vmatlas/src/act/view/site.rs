//! The answers to the page's questions about one recording.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use recording::ReadError;
use serde_json::json;
use timeline::Seeker;
use view::atlas::{self, Atlas, Draft};
use web::{Answer, Query, Site};

use super::answer::json_answer;
use super::bands;
use super::flame::Flames;
use super::loaded::Loaded;
use super::moments::Moments;

/// Rectangles kept in memory, of more the largest: about 100 MiB.
const RECTS_MAX: usize = 300_000;
/// A recording of fewer events is read whole before a draft of it would be seen.
const EVENTS_WORTH_A_DRAFT: u64 = 300_000;
/// Moments looked at for the first draft, and for the next.
const LOOKS: [usize; 2] = [10, 40];

/// A recording that is being read, or has been.
pub(super) struct RecordingSite {
    path: PathBuf,
    state: Arc<Mutex<State>>,
    moments: Moments,
    flames: Flames,
}

enum State {
    Reading(Progress),
    Ready(Arc<Loaded>),
    Failed(String),
}

/// What is known while a recording is read.
#[derive(Default)]
struct Progress {
    /// Which part is done.
    done: f64,
    /// All of it, roughly.
    draft: Option<Arc<Draft>>,
    /// The part that is done, where there is no draft.
    so_far: Box<Atlas>,
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

impl Reading {
    fn progress(&self, change: impl FnOnce(&mut Progress)) {
        if let State::Reading(progress) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            change(progress);
        }
    }

    fn read(&self, path: &Path) {
        // Without a draft the page has to wait longer; what is wrong with the file is told when it is read whole.
        let is_drafted = self.draft(path).is_ok_and(|is_drafted| is_drafted);
        let loaded = Loaded::read(path, RECTS_MAX, |done, builder| {
            let so_far = if is_drafted { Box::default() } else { Box::new(builder.so_far()) };
            self.progress(|progress| (progress.done, progress.so_far) = (done, so_far));
        });
        let state = match loaded {
            Ok(loaded) => State::Ready(Arc::new(loaded)),
            Err(error) => State::Failed(crate::exit::line_of(&error)),
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    fn draft(&self, path: &Path) -> Result<bool, ReadError> {
        let mut seeker = Seeker::open(path)?;
        if seeker.reader().len() < EVENTS_WORTH_A_DRAFT {
            return Ok(false);
        }
        for looks in LOOKS {
            let Some(draft) = atlas::draft(&mut seeker, looks, RECTS_MAX)? else { return Ok(false) };
            self.progress(|progress| progress.draft = Some(Arc::new(draft)));
        }
        Ok(true)
    }
}

impl RecordingSite {
    /// Begins to read a recording in the background.
    pub(super) fn begin(path: &Path) -> Self {
        let state = Arc::new(Mutex::new(State::Reading(Progress::default())));
        let (reading, file) = (Reading(Arc::clone(&state)), path.to_owned());
        std::thread::spawn(move || reading.read(&file));
        Self { path: path.to_owned(), state, moments: Moments::default(), flames: Flames::default() }
    }

    /// What the page shows first: all of it, or what is known so far.
    fn overview(&self, query: &Query) -> Answer {
        let loaded = match &*self.state.lock().unwrap_or_else(PoisonError::into_inner) {
            State::Reading(progress) => return progress.answer(query),
            State::Ready(loaded) => Arc::clone(loaded),
            State::Failed(why) => return Answer::Failed(why.clone()),
        };
        loaded.overview().map_or_else(|error| Answer::Bad(error.to_string()), Answer::Json)
    }

    /// The rectangles of a window, of a draft while there is nothing better.
    fn rects(&self, query: &Query) -> Answer {
        let loaded = match &*self.state.lock().unwrap_or_else(PoisonError::into_inner) {
            State::Reading(progress) => Err(progress.draft.clone()),
            State::Ready(loaded) => Ok(Arc::clone(loaded)),
            State::Failed(why) => return Answer::Failed(why.clone()),
        };
        match loaded {
            Ok(loaded) => bands::rects(&loaded.atlas, query),
            Err(Some(draft)) => bands::rects(&draft.atlas, query),
            Err(None) => bands::rects(&Atlas::default(), query),
        }
    }
}

impl Progress {
    /// `draft`: of how many moments the page has the draft already.
    fn answer(&self, query: &Query) -> Answer {
        let Self { done, draft, so_far } = self;
        let known = query.number("draft").unwrap_or(0);
        let draft = draft.as_ref().filter(|draft| draft.looks as u64 > known);
        json_answer(&json!({
            "ready": false,
            "progress": done,
            "draft": draft.map(|draft| &**draft),
            "duration_ns": so_far.duration_ns,
            "memories": so_far.memories,
            "series": so_far.series,
            "density": so_far.density,
            "threads": so_far.threads,
        }))
    }
}

impl Site for RecordingSite {
    fn answer(&self, name: &str, query: &Query) -> Answer {
        let answer = match name {
            "overview" => Ok(self.overview(query)),
            "atlas" => Ok(self.rects(query)),
            "map" => self.moments.map(&self.path, query),
            "story" => self.moments.story(&self.path, query),
            "pages" => self.moments.pages(&self.path, query),
            "flame" => self.flames.answer(&self.path, query),
            _ => Err(Answer::NotFound),
        };
        answer.unwrap_or_else(|answer| answer)
    }
}
