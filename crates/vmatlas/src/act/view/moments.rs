//! What is asked about one memory at one moment: its map, an address's story, the pages of a range.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use abi::{AddrRange, VirtAddr};
use recording::{MmId, TimeNs};
use serde_json::{Value, json};
use snapshot::{Leaf, Owner, Snapshot, classify};
use timeline::Seeker;
use view::{Cell, Detail, Explanation, MapFacts, MapView, PagesView, StoryLine};
use web::{Answer, Query};

use super::answer::{json_answer, refused};
use super::stack;
use crate::act::found::Found;
use crate::act::{biography, place};

/// Cells of a picture of pages.
const CELLS_MAX: usize = 1024;
/// Sections told of one mapping.
const SECTIONS_MAX: usize = 100;
/// Files larger than this are not read for their sections.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// Goes to any moment without a replay from the start.
#[derive(Default)]
pub(super) struct Moments(Mutex<Option<Seeker>>);

impl Moments {
    /// The memory asked for as it was at the time asked for; `NotFound` where it does not live then.
    fn snapshot(&self, path: &Path, query: &Query) -> Result<(MmId, Snapshot), Answer> {
        let mm = memory(query)?;
        let time = TimeNs(query.number("at").ok_or_else(|| refused("at which time?"))?);
        let failed = |error: recording::ReadError| Answer::Failed(error.to_string());
        let mut seeker = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What a defect left half done is not gone on with: it is taken out, and put back when all went well.
        let mut mine = match seeker.take() {
            Some(seeker) => seeker,
            None => Seeker::open(path).map_err(failed)?,
        };
        let world = mine.to_time(time).map_err(failed)?;
        let taken = world.still(mm).map(|still| still.snapshot(world.objects()));
        *seeker = Some(mine);
        Ok((mm, taken.ok_or(Answer::NotFound)?))
    }

    /// Every mapping with what it holds; nothing where the memory does not live at that moment.
    pub(super) fn map(&self, path: &Path, query: &Query) -> Result<Answer, Answer> {
        let (_, snapshot) = match self.snapshot(path, query) {
            Err(Answer::NotFound) => return Ok(json_answer(&Value::Null)),
            taken => taken?,
        };
        let view = MapView::new(MapFacts::default(), &snapshot, Detail::Mappings);
        let mappings = view.mappings.iter().map(|line| {
            let leaves = line.leaves.iter().map(|leaf| json!([leaf.kind, leaf.owner, leaf.start, leaf.size]));
            json!({
                "start": line.range.start.0, "size": line.range.len(), "rights": line.permissions,
                "offset": line.offset, "name": line.name, "rss": line.sums.rss,
                "leaves": leaves.collect::<Vec<_>>(),
            })
        });
        let kinds = view.kinds.iter().map(|kind| json!([kind.kind, kind.sums.size, kind.sums.rss]));
        Ok(json_answer(&json!({
            "size": view.total.size, "rss": view.total.rss, "kinds": kinds.collect::<Vec<_>>(),
            "mappings": mappings.collect::<Vec<_>>(),
        })))
    }

    pub(super) fn story(&self, path: &Path, query: &Query) -> Result<Answer, Answer> {
        let address = VirtAddr(query.number("address").ok_or_else(|| refused("which address?"))?);
        let (mm, snapshot) = match self.snapshot(path, query) {
            Ok((mm, snapshot)) => (mm, Some(snapshot)),
            // The memory does not live at that moment: what happened before can be told.
            Err(Answer::NotFound) => (memory(query)?, None),
            Err(answer) => return Err(answer),
        };
        let lines = biography::read(path, mm, address)
            .map_err(|error| Answer::Failed(crate::exit::line_of(&error)))?;
        let lines: Vec<_> = lines.iter().map(story_line).collect();
        let Some(snapshot) = snapshot else { return Ok(json_answer(&json!({ "lines": lines }))) };
        let mut explanation = Explanation::new(&snapshot, &(), address, None);
        let because = explanation.leaf.as_ref().map(|leaf| leaf.rule.clone());
        let leaf = classify(&snapshot).into_iter().find(|leaf| leaf.range.contains(address));
        let found = Found {
            snapshot,
            contents: None,
            core_threads: Vec::new(),
            facts: MapFacts::default(),
            recorded: None,
        };
        let pid = query.number("pid").and_then(|pid| i32::try_from(pid).ok());
        let thread = leaf.as_ref().and_then(|leaf| stack::thread_of(leaf, pid));
        let at = TimeNs(query.number("at").unwrap_or(u64::MAX));
        // What is not to be had is left out.
        let chain = thread.and_then(|tid| stack::last_chain(path, tid, at).ok().flatten());
        let sections = leaf.as_ref().map(|leaf| sections(&found, leaf)).unwrap_or_default();
        explanation.place = leaf.and_then(|leaf| place::find(&found, &leaf, address)).unwrap_or_default();
        Ok(json_answer(&json!({
            "why": because, "explanation": explanation, "sections": sections, "lines": lines, "chain": chain,
        })))
    }

    pub(super) fn pages(&self, path: &Path, query: &Query) -> Result<Answer, Answer> {
        let number = |name: &str| query.number(name).ok_or_else(|| refused(&format!("{name}?")));
        let range = AddrRange::from_len(VirtAddr(number("start")?), number("size")?);
        let range = range.ok_or_else(|| refused("the range wraps"))?;
        let told = match self.snapshot(path, query) {
            Err(Answer::NotFound) => None,
            taken => cells(&taken?.1, range, CELLS_MAX),
        };
        Ok(json_answer(&told.unwrap_or(Value::Null)))
    }
}

fn memory(query: &Query) -> Result<MmId, Answer> {
    let mm = query.number("mm").and_then(|mm| u32::try_from(mm).ok());
    mm.map(MmId).ok_or_else(|| refused("which memory?"))
}

/// The pages of a range as a text with one letter a cell; `None` where no pages were read.
pub(super) fn cells(snapshot: &Snapshot, range: AddrRange, cells_max: usize) -> Option<Value> {
    let view = PagesView::new(snapshot, snapshot.pages.as_ref()?, range, cells_max);
    let cells: String = view.cells.iter().map(|cell| letter(*cell)).collect();
    Some(json!({ "start": view.range.start.0, "cell_bytes": view.cell_bytes, "cells": cells }))
}

/// The sections of an object's file inside a range: their names, first addresses and sizes.
fn sections(found: &Found, leaf: &Leaf) -> Vec<Value> {
    let told = || {
        let Some(Owner::Object(object)) = leaf.owner else { return None };
        let start = found.snapshot.mappings.get(leaf.mapping)?.range.start;
        let end = found.snapshot.mappings.get(leaf.mapping)?.range.end;
        let own = snapshot::own_address(&found.snapshot, object, leaf.range.start)?;
        let path = place::path_of(found, object)?;
        let meta = std::fs::metadata(&path).ok()?;
        let bytes = (meta.is_file() && meta.len() <= FILE_BYTES_MAX).then(|| std::fs::read(&path).ok())??;
        let bias = leaf.range.start.0.wrapping_sub(own.0);
        let image = elf::read(&bytes).ok()?;
        let placed =
            image.sections.iter().filter(|section| !section.range.is_empty() && section.range.start.0 > 0);
        let placed = placed.map(|section| (section, section.range.start.0.wrapping_add(bias)));
        let inside = placed.filter(|(_, at)| (start.0..end.0).contains(at)).take(SECTIONS_MAX);
        let told = inside
            .map(|(section, at)| json!([view::words::printable(&section.name), at, section.range.len()]));
        Some(told.collect())
    };
    told().unwrap_or_default()
}

/// A step of an address's life, as the page takes it.
fn story_line(line: &StoryLine) -> Value {
    let detail: Vec<String> = line.frames.iter().map(view::FrameWords::line_words).collect();
    json!({ "time_ns": line.time_ns, "what": format!("{} ({})", line.what, line.who), "detail": detail })
}

/// A cell's letter; a space: not mapped, a dot: no page.
fn letter(cell: Cell) -> char {
    match cell {
        Cell::Unmapped => ' ',
        Cell::Absent => '.',
        Cell::Anonymous => 'A',
        Cell::SomeAnonymous => 'a',
        Cell::File => 'F',
        Cell::SomeFile => 'f',
        Cell::Mixed => 'm',
        Cell::Swapped => 's',
    }
}
