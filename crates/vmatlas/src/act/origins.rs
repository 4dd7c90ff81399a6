//! `vmatlas report FILE --by WHAT`, and what `export` writes: where memory comes from.

use std::path::Path;

use abi::Pid;
use anyhow::Context;
use recording::{MmId, Symbols};
use timeline::{Origin, Origins, Process, Replay, Seeker, Still, Until};
use view::{By, Chains, OriginsView};

use super::moment::{self, At};

/// The origins of one process's memory at a moment, and the names they are told by.
pub(crate) struct Told {
    pub(super) symbols: Option<Symbols>,
    pub(super) still: Still,
    pub(super) snapshot: snapshot::Snapshot,
    pub(super) origins: Vec<Origin>,
    pub(super) processes: Vec<Process>,
}

impl Told {
    /// Reads a recording at the moment that its name tells, its peak where it tells none.
    pub(super) fn read(target: &str, process: Option<i32>) -> anyhow::Result<Self> {
        let (path, at) = moment::split(target);
        Self::at(&path, at.unwrap_or(At::Peak), process)
    }

    /// Reads a recording at a moment.
    pub(crate) fn at(path: &Path, at: At, process: Option<i32>) -> anyhow::Result<Self> {
        let shown = || path.display().to_string();
        let symbols = super::names::read(path)?;
        let (until, mm) = until(path, at, process).with_context(shown)?;
        let mut replay = Replay::open(path).with_context(shown)?;
        let origins = Origins::follow(&mut replay, until).with_context(shown)?;
        let world = replay.world();
        let still = match (process, mm) {
            (Some(pid), _) => moment::of_process(world, Pid(pid)),
            (None, Some(mm)) => world.still(mm),
            (None, None) => moment::largest(world),
        };
        let still = still.with_context(|| format!("{}: no such memory lives at that moment", shown()))?;
        Ok(Self {
            symbols,
            snapshot: still.snapshot(world.objects()),
            origins: origins.of(&still),
            processes: world.processes().all().to_vec(),
            still,
        })
    }

    /// Adds them up.
    pub(crate) fn view(&self, by: By) -> OriginsView {
        let chains = Chains::new(self.symbols.as_ref());
        OriginsView::new(by, &chains, &self.still, &self.snapshot, &self.origins, &self.processes)
    }
}

/// How far to replay, and which memory is meant.
fn until(path: &Path, at: At, process: Option<i32>) -> anyhow::Result<(Until, Option<MmId>)> {
    Ok(match at {
        At::Time(time) => (Until::Time(time), None),
        At::Event(events) => (Until::Event(events), None),
        At::Peak if process.is_none() => {
            let known = Seeker::open(path)?.peak();
            let peak = match known {
                Some(peak) => Some(peak),
                None => Replay::open(path)?.finish().peak_at(),
            };
            let (events, mm) = peak.context("holds no map")?;
            (Until::Event(events), Some(mm))
        }
        At::Peak | At::End => {
            let run = Replay::open(path)?.finish();
            let pid = process.map(Pid);
            let found = run.processes.iter().rfind(|process| pid.is_none_or(|pid| process.pid == pid));
            let found = found.context("there is no such process")?;
            let (_, peak) = found.largest.resident_bytes.unwrap_or(found.largest.virtual_bytes);
            let end =
                found.ended.map_or(run.duration, |(time, _)| recording::TimeNs(time.0.saturating_sub(1)));
            (Until::Time(if at == At::Peak { peak } else { end }), None)
        }
    })
}
