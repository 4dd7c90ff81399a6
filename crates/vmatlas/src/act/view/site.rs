//! The answers to the page's questions about one recording.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use abi::{AddrRange, VirtAddr};
use recording::{MmId, TimeNs};
use serde_json::json;
use snapshot::Snapshot;
use timeline::Seeker;
use view::atlas::{Atlas, Rect};
use view::{By, Cell, Explanation, PagesView, StoryLine};
use web::{Answer, Query, Site};

use super::flame::{self, Measure};
use super::loaded::Loaded;
use crate::act::biography;
use crate::act::moment::At;
use crate::act::origins::Told;

/// Rectangles kept in memory, of more the largest: about 100 MiB.
const RECTS_MAX: usize = 300_000;
/// Rectangles in one answer.
const RECTS_IN_ANSWER: usize = 60_000;
/// Cells of a picture of pages.
const CELLS_MAX: usize = 1024;

/// A recording that is being read, or has been.
pub(super) struct RecordingSite {
    path: PathBuf,
    state: Arc<Mutex<State>>,
    /// Goes to any moment without a replay from the start.
    seeker: Mutex<Option<Seeker>>,
}

enum State {
    /// Which part is done, and what is known so far.
    Reading(f64, Box<Atlas>),
    Ready(Arc<Loaded>),
    Failed(String),
}

impl RecordingSite {
    /// Begins to read a recording in the background.
    pub(super) fn begin(path: &Path) -> Self {
        let state = Arc::new(Mutex::new(State::Reading(0.0, Box::default())));
        let (theirs, file) = (Arc::clone(&state), path.to_owned());
        std::thread::spawn(move || {
            let loaded = Loaded::read(&file, RECTS_MAX, |done, so_far| {
                set(&theirs, State::Reading(done, Box::new(so_far)));
            });
            set(
                &theirs,
                match loaded {
                    Ok(loaded) => State::Ready(Arc::new(loaded)),
                    Err(error) => State::Failed(crate::exit::line_of(&error)),
                },
            );
        });
        Self { path: path.to_owned(), state, seeker: Mutex::new(None) }
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
            }))),
            State::Ready(loaded) => Ok(Arc::clone(loaded)),
            State::Failed(why) => Err(Answer::Bad(why.clone())),
        }
    }

    /// The memory asked for as it was at the time asked for.
    fn snapshot(&self, query: &Query) -> Result<Snapshot, Answer> {
        let bad = |what: &str| Answer::Bad(what.to_owned());
        let mm =
            query.number("mm").and_then(|mm| u32::try_from(mm).ok()).ok_or_else(|| bad("which memory?"))?;
        let time = TimeNs(query.number("at").ok_or_else(|| bad("at which time?"))?);
        let mut seeker = self.seeker.lock().unwrap_or_else(PoisonError::into_inner);
        if seeker.is_none() {
            *seeker = Some(Seeker::open(&self.path).map_err(|error| bad(&error.to_string()))?);
        }
        let Some(seeker) = seeker.as_mut() else { return Err(Answer::NotFound) };
        let world = seeker.to_time(time).map_err(|error| bad(&error.to_string()))?;
        let still = world.still(MmId(mm)).ok_or(Answer::NotFound)?;
        Ok(still.snapshot(world.objects()))
    }

    fn story(&self, query: &Query) -> Result<Answer, Answer> {
        let address = query.number("address").ok_or_else(|| Answer::Bad("which address?".to_owned()))?;
        let explanation = Explanation::new(&self.snapshot(query)?, &(), VirtAddr(address));
        let because = explanation.leaf.as_ref().map(|leaf| leaf.rule.clone());
        let mm = query.number("mm").and_then(|mm| u32::try_from(mm).ok()).unwrap_or_default();
        let lines = biography::read(&self.path, MmId(mm), VirtAddr(address)).unwrap_or_default();
        let lines: Vec<_> = lines.iter().map(story_line).collect();
        Ok(json_answer(&json!({ "why": because, "explanation": explanation, "lines": lines })))
    }

    /// Of a stretch of time its last moment, of the whole run its peak.
    fn flame(&self, query: &Query, duration_ns: u64) -> Result<Answer, Answer> {
        let measure = match query.text("measure") {
            Some("mapped") => Measure::Mapped,
            Some("resident") | None => Measure::Resident,
            Some(_) => return Ok(json_answer(&json!({ "root": null, "note": "not measured" }))),
        };
        let to = query.number("to").filter(|to| *to < duration_ns);
        let at = to.map_or(At::Peak, |to| At::Time(TimeNs(to)));
        let told =
            Told::at(&self.path, at, None).map_err(|error| Answer::Bad(crate::exit::line_of(&error)))?;
        let is_reversed = query.text("reversed") == Some("true");
        Ok(json_answer(&flame::graph(&told.view(By::Stack), measure, is_reversed)))
    }

    fn pages(&self, query: &Query) -> Result<Answer, Answer> {
        let number = |name: &str| query.number(name).ok_or_else(|| Answer::Bad(format!("{name}?")));
        let range = AddrRange::from_len(VirtAddr(number("start")?), number("size")?);
        let range = range.ok_or_else(|| Answer::Bad("the range wraps".to_owned()))?;
        let snapshot = self.snapshot(query)?;
        let Some(runs) = &snapshot.pages else { return Ok(json_answer(&json!({ "cells": null }))) };
        let view = PagesView::new(&snapshot, runs, range, CELLS_MAX);
        let cells: Vec<[&str; 2]> = view.cells.iter().map(|cell| cell_words(*cell)).collect();
        Ok(json_answer(&json!({ "cell_bytes": view.cell_bytes, "cells": cells })))
    }
}

/// A step of an address's life, as the page takes it.
fn story_line(line: &StoryLine) -> serde_json::Value {
    let detail: Vec<String> = line.frames.iter().map(view::FrameWords::line_words).collect();
    json!({ "time_ns": line.time_ns, "what": format!("{} ({})", line.what, line.who), "detail": detail })
}

/// A cell's letter and its words; a dot: no page.
fn cell_words(cell: Cell) -> [&'static str; 2] {
    match cell {
        Cell::Unmapped => [".", "not mapped"],
        Cell::Absent => [".", "mapped, no page there"],
        Cell::Anonymous => ["A", "anonymous, all of it"],
        Cell::SomeAnonymous => ["a", "anonymous, some of it"],
        Cell::File => ["F", "file, all of it"],
        Cell::SomeFile => ["f", "file, some of it"],
        Cell::Mixed => ["m", "anonymous and file"],
        Cell::Swapped => ["s", "in swap"],
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
            "atlas" => Ok(rects(&loaded, query)),
            "story" => self.story(query),
            "pages" => self.pages(query),
            "flame" => self.flame(query, loaded.atlas.duration_ns),
            _ => Err(Answer::NotFound),
        };
        answer.unwrap_or_else(|answer| answer)
    }
}

/// The rectangles that meet a window, of too many those that cover the most.
fn rects(loaded: &Loaded, query: &Query) -> Answer {
    let number = |name, default| query.number(name).unwrap_or(default);
    let (mm, from, to) = (number("mm", 0), number("from", 0), number("to", u64::MAX));
    let (low, high) = (number("low", 0), number("high", u64::MAX));
    let meets = |rect: &&Rect| {
        u64::from(rect.mm) == mm
            && rect.from_ns <= to
            && rect.to_ns >= from
            && rect.start < high
            && rect.start.saturating_add(rect.size) > low
    };
    let mut found: Vec<&Rect> = loaded.atlas.rects.iter().filter(meets).collect();
    let mut left_out = loaded.atlas.left_out;
    if found.len() > RECTS_IN_ANSWER {
        let area = |rect: &&Rect| {
            std::cmp::Reverse(u128::from(rect.size) * u128::from(rect.to_ns - rect.from_ns + 1))
        };
        found.select_nth_unstable_by_key(RECTS_IN_ANSWER, area);
        left_out += (found.len() - RECTS_IN_ANSWER) as u64;
        found.truncate(RECTS_IN_ANSWER);
    }
    let causes: BTreeMap<u64, &String> = found
        .iter()
        .flat_map(|rect| [Some(rect.made), rect.ended])
        .flatten()
        .filter_map(|event| Some((event, loaded.atlas.causes.get(&event)?)))
        .collect();
    json_answer(
        &json!({ "rects": found, "names": loaded.atlas.names, "causes": causes, "left_out": left_out }),
    )
}

fn set(state: &Mutex<State>, new: State) {
    *state.lock().unwrap_or_else(PoisonError::into_inner) = new;
}

fn json_answer(value: &serde_json::Value) -> Answer {
    Answer::Json(value.to_string().into_bytes())
}
