//! `vmatlas map TARGET...`.

use std::fs::OpenOptions;
use std::io::{self, BufWriter};
use std::path::Path;
use std::process::ExitCode;

use abi::{AddrRange, Pid};
use anyhow::Context;
use snapshot::{Malloc, Moment};
use view::text::{Fields, Frame, Line, Paths, PmapOptions};
use view::{Detail, MapView, Order, PagesView, words};

use super::found::Found;
use super::several::{self, Meant, Tree};
use super::target;
use super::{frames, peers, symbols, watch};
use crate::cli::{Common, ExplainArgs, MapArgs};
use crate::screen::{self, Style};

/// The most that is drawn of a running process: reading its page table then takes a second or two.
const PAGES_BYTES_MAX: u64 = 256 << 30;

pub(crate) fn act(args: &MapArgs, common: Common) -> anyhow::Result<ExitCode> {
    if let Some((target, address)) = args.address()
        && !Path::new(&args.targets[1]).exists()
    {
        let args = ExplainArgs { target: target.to_owned(), address, within: args.within, json: args.json };
        return super::explain::act(&args, common);
    }
    if let Some(period) = args.watch {
        return watch::act(args, period, common);
    }
    let tree = if args.tree { Tree::Yes } else { Tree::No };
    match several::resolve(&args.targets, tree)? {
        Meant::One(target) => match &args.symbols {
            Some(name) => symbols::act(&target, name, args, common),
            None if args.peers => peers::act(&target, args, common),
            None => one(&target, args, common),
        },
        Meant::Several(processes) => {
            let is_of_one = args.symbols.is_some() || args.peers;
            anyhow::ensure!(!is_of_one, "--symbols and --peers look at one process");
            anyhow::ensure!(args.pages.is_none(), "--pages draws one process");
            let mut read = several::read(&processes, detail(args))?;
            show_several(&mut read, args, common)?;
            Ok(read.failed.map_or(ExitCode::SUCCESS, ExitCode::from))
        }
    }
}

fn one(target: &str, args: &MapArgs, common: Common) -> anyhow::Result<ExitCode> {
    if args.fields > 0 {
        return fields(target, args, common);
    }
    if let Some(mut view) = target::saved(target)? {
        show(&mut view, args, common)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut found = if args.fast {
        let pid = target::process(target)?.with_context(|| format!("{target}: --fast reads a process"))?;
        target::live_by(target, pid, snapshot::read_live_fast)?
    } else {
        target::read(target, args.within)?
    };
    if let Some(range) = args.pages {
        return draw_pages(found, range, common);
    }
    found.read_heap(if args.heap { u64::MAX } else { Malloc::BYTES_MAX });
    let mut view = MapView::new(found.facts.clone(), &found.snapshot, detail(args));
    if args.frames {
        frames::add(&mut view, &found);
    }
    show(&mut view, args, common)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn detail(args: &MapArgs) -> Detail {
    let is_list = args.mappings || args.json || args.is_extended() || args.device || args.csv;
    let is_choice = !args.filter.is_empty() || args.sort.is_some() || args.range.is_some();
    if is_list || is_choice || args.save.is_some() { Detail::Mappings } else { Detail::Summary }
}

fn show(view: &mut MapView, args: &MapArgs, common: Common) -> anyhow::Result<()> {
    if let Some(path) = &args.save {
        return save(view, path, args);
    }
    choose(view, args);
    let out = io::stdout();
    if args.json {
        return Ok(screen::print_json(view::json::MAP_SCHEMA, view, out.lock())?);
    }
    if args.csv {
        return Ok(view::text::csv(view, BufWriter::new(out.lock()))?);
    }
    let style = Style::of(&out, common.color);
    Ok(screen::print(&lines(view, args, style), style, out.lock())?)
}

/// Leaves and sorts what is asked for.
pub(super) fn choose(view: &mut MapView, args: &MapArgs) {
    view.select(&args.filter);
    if let Some(range) = args.range {
        view.mappings.retain(|mapping| range.overlaps(mapping.range));
    }
    view.sort(args.sort.unwrap_or(Order::Address));
}

fn save(view: &MapView, path: &Path, args: &MapArgs) -> anyhow::Result<()> {
    let shown = || path.display().to_string();
    let mut options = OpenOptions::new();
    options.write(true);
    let options = if args.force { options.create(true).truncate(true) } else { options.create_new(true) };
    let file = options.open(path).with_context(|| format!("{} (--force writes over it)", shown()))?;
    screen::print_json(view::json::MAP_SCHEMA, view, BufWriter::new(file)).with_context(shown)
}

/// Several processes: their lists one after the other, or one summary.
fn show_several(read: &mut several::Read, args: &MapArgs, common: Common) -> anyhow::Result<()> {
    if detail(args) == Detail::Mappings && !args.json && args.save.is_none() {
        for view in &mut read.views {
            show(view, args, common)?;
        }
        return Ok(());
    }
    let mut together = MapView::together(&read.views, read.once.as_ref()).context("no process")?;
    show(&mut together, args, common)
}

pub(super) fn lines(view: &MapView, args: &MapArgs, style: Style) -> Vec<Line> {
    if args.is_extended() {
        view::text::pmap(view, pmap_options(args))
    } else if args.device {
        view::text::pmap_devices(view, pmap_options(args))
    } else if detail(args) == Detail::Mappings {
        view::text::mappings(view, style.list)
    } else {
        view::text::map(view, style.canvas)
    }
}

fn pmap_options(args: &MapArgs) -> PmapOptions {
    PmapOptions {
        paths: if args.show_path { Paths::Full } else { Paths::Short },
        frame: if args.quiet { Frame::Bare } else { Frame::Framed },
        within: args.range,
    }
}

/// The fields of smaps as the kernel has them: of a process, or of a saved text.
fn fields(target: &str, args: &MapArgs, common: Common) -> anyhow::Result<ExitCode> {
    let (text, title) = match target::process(target)? {
        Some(pid) => {
            let comm = std::fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
            let title = format!("{pid}:   {}", words::printable(comm.trim_ascii_end()));
            (snapshot::read_live_smaps(pid).map_err(target::with_status)?, title)
        }
        None => (target::text(Path::new(target))?, words::printable(target.as_bytes())),
    };
    let which = if args.fields > 1 { Fields::All } else { Fields::Main };
    let lines = view::text::pmap_fields(&text, &title, which, pmap_options(args))
        .with_context(|| format!("{target}: not the text of smaps"))?;
    let out = io::stdout();
    screen::print(&lines, Style::of(&out, common.color), out.lock())?;
    Ok(ExitCode::SUCCESS)
}

fn draw_pages(found: Found, range: AddrRange, common: Common) -> anyhow::Result<ExitCode> {
    let runs = match (found.facts.pid, found.snapshot.moment) {
        (Some(pid), Moment::Now) => {
            let mapped = || found.snapshot.mappings.iter().filter_map(|m| m.range.intersection(range));
            let size = mapped().map(AddrRange::len).sum();
            if size > PAGES_BYTES_MAX {
                anyhow::bail!("{} are mapped in that range: give a smaller one", words::bytes(size));
            }
            snapshot::read_live_pages(Pid(pid), mapped())?
        }
        _ => found.snapshot.pages.clone().context("the target does not tell which pages are there")?,
    };
    let out = io::stdout();
    let style = Style::of(&out, common.color);
    let cells = style.canvas.columns.saturating_sub(20) * 40;
    let view = PagesView::new(&found.snapshot, &runs, range, cells);
    screen::print(&view::text::pages(&view, style.canvas), style, out.lock())?;
    Ok(ExitCode::SUCCESS)
}
