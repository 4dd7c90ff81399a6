//! The life of an address: what `explain` adds for recordings, and what `record` says of a crash.

use std::path::Path;

use abi::VirtAddr;
use anyhow::Context;
use recording::{MmId, Reader};
use timeline::{Replay, Step, Story};
use view::text::{Canvas, Line, Role};
use view::{Chains, StoryLine, words};

/// What happened to an address of a memory, in order.
pub(super) fn read(path: &Path, mm: MmId, addr: VirtAddr) -> anyhow::Result<Vec<StoryLine>> {
    told(path, mm, addr).map(|(lines, _)| lines)
}

fn told(path: &Path, mm: MmId, addr: VirtAddr) -> anyhow::Result<(Vec<StoryLine>, Vec<Step>)> {
    let shown = || path.display().to_string();
    let symbols = super::names::read(path)?;
    let mut replay = Replay::open(path).with_context(shown)?;
    let story = Story::follow(&mut replay, addr).with_context(shown)?;
    let steps = story.of(mm).to_vec();
    let chains = Chains::new(symbols.as_ref());
    Ok((view::story(&steps, replay.world().processes().all(), &chains), steps))
}

/// What there is to say of the access that a signal ended a process for; empty if none did.
pub(super) fn of_crash(path: &Path, canvas: Canvas) -> anyhow::Result<Vec<Line>> {
    let shown = || path.display().to_string();
    let mut reader = Reader::open(path).with_context(shown)?;
    let Some(crash) = timeline::crash(&mut reader).with_context(shown)? else { return Ok(Vec::new()) };
    let symbols = super::names::read(path)?;
    let chains = Chains::new(symbols.as_ref());
    let (story, steps) = told(path, crash.mm, crash.addr)?;
    let place = chains.frames(crash.stack).first().map(|frame| format!(" in {}", frame.line_words()));
    let title = format!(
        "{} at {}: thread {} accessed {}{}",
        words::signal(crash.signal),
        words::time(crash.time.0),
        crash.tid,
        crash.addr,
        place.unwrap_or_default()
    );
    let mut lines = vec![Line::default(), Line::of(Role::Bad, canvas.cut(&title, canvas.columns))];
    match view::verdict(&steps, crash.event) {
        Some(verdict) => {
            lines.extend(canvas.sentence(Role::Strong, &format!("{}{verdict}", "The address: "), 2))
        }
        None => lines.push(Line::of(Role::Strong, "  The address: nothing was ever mapped there.")),
    }
    lines.extend(view::text::story(&story, canvas));
    Ok(lines)
}
