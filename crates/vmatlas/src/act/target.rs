//! Targets: a process, a core file, a saved text, a recording at a moment. All become the same snapshot.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use abi::Pid;
use anyhow::Context;
use recording::{ReadError, TimeNs};
use snapshot::{LiveError, LiveMemory, Malloc, Memory, Snapshot};
use timeline::{Replay, Still, World};
use view::{Detail, Limits, MapFacts, MapView, StatusSums, words};

use crate::exit::{NO_PROCESS, WithStatus};

/// The largest saved text that is read: a quarter of a million mappings of smaps.
const TEXT_BYTES_MAX: u64 = 256 << 20;

/// A target as it was read.
pub(crate) struct Found {
    /// Its memory.
    pub(crate) snapshot: Snapshot,
    /// The contents of its memory, where they can be read.
    pub(crate) contents: Option<Box<dyn Memory>>,
    /// What else is known of it.
    pub(crate) facts: MapFacts,
}

/// A moment of a recording.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum At {
    Peak,
    End,
    Time(TimeNs),
    Event(u64),
}

impl Found {
    /// Reads what glibc's allocator holds, where the contents of memory can be read.
    pub(crate) fn read_heap(&mut self, bytes_max: u64) {
        if let Some(contents) = &self.contents {
            self.snapshot.malloc = Malloc::read(&self.snapshot, contents.as_ref(), bytes_max);
        }
    }
}

/// The map of a target; one that was saved is read back.
pub(super) fn view(target: &str, detail: Detail) -> anyhow::Result<MapView> {
    if let Some(view) = saved(target)? {
        return Ok(view);
    }
    let mut found = read(target)?;
    found.read_heap(Malloc::BYTES_MAX);
    Ok(MapView::new(found.facts, &found.snapshot, detail))
}

/// A saved map, if the file is one.
pub(super) fn saved(target: &str) -> anyhow::Result<Option<MapView>> {
    let path = Path::new(target);
    if !std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() <= TEXT_BYTES_MAX) {
        return Ok(None);
    }
    let mut front = Vec::new();
    File::open(path).with_context(|| target.to_owned())?.take(1).read_to_end(&mut front)?;
    if front != b"{" {
        return Ok(None);
    }
    let text = std::fs::read(path).with_context(|| target.to_owned())?;
    view::read_map(&text).map(Some).map_err(|error| anyhow::anyhow!("{target}: {error}"))
}

/// Reads a target.
pub(crate) fn read(target: &str) -> anyhow::Result<Found> {
    if let Ok(pid) = target.parse::<i32>()
        && !Path::new(target).exists()
    {
        return live(target, Pid(pid));
    }
    let (path, at) = split(target);
    let shown = || path.display().to_string();
    if at.is_none() && !path.exists() {
        return live(target, the_only_one(target)?);
    }
    // Only a file can be a recording: a pipe can't be sought in, and what was read of it would be gone.
    let is_file = std::fs::metadata(&path).with_context(shown)?.is_file();
    if is_file {
        match Replay::open(&path) {
            Ok(replay) => return from_recording(target, &path, replay, at.unwrap_or(At::Peak)),
            Err(ReadError::NotARecording) if at.is_none() => {}
            Err(error) => return Err(error).with_context(shown),
        }
    }
    if is_file && starts_as_elf(&path).with_context(shown)? {
        return super::core_file::read(target, &path);
    }
    let text = text(&path)?;
    let snapshot = Snapshot::from_maps_text(&text)
        .with_context(|| format!("{}: neither a recording, a core nor the text of smaps or maps", shown()))?;
    if snapshot.mappings.is_empty() {
        anyhow::bail!("{}: holds no mapping", shown());
    }
    let facts = MapFacts { target: words::printable(target.as_bytes()), ..MapFacts::default() };
    Ok(Found { snapshot, contents: None, facts })
}

/// Looks at the first bytes of a file.
fn starts_as_elf(path: &Path) -> std::io::Result<bool> {
    let mut front = Vec::new();
    File::open(path)?.take(4).read_to_end(&mut front)?;
    Ok(front == b"\x7fELF")
}

/// The text of a file, which may be a pipe.
pub(super) fn text(path: &Path) -> anyhow::Result<Vec<u8>> {
    let shown = || path.display().to_string();
    let mut text = Vec::new();
    let file = File::open(path).with_context(shown)?;
    file.take(TEXT_BYTES_MAX + 1).read_to_end(&mut text).with_context(shown)?;
    if text.len() as u64 > TEXT_BYTES_MAX {
        anyhow::bail!(
            "{}: longer than {}: not the text of one process",
            shown(),
            words::bytes(TEXT_BYTES_MAX)
        );
    }
    Ok(text)
}

/// The process that a target is, if it is one: by its id or its name.
pub(super) fn process(target: &str) -> anyhow::Result<Option<Pid>> {
    if Path::new(target).exists() {
        return Ok(None);
    }
    if let Ok(pid) = target.parse::<i32>() {
        return Ok(Some(Pid(pid)));
    }
    the_only_one(target).map(Some)
}

/// The one process of this name.
fn the_only_one(target: &str) -> anyhow::Result<Pid> {
    let pids = snapshot::processes_named(target.as_bytes());
    let shown = words::printable(target.as_bytes());
    match pids.as_slice() {
        [pid] => Ok(*pid),
        [] => {
            let message = format!("{shown}: neither a file nor the name or id of a process");
            Err(WithStatus { status: NO_PROCESS, message }.into())
        }
        pids => {
            let pids: Vec<String> = pids.iter().map(ToString::to_string).collect();
            anyhow::bail!("{} processes are named {shown}: give one of {}", pids.len(), pids.join(" "))
        }
    }
}

pub(super) fn live(target: &str, pid: Pid) -> anyhow::Result<Found> {
    let live = snapshot::read_live(pid).map_err(|error| match error {
        LiveError::Gone { .. } => WithStatus { status: NO_PROCESS, message: error.to_string() }.into(),
        error => anyhow::Error::from(error),
    })?;
    let [vm_size, vm_rss, vm_swap] = live.status_sizes;
    let facts = MapFacts {
        target: target.to_owned(),
        pid: Some(pid.0),
        program: words::printable(&live.name),
        kernel_total: live.total,
        page_tables: live.page_tables,
        status: Some(StatusSums { vm_size, vm_rss, vm_swap }),
        rss_peak: live.rss_peak,
        limits: Limits { stack: live.stack_limit, size: live.size_limit, mappings: live.mappings_max },
        core: Vec::new(),
    };
    // Who may see the map may not always read the memory.
    let contents = LiveMemory::open(pid).ok().map(|memory| Box::new(memory) as Box<dyn Memory>);
    Ok(Found { snapshot: live.snapshot, contents, facts })
}

fn from_recording(target: &str, path: &Path, mut replay: Replay, at: At) -> anyhow::Result<Found> {
    let shown = || path.display().to_string();
    match at {
        At::Peak | At::End => {}
        At::Time(time) => replay.run_to_time(time).with_context(shown)?,
        At::Event(event) => replay.run_to_event(event).with_context(shown)?,
    }
    let (snapshot, process) = if matches!(at, At::Peak | At::End) {
        let run = replay.finish();
        let last = || run.alive.iter().chain(run.peaks.last()).max_by_key(|still| still.time);
        let still = if at == At::Peak { run.largest_memory() } else { last() };
        let still = still.with_context(|| format!("{}: holds no map", shown()))?;
        (run.snapshot(still), still.process.and_then(|no| run.processes.get(no.0)).cloned())
    } else {
        let world = replay.world();
        let still = largest(world).with_context(|| format!("{target}: no memory lives at that moment"))?;
        let process = still.process.and_then(|no| world.processes().all().get(no.0));
        (still.snapshot(world.objects()), process.cloned())
    };
    let path =
        process.as_ref().and_then(|process| process.programs.last()).map(|program| program.path.clone());
    let facts = MapFacts {
        target: words::printable(target.as_bytes()),
        pid: process.map(|process| process.pid.0),
        program: path.map(|path| words::printable(&path)).unwrap_or_default(),
        ..MapFacts::default()
    };
    Ok(Found { snapshot, contents: None, facts })
}

/// The largest memory that lives.
fn largest(world: &World) -> Option<Still> {
    let size = |sample: timeline::Sample| (sample.resident_bytes, sample.virtual_bytes);
    let memory = world.memories().max_by_key(|memory| size(memory.sample()))?;
    world.still(memory.id)
}

/// Divides `FILE@MOMENT` or `FILE#EVENT`; a file that has the whole name is meant as it is.
fn split(target: &str) -> (PathBuf, Option<At>) {
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
