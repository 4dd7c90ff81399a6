//! A recording at a moment: `FILE@peak`, `FILE@1.5s`, `FILE#EVENT`.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use abi::Pid;
use anyhow::{Context, anyhow};
use recording::{Completeness, MmId, TimeNs};
use timeline::{Keeper, Process, Replay, Run, Seeker, Still, World};
use view::{MapFacts, words};

use super::found::Found;
use crate::cli::WithinRecording;

/// A recording of more events than this is read in less time with states kept of it.
const EVENTS_WORTH_KEEPING: u64 = 1 << 16;

/// A moment of a recording.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum At {
    /// Where the process was largest.
    Peak,
    /// The last moment with any memory.
    End,
    /// Before the first event later than this.
    Time(TimeNs),
    /// After so many events.
    Event(u64),
}

/// Reads a recording at a moment: its peak where none is given.
pub(super) fn read(
    target: &str,
    path: &Path,
    seeker: Seeker,
    at: Option<At>,
    within: WithinRecording,
) -> anyhow::Result<Found> {
    let shown = || path.display().to_string();
    let mut seeker = with_states(path, seeker, within).with_context(shown)?;
    let at_peak = at.is_none_or(|at| at == At::Peak);
    let (at, mm) = match (at.unwrap_or(At::Peak), within.process) {
        (At::Peak, None) => match seeker.peak() {
            Some((events, mm)) => (At::Event(events), Some(mm)),
            None => return of_run(target, path, |run| run.largest_memory().cloned()),
        },
        (At::End, None) if seeker.states() == 0 => return of_run(target, path, last_of_all),
        (At::End, None) => (At::End, None),
        (At::Peak, Some(pid)) => return peak_of(target, path, &mut seeker, Pid(pid)),
        (At::End, Some(pid)) => return of_run(target, path, |run| last_of(run, Pid(pid))),
        (at, _) => (at, None),
    };
    let world = match at {
        At::Time(time) => seeker.to_time(time),
        At::Event(events) => seeker.to_event(events),
        At::Peak | At::End => seeker.to_event(u64::MAX),
    };
    let world = world.with_context(shown)?;
    let still = match (mm, within.process) {
        (Some(mm), _) => world.still(mm),
        (None, Some(pid)) => of_process(world, Pid(pid)),
        (None, None) if at == At::End => largest(world).or_else(|| world.ended().last().cloned()),
        (None, None) => largest(world),
    };
    if still.is_none() && at == At::End {
        // Everything had ended long before the last events.
        return of_run(target, path, last_of_all);
    }
    // The peak is of a moment when pages were read.
    let still = still.map(|still| if at_peak { still } else { world.with_pages_now(still) });
    let Some(still) = still else { return Err(nothing_lives(target, &mut seeker, within.process)) };
    Ok(found(target, path, &still, world.processes().all(), still.snapshot(world.objects())))
}

/// What is said of a moment at which there is nothing to be shown: from when to when there may be.
pub(super) fn nothing_lives(target: &str, seeker: &mut Seeker, process: Option<i32>) -> anyhow::Error {
    let who =
        process.map_or_else(|| "no memory lives".to_owned(), |pid| format!("process {pid} does not live"));
    let events = seeker.reader().len();
    match seeker.to_event(u64::MAX) {
        Ok(world) => {
            let end = words::time(world.now().0);
            anyhow!(
                "{target}: {who} at that moment; the recording ends at {end}, after {} events",
                words::count(events)
            )
        }
        Err(error) => anyhow!("{target}: {who} at that moment; the end can't be read: {error}"),
    }
}

/// Replays a recording on which no states are kept once, if that is worth it, and adds them.
pub(super) fn with_states(path: &Path, seeker: Seeker, within: WithinRecording) -> anyhow::Result<Seeker> {
    let reader = seeker.reader();
    let is_worth_it = reader.len() > EVENTS_WORTH_KEEPING && reader.completeness() == Completeness::Finished;
    if seeker.states() > 0 || within.no_write || !is_worth_it {
        return Ok(seeker);
    }
    // A file that may not be written to is read as it is.
    let Ok(keeper) = Keeper::in_file(path, reader.states()) else { return Ok(seeker) };
    let events = reader.len();
    let mut replay = Replay::open(path)?.with_keeper(keeper);
    let mut progress = Progress::new(events);
    while replay.step()?.is_some() {
        progress.see(replay.world().counts().events);
    }
    drop(replay.finish());
    drop(progress);
    Ok(Seeker::open(path)?)
}

/// Keeps states of a recording while it is reported on, if that is worth it and it may be written to.
pub(super) fn keeping(path: &Path, replay: Replay) -> Replay {
    let reader = replay.reader();
    let is_worth_it = reader.len() > EVENTS_WORTH_KEEPING && reader.completeness() == Completeness::Finished;
    if !is_worth_it || Seeker::open(path).is_ok_and(|seeker| seeker.states() > 0) {
        return replay;
    }
    match Keeper::in_file(path, reader.states()) {
        Ok(keeper) => replay.with_keeper(keeper),
        Err(_) => replay,
    }
}

/// How far the one replay has come, on a terminal.
struct Progress {
    events: u64,
    told: u64,
    is_shown: bool,
}

impl Progress {
    fn new(events: u64) -> Self {
        Self { events, told: 0, is_shown: std::io::stderr().is_terminal() }
    }

    fn see(&mut self, events: u64) {
        let percent = events * 100 / self.events.max(1);
        if self.is_shown && percent > self.told {
            self.told = percent;
            let _ =
                write!(std::io::stderr(), "\rreading {} events once: {percent} %", words::count(self.events));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_shown && self.told > 0 {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

/// A state that only a whole replay finds.
fn of_run(target: &str, path: &Path, choose: impl FnOnce(&Run) -> Option<Still>) -> anyhow::Result<Found> {
    let shown = || path.display().to_string();
    let run = Replay::open(path).with_context(shown)?.finish();
    let still = choose(&run).with_context(|| format!("{target}: holds no such memory"))?;
    Ok(found(target, path, &still, &run.processes, run.snapshot(&still)))
}

fn last_of_all(run: &Run) -> Option<Still> {
    run.alive.iter().chain(run.peaks.last()).max_by_key(|still| still.time).cloned()
}

fn last_of(run: &Run, pid: Pid) -> Option<Still> {
    let no = run.processes.iter().rposition(|process| process.pid == pid)?;
    run.last_of(timeline::ProcessNo(no)).cloned()
}

/// One process at its own peak: by resident size where pages were read.
fn peak_of(target: &str, path: &Path, seeker: &mut Seeker, pid: Pid) -> anyhow::Result<Found> {
    let shown = || path.display().to_string();
    let run = Replay::open(path).with_context(shown)?.finish();
    let process = run.processes.iter().rfind(|process| process.pid == pid);
    let process = process.with_context(|| format!("{target}: there is no process {pid}"))?;
    let (_, time) = process.largest.resident_bytes.unwrap_or(process.largest.virtual_bytes);
    let world = seeker.to_time(time).with_context(shown)?;
    let still = of_process(world, pid);
    let still = still.with_context(|| format!("{target}: process {pid} has no memory of its own"))?;
    Ok(found(target, path, &still, world.processes().all(), still.snapshot(world.objects())))
}

pub(super) fn of_process(world: &World, pid: Pid) -> Option<Still> {
    let alive = |process: &&Process| process.pid == pid && process.ended.is_none();
    let mm: MmId = world.processes().all().iter().rfind(alive)?.mm;
    world.still(mm)
}

/// The largest memory that lives.
pub(super) fn largest(world: &World) -> Option<Still> {
    let size = |sample: timeline::Sample| (sample.resident_bytes, sample.virtual_bytes);
    let memory = world.memories().max_by_key(|memory| size(memory.sample()))?;
    world.still(memory.id)
}

fn found(
    target: &str,
    path: &Path,
    still: &Still,
    processes: &[Process],
    snapshot: snapshot::Snapshot,
) -> Found {
    let process = still.process.and_then(|no| processes.get(no.0));
    let program = process.and_then(|process| process.programs.last()).map(|program| program.path.clone());
    let facts = MapFacts {
        target: words::printable(target.as_bytes()),
        pid: process.map(|process| process.pid.0),
        program: program.map(|path| words::printable(&path)).unwrap_or_default(),
        ..MapFacts::default()
    };
    let recorded = Some((path.to_owned(), still.mm));
    Found { snapshot, contents: None, core_threads: Vec::new(), facts, recorded }
}

/// Divides `FILE@MOMENT` or `FILE#EVENT`; a file that has the whole name is meant as it is.
pub(super) fn split(target: &str) -> (PathBuf, Option<At>) {
    let whole = || (PathBuf::from(target), None);
    if Path::new(target).exists() {
        return whole();
    }
    let moment = |(file, text): (&str, &str), read: fn(&str) -> Option<At>| Some((file.into(), read(text)?));
    let found = target.rsplit_once('@').and_then(|parts| moment(parts, time));
    let found = found.or_else(|| {
        target.rsplit_once('#').and_then(|parts| moment(parts, |event| Some(At::Event(event.parse().ok()?))))
    });
    found.map_or_else(whole, |(path, at)| (path, Some(at)))
}

/// Reads `peak`, `end`, `1.5s`, `20ms`.
fn time(text: &str) -> Option<At> {
    match text {
        "peak" => return Some(At::Peak),
        "end" => return Some(At::End),
        _ => {}
    }
    let (number, unit_ns) = match text.strip_suffix("ms") {
        Some(number) => (number, 1e6),
        None => (text.strip_suffix('s').unwrap_or(text), 1e9),
    };
    let number: f64 = number.parse().ok().filter(|n: &f64| n.is_finite() && *n >= 0.0)?;
    Some(At::Time(TimeNs((number * unit_ns) as u64)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read() {
        let of = |target| split(target).1;
        assert_eq!(of("a.vmatlas@peak"), Some(At::Peak));
        assert_eq!(of("a.vmatlas@1.5s"), Some(At::Time(TimeNs(1_500_000_000))));
        assert_eq!(of("a.vmatlas@20ms"), Some(At::Time(TimeNs(20_000_000))));
        assert_eq!(of("a.vmatlas#17"), Some(At::Event(17)));
        assert_eq!(split("me@home").0, Path::new("me@home"));
        assert_eq!(of("a.vmatlas@-1s"), None);
    }
}
