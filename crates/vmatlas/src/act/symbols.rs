//! `vmatlas map TARGET --symbols`: what is resident of an object, by section and symbol.

use std::process::ExitCode;

use abi::{AddrRange, Pid};
use snapshot::{Moment, PageRun, PageState};
use view::{ObjectNames, ObjectSymbols, SymbolsView, words};

use super::found::Found;
use super::place;
use super::target;
use crate::cli::{Common, MapArgs};
use crate::screen;

/// Shows the objects whose path holds `name`; for an empty name the program.
pub(super) fn act(target: &str, name: &str, args: &MapArgs, common: Common) -> anyhow::Result<ExitCode> {
    let found = target::read(target, args.within)?;
    let wanted = wanted(&found, name);
    if wanted.is_empty() {
        let known = found.snapshot.objects.iter().map(|object| words::printable(&object.path));
        let known: Vec<String> = known.collect();
        anyhow::ensure!(!known.is_empty(), "{target}: no executable or library of it is known");
        let name = words::printable(name.as_bytes());
        anyhow::bail!("{target}: no object whose path holds {name:?}; there are {}", known.join(" "));
    }
    let objects = wanted.into_iter().filter_map(|object| object_symbols(&found, object)).collect();
    let view = SymbolsView {
        target: found.facts.target,
        pid: found.facts.pid,
        program: found.facts.program,
        meaning: if found.snapshot.held.is_some() { "in the core" } else { "resident" },
        objects,
    };
    let schema = args.json.then_some(view::json::SYMBOLS_SCHEMA);
    screen::show(&view, schema, common.color, view::text::symbols)?;
    Ok(ExitCode::SUCCESS)
}

fn wanted(found: &Found, name: &str) -> Vec<usize> {
    let objects = &found.snapshot.objects;
    if name.is_empty() {
        let program = |file| objects.iter().position(|object| object.file == file);
        let first = (!objects.is_empty()).then_some(0);
        return found.snapshot.program.and_then(program).or(first).into_iter().collect();
    }
    let holds = |path: &[u8]| path.windows(name.len()).any(|part| part == name.as_bytes());
    (0..objects.len()).filter(|at| holds(&objects[*at].path)).collect()
}

fn object_symbols(found: &Found, object: usize) -> Option<ObjectSymbols> {
    let bias = snapshot::load_bias(&found.snapshot, object)?;
    let bytes = place::path_of(found, object).and_then(|path| place::read_whole(&path));
    let mut names = ObjectNames { has_file: bytes.is_some(), ..ObjectNames::default() };
    if let Some(image) = bytes.as_ref().and_then(|bytes| elf::read(bytes).ok()) {
        names.sections = image.sections;
    }
    if let Some((table, symbols)) = bytes.as_ref().and_then(|bytes| elf::symbols(bytes)) {
        let named = symbols.into_iter().map(|symbol| (place::symbol_name(&symbol.name), symbol.range));
        names.symbols = named.collect();
        names.table = Some(table);
    }
    let pages = pages(found, object, bias);
    Some(ObjectSymbols::new(&found.snapshot.objects[object], bias, &names, pages.as_deref()))
}

/// Which pages are there: of a process as it is now, of anything else as the snapshot has it.
fn pages(found: &Found, object: usize, bias: u64) -> Option<Vec<PageRun>> {
    let snapshot = &found.snapshot;
    if let Some(held) = &snapshot.held {
        let state = PageState { present: true, ..PageState::default() };
        return Some(held.iter().map(|range| PageRun { range: *range, state }).collect());
    }
    if let (Some(pid), Moment::Now) = (found.facts.pid, snapshot.moment) {
        let span = elf::span(&snapshot.objects[object].segments)?;
        let start = abi::VirtAddr(span.start.0.wrapping_add(bias));
        let span = AddrRange::from_len(start, span.len())?;
        let inside = snapshot.mappings.iter().filter_map(|mapping| mapping.range.intersection(span));
        return snapshot::read_live_pages(Pid(pid), inside).ok();
    }
    snapshot.pages.clone()
}
