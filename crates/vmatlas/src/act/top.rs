//! `vmatlas top [PID]`.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, IsTerminal};
use std::process::ExitCode;
use std::time::Duration;

use abi::{AddrRange, Pid};
use anyhow::Context;
use snapshot::Snapshot;
use tui::{Colours, Look, Source, SourceError};
use view::{Detail, MapView, PagesView};

use super::target;
use crate::cli::{Common, TopArgs};
use crate::exit::{self, NO_PROCESS, WithStatus};
use crate::screen::{self, Style};

/// The most of a mapping whose pages are drawn while the process runs.
const PAGES_BYTES_MAX: u64 = 64 << 30;

pub(crate) fn act(args: &TopArgs, common: Common) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(
        io::stdin().is_terminal() && io::stdout().is_terminal(),
        "top needs a terminal; vmatlas map --watch SECONDS writes to a file or pipe"
    );
    let pid = match &args.target {
        Some(target) => {
            target::process(target)?.with_context(|| format!("{target}: a file: vmatlas map shows files"))?
        }
        None => largest_process().context("no process with memory of its own can be read")?,
    };
    let mut source = Live { pid, last: None, saved: 0 };
    // What can't be read at all is said before the screen is taken.
    if let Err(error) = source.sample() {
        anyhow::bail!("{error}");
    }
    let style = Style::of(&io::stdout(), common.color);
    let colours = if style.colour { Colours::Some } else { Colours::None };
    let look = Look { glyphs: style.canvas.glyphs, colours };
    tui::run(&mut source, Duration::from_secs_f64(args.interval), look).context("the terminal")?;
    Ok(ExitCode::SUCCESS)
}

/// The process with the largest resident size that this user may read, other than this one.
fn largest_process() -> Option<Pid> {
    let resident = |pid: i32| -> Option<u64> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
        std::fs::File::open(format!("/proc/{pid}/smaps")).ok()?;
        text.split_whitespace().nth(1)?.parse().ok()
    };
    let own = std::process::id().cast_signed();
    let entries = std::fs::read_dir("/proc").ok()?;
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| *pid != own).max_by_key(|pid| resident(*pid).unwrap_or(0)).map(Pid)
}

/// A running process.
struct Live {
    pid: Pid,
    last: Option<Snapshot>,
    saved: u32,
}

impl Source for Live {
    fn sample(&mut self) -> Result<MapView, SourceError> {
        let pid = self.pid;
        let found = target::live(&pid.to_string(), pid).map_err(|error| {
            let is_gone = error.downcast_ref::<WithStatus>().is_some_and(|error| error.status == NO_PROCESS);
            if is_gone { SourceError::Gone } else { SourceError::Other(exit::line_of(&error)) }
        })?;
        let view = MapView::new(found.facts, &found.snapshot, Detail::Mappings);
        self.last = Some(found.snapshot);
        Ok(view)
    }

    fn pages(&mut self, range: AddrRange, cells_max: usize) -> Option<PagesView> {
        let snapshot = self.last.as_ref()?;
        if range.len() > PAGES_BYTES_MAX {
            return None;
        }
        let runs = snapshot::read_live_pages(self.pid, std::iter::once(range)).ok()?;
        Some(PagesView::new(snapshot, &runs, range, cells_max))
    }

    fn save(&mut self, view: &MapView) -> Result<String, String> {
        self.saved += 1;
        let path = format!("vmatlas.{}.{}.map.json", self.pid, self.saved);
        let told = |error: io::Error| format!("{path}: {error}");
        let file = OpenOptions::new().write(true).create_new(true).open(&path).map_err(told)?;
        screen::print_json(view::json::MAP_SCHEMA, view, BufWriter::new(file)).map_err(told)?;
        Ok(path)
    }
}
