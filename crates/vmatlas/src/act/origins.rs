//! `vmatlas report FILE --by WHAT`, and what `export` writes: where memory comes from.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use abi::Pid;
use anyhow::Context;
use recording::{MmId, Symbols};
use timeline::ledger::Ledger;
use timeline::{Origin, Origins, Process, Replay, Seeker, Still, Until, World};
use view::{By, Chains, OriginsDiff, OriginsOf, OriginsView, Side, Whose};

use super::moment::{self, At};
use crate::cli::Common;
use crate::screen::{self, Style};

/// The origins of one process's memory at a moment, and the names they are told by.
pub(crate) struct Told {
    pub(super) symbols: Option<Symbols>,
    pub(super) still: Still,
    pub(super) snapshot: snapshot::Snapshot,
    pub(super) origins: Vec<Origin>,
    pub(super) processes: Vec<Process>,
    /// What is known of its pages.
    pub(super) ledger: Option<Ledger>,
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
        Ok(Self::of(world, still, &origins, symbols))
    }

    /// Takes together what is known of a memory that lives.
    pub(crate) fn of(world: &World, still: Still, origins: &Origins, symbols: Option<Symbols>) -> Self {
        Self {
            symbols,
            snapshot: still.snapshot(world.objects()),
            origins: origins.of(&still),
            processes: world.processes().all().to_vec(),
            ledger: world.memory(still.mm).and_then(timeline::Memory::ledger).cloned(),
            still,
        }
    }

    /// Adds them up.
    pub(crate) fn view(&self, by: By, whose: Whose) -> OriginsView {
        let chains = Chains::new(self.symbols.as_ref());
        let of = OriginsOf {
            still: &self.still,
            ledger: self.ledger.as_ref(),
            snapshot: &self.snapshot,
            origins: &self.origins,
            processes: &self.processes,
        };
        OriginsView::new(by, whose, &chains, &of)
    }
}

/// Which process is meant where none is given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Same {
    /// On both sides the one that is largest at the second moment.
    Process,
    /// On each side the largest.
    No,
}

/// A recording at a moment that is given by itself: `1.5s`, `@1.5s`, `#812`, `end`.
pub(super) fn target_at(file: &str, moment: &str) -> String {
    let mark = if moment.starts_with(['@', '#']) { "" } else { "@" };
    format!("{file}{mark}{moment}")
}

/// Compares where memory comes from at two moments.
pub(super) fn between(
    (from, to): (&str, &str),
    by: By,
    whose: Whose,
    process: Option<i32>,
    same: Same,
) -> anyhow::Result<OriginsDiff> {
    let after = Told::read(to, process)?;
    let new = after.view(by, whose);
    let before = Told::read(from, process.or(new.pid.filter(|_| same == Same::Process)))?;
    let old = before.view(by, whose);
    let before = Side { target: from, view: &old, symbols: before.symbols.as_ref() };
    let after = Side { target: to, view: &new, symbols: after.symbols.as_ref() };
    Ok(OriginsDiff::new(before, after))
}

/// Prints what changed.
pub(super) fn print_diff(diff: &OriginsDiff, json: bool, common: Common) -> anyhow::Result<ExitCode> {
    let out = io::stdout();
    if json {
        screen::print_json(view::json::ORIGINS_DIFF_SCHEMA, diff, out.lock())?;
    } else {
        let style = Style::of(&out, common.color);
        screen::print(&view::text::origins_diff(diff, style.canvas), style, out.lock())?;
    }
    Ok(ExitCode::SUCCESS)
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
