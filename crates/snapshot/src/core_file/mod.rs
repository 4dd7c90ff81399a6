//! A snapshot of a core file.
//!
//! A core holds less than `/proc`: no names of memory that has no file, no inodes, no sums, and often not the
//! contents of files. What is told from other evidence is marked as inferred by its rule.

mod data;
mod mappings;
mod objects;

use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;

use abi::{AddrRange, VirtAddr};
use elf::{CoreMaker, CoreProcess, CoreSegment, CoreSignal, CoreThread, ElfError};

use crate::file::{Pieces, read_fully};
use crate::memory::Memory;
use crate::value::{Snapshot, Thread};

/// A core file as it was read.
#[derive(Debug)]
pub struct Core {
    /// The memory of its process.
    pub snapshot: Snapshot,
    /// The process, where it is named.
    pub process: Option<CoreProcess>,
    /// The threads with their registers; the one that the signal ended comes first.
    pub threads: Vec<CoreThread>,
    /// The signal that ended the process.
    pub signal: Option<CoreSignal>,
    /// Who wrote it.
    pub maker: CoreMaker,
    /// How many bytes are missing at its end; 0 if it is whole.
    pub bytes_cut_off: u64,
    /// The contents.
    pub memory: CoreMemory,
}

/// The contents that a core file holds.
#[derive(Debug)]
pub struct CoreMemory {
    file: File,
    /// Ascending and disjoint.
    segments: Vec<CoreSegment>,
    /// Without its holes; ascending and disjoint.
    held: Vec<AddrRange>,
}

/// Why a core file could not be read.
#[derive(Debug)]
#[non_exhaustive]
pub enum CoreError {
    /// Reading failed.
    Io(io::Error),
    /// It is no core file, or a damaged one.
    Elf(ElfError),
}

impl fmt::Display for CoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Elf(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for CoreError {}

/// Reads a core file.
///
/// # Errors
/// If it can't be read, is no core file, or one of another machine.
pub fn read_core(path: &Path) -> Result<Core, CoreError> {
    let file = File::open(path).map_err(CoreError::Io)?;
    let length = file.metadata().map_err(CoreError::Io)?.len();
    let core = elf::read_core(&Pieces(&file)).map_err(CoreError::Elf)?;
    let held = data::held(&file, &core.segments, length);
    let memory = CoreMemory { file, segments: core.segments.clone(), held: held.clone() };
    let found = mappings::mappings(&core, &memory);
    let mut snapshot = Snapshot {
        mappings: found.mappings,
        objects: found.objects,
        held: Some(held),
        stack_start: mappings::stack_start(&core),
        threads: threads(&core),
        ..Snapshot::default()
    };
    snapshot.program = found.program;
    snapshot.heap = mappings::name_heap(&mut snapshot);
    Ok(Core {
        snapshot,
        process: core.process,
        threads: core.threads,
        signal: core.signal,
        maker: core.maker,
        bytes_cut_off: core.bytes_expected.saturating_sub(length),
        memory,
    })
}

/// The threads. Their names are not in a core, but for the main thread's, which is the process's.
fn threads(core: &elf::CoreFile) -> Vec<Thread> {
    let process = core.process.as_ref();
    let threads = core.threads.iter().map(|thread| Thread {
        tid: thread.tid,
        name: process
            .filter(|process| process.pid.0 == thread.tid.0)
            .map_or_else(|| [].into(), |process| process.name.as_slice().into()),
        stack_pointer: Some(thread.stack),
    });
    threads.collect()
}

impl Memory for CoreMemory {
    fn read(&self, at: VirtAddr, buffer: &mut [u8]) -> usize {
        let mut done = 0;
        while done < buffer.len() {
            let Some(at) = at.checked_add(done as u64) else { break };
            let place = self.segments.partition_point(|segment| segment.range.end <= at);
            let Some(segment) = self.segments.get(place).filter(|segment| segment.range.contains(at)) else {
                break;
            };
            let inside = at.0 - segment.range.start.0;
            let there = segment.bytes_held.saturating_sub(inside).min((buffer.len() - done) as u64) as usize;
            let offset = segment.offset.0.saturating_add(inside);
            let got = read_fully(&self.file, offset, &mut buffer[done..done + there]);
            done += got;
            if got == 0 || got < there {
                break;
            }
        }
        done
    }

    fn resident(&self, range: AddrRange) -> Option<u64> {
        Some(crate::value::bytes_within(&self.held, range))
    }
}

#[cfg(test)]
mod tests;
