//! A session that begins with the memory of a recording at a moment.

use abi::Pid;
use anyhow::Context;
use lab::Session;
use recording::TimeNs;
use timeline::{Replay, Seeker};
use view::words;

use crate::act::moment::{self, At};
use crate::cli::WithinRecording;

/// Begins a session with the memory of a recording: of the process asked for, else the largest one.
pub(super) fn start(target: &str, within: WithinRecording) -> anyhow::Result<Session> {
    let (path, at) = moment::split(target);
    let shown = || path.display().to_string();
    let seeker = Seeker::open(&path).with_context(shown)?;
    let mut seeker = moment::with_states(&path, seeker, within).with_context(shown)?;
    let world = match at.unwrap_or(At::Peak) {
        At::Event(events) => seeker.to_event(events),
        At::Time(time) => seeker.to_time(time),
        At::End => seeker.to_event(u64::MAX),
        At::Peak => match seeker.peak() {
            Some((events, _)) => seeker.to_event(events),
            // Without states in it, only a whole replay tells where it was largest.
            None => {
                let run = Replay::open(&path).with_context(shown)?.finish();
                let time = run.largest_memory().map_or(TimeNs(u64::MAX), |still| still.time);
                seeker.to_time(time)
            }
        },
    };
    let world = world.with_context(shown)?;
    let still = match within.process {
        Some(pid) => moment::of_process(world, Pid(pid)),
        None => moment::largest(world),
    };
    let Some(still) = still else { return Err(moment::nothing_lives(target, &mut seeker, within.process)) };
    let space = still.space().with_context(|| format!("{target}: no map is known at that moment"))?;
    let mut files: Vec<_> = still
        .rows()
        .iter()
        .filter(|row| row.file.ino != 0)
        .map(|row| (row.file, words::printable(&row.name)))
        .collect();
    files.dedup();
    Ok(Session::from_replay(world.profile().clone(), space, files))
}
