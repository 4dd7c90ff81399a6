//! Targets: a process, a core file, a saved text, a recording at a moment. All become the same snapshot.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use abi::Pid;
use anyhow::Context;
use recording::ReadError;
use snapshot::{Live, LiveError, LiveMemory, Malloc, Memory, Snapshot};
use timeline::Seeker;
use view::{Detail, Limits, MapFacts, MapView, StatusSums, words};

use super::found::Found;
use super::moment;
use crate::cli::WithinRecording;
use crate::exit::{NO_PROCESS, WithStatus};

/// The largest saved text that is read: a quarter of a million mappings of smaps.
const TEXT_BYTES_MAX: u64 = 256 << 20;

/// The map of a target; one that was saved is read back.
pub(super) fn view(target: &str, within: WithinRecording, detail: Detail) -> anyhow::Result<MapView> {
    if let Some(view) = saved(target)? {
        return Ok(view);
    }
    let mut found = read(target, within)?;
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
pub(crate) fn read(target: &str, within: WithinRecording) -> anyhow::Result<Found> {
    if let Ok(pid) = target.parse::<i32>()
        && !Path::new(target).exists()
    {
        return live(target, Pid(pid));
    }
    let (path, at) = moment::split(target);
    let shown = || path.display().to_string();
    // A file that may not be seen is not one that is not there.
    if let Err(error) = std::fs::metadata(&path)
        && error.kind() == std::io::ErrorKind::PermissionDenied
    {
        return Err(error).with_context(shown);
    }
    if at.is_none() && !path.exists() {
        return live(target, the_only_one(target)?);
    }
    // Only a file can be a recording: a pipe can't be sought in, and what was read of it would be gone.
    let is_file = std::fs::metadata(&path).with_context(shown)?.is_file();
    if is_file {
        match Seeker::open(&path) {
            Ok(seeker) => return moment::read(target, &path, seeker, at, within),
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
    Ok(Found { snapshot, contents: None, core_threads: Vec::new(), facts, recorded: None })
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
            let file = target.rsplit_once(['@', '#']).map(|(file, _)| file);
            if file.is_some_and(|file| Path::new(file).exists()) {
                anyhow::bail!("{shown}: no such moment: give FILE@1.5s, FILE@peak, FILE@end or FILE#EVENT");
            }
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
    live_by(target, pid, snapshot::read_live)
}

/// A process that is not there has an exit status of its own.
pub(super) fn with_status(error: LiveError) -> anyhow::Error {
    match error {
        LiveError::Gone { .. } => WithStatus { status: NO_PROCESS, message: error.to_string() }.into(),
        error => error.into(),
    }
}

/// Reads a process in the one or the other way.
pub(super) fn live_by(
    target: &str,
    pid: Pid,
    read: fn(Pid) -> Result<Live, LiveError>,
) -> anyhow::Result<Found> {
    let live = read(pid).map_err(with_status)?;
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
    Ok(Found { snapshot: live.snapshot, contents, core_threads: Vec::new(), facts, recorded: None })
}
