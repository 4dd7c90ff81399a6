//! A core file as a target.

use std::path::Path;

use anyhow::Context;
use elf::{CoreMaker, ElfError};
use snapshot::{Core, CoreError};
use view::{MapFacts, words};

use super::found::Found;

/// Reads a core file.
pub(super) fn read(target: &str, path: &Path) -> anyhow::Result<Found> {
    let shown = || path.display().to_string();
    let core = snapshot::read_core(path).map_err(|error| match error {
        CoreError::Elf(ElfError::NotCore) => {
            anyhow::anyhow!("an ELF file, but not a core file: `vmatlas elf` shows what it becomes in memory")
        }
        error => error.into(),
    });
    let core = core.with_context(shown)?;
    if core.snapshot.mappings.is_empty() {
        anyhow::bail!("{}: a core file that lists no memory", shown());
    }
    let process = core.process.as_ref();
    let facts = MapFacts {
        target: words::printable(target.as_bytes()),
        pid: process.map(|process| process.pid.0),
        program: process.map(|process| words::printable(&process.name)).unwrap_or_default(),
        core: sentences(&core),
        ..MapFacts::default()
    };
    Ok(Found {
        snapshot: core.snapshot,
        contents: Some(Box::new(core.memory)),
        core_threads: core.threads,
        facts,
        recorded: None,
    })
}

/// What a core tells of its end and what it leaves out.
fn sentences(core: &Core) -> Vec<String> {
    let mut sentences = Vec::new();
    if core.maker == CoreMaker::Gdb {
        sentences.push("written by gdb, perhaps of a process that lived on".to_owned());
    } else if let Some(signal) = core.signal {
        let thread =
            core.threads.first().map(|thread| format!(" in thread {}", thread.tid)).unwrap_or_default();
        let at = signal.addr.map(|addr| format!(", accessing {addr}")).unwrap_or_default();
        sentences.push(format!("ended by {}{thread}{at}", words::signal(signal.number)));
    }
    if core.bytes_cut_off > 0 {
        let missing = words::bytes(core.bytes_cut_off);
        sentences.push(format!(
            "the core is cut off: {missing} are missing at its end (a full disk, or ulimit -c)"
        ));
    }
    let size: u64 = core.snapshot.mappings.iter().map(|mapping| mapping.range.len()).sum();
    let held: u64 = core.snapshot.held.iter().flatten().map(|range| range.len()).sum();
    let leaves_out = match core.maker {
        CoreMaker::Kernel => {
            "pages never written, and what /proc/PID/coredump_filter excludes: contents of files by default"
        }
        CoreMaker::Gdb => {
            "files whose contents are unchanged, and vvar; it may hold zeros for pages never written"
        }
    };
    sentences.push(format!(
        "the core holds {} of {}; it leaves out {leaves_out}. It does not tell RSS, PSS or dirty, nor whether a file \
         was mapped shared.",
        words::bytes(held),
        words::bytes(size)
    ));
    sentences
}
