//! Where memory comes from: bytes resident at a moment by the stack, line, thread, object or kind behind them.

use std::collections::HashMap;

use abi::AddrRange;
use serde::Serialize;
use snapshot::Snapshot;
use timeline::{Origin, Process, Still};

use crate::chains::{Chains, FrameWords, own_frame};
use crate::words;

/// What rows stand for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The call chain that mapped the memory.
    Stack,
    /// The line of the program's own code in that chain.
    Line,
    /// The thread that mapped it.
    Thread,
    /// What is mapped: a file, or the name of anonymous memory.
    Object,
    /// The kind.
    Kind,
}

/// The memory of one process at a moment, by what is behind it.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct OriginsView {
    /// What rows stand for.
    pub by: By,
    /// The process.
    pub pid: Option<i32>,
    /// When, in nanoseconds since the recording began.
    pub time_ns: u64,
    /// All bytes mapped.
    pub size: u64,
    /// Those in memory, as of the last time that pages were read.
    pub resident: u64,
    /// Most resident bytes first.
    pub rows: Vec<OriginRow>,
    /// How complete the stacks are.
    pub stacks: Option<String>,
}

/// What one thing is behind.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct OriginRow {
    /// Its name.
    pub name: String,
    /// Bytes mapped.
    pub size: u64,
    /// Bytes in memory.
    pub resident: u64,
    /// How many pieces of the map.
    pub pieces: u64,
    /// The call chain, innermost first, where rows are stacks.
    pub frames: Vec<FrameWords>,
}

/// A piece of a map with everything that rows can stand for.
struct Piece<'a> {
    origin: &'a Origin,
    range: AddrRange,
    resident: u64,
    mapping: &'a snapshot::Mapping,
    kind: &'static str,
}

impl OriginsView {
    /// No memory at all.
    pub fn empty(by: By) -> Self {
        Self { by, pid: None, time_ns: 0, size: 0, resident: 0, rows: Vec::new(), stacks: None }
    }

    /// Adds up the origins of a memory held still.
    pub fn new(
        by: By,
        chains: &Chains<'_>,
        still: &Still,
        snapshot: &Snapshot,
        origins: &[Origin],
        processes: &[Process],
    ) -> Self {
        let mut names: HashMap<Option<u32>, Vec<FrameWords>> = HashMap::new();
        let mut rows: HashMap<String, OriginRow> = HashMap::new();
        let (mut size, mut resident) = (0, 0);
        for piece in pieces(still, snapshot, origins) {
            let stack = piece.origin.owner.and_then(|owner| owner.stack);
            let frames = names.entry(stack.map(|stack| stack.0)).or_insert_with(|| chains.frames(stack));
            let name = name(by, &piece, frames);
            let key = if by == By::Stack { format!("{:?}{name}", stack) } else { name.clone() };
            let row = rows.entry(key).or_insert_with(|| OriginRow {
                name,
                size: 0,
                resident: 0,
                pieces: 0,
                frames: if by == By::Stack { frames.clone() } else { Vec::new() },
            });
            row.size += piece.range.len();
            row.resident += piece.resident;
            row.pieces += 1;
            size += piece.range.len();
            resident += piece.resident;
        }
        let mut rows: Vec<OriginRow> = rows.into_values().collect();
        rows.sort_by(|a, b| (b.resident, b.size, &a.name).cmp(&(a.resident, a.size, &b.name)));
        let process = still.process.and_then(|no| processes.get(no.0));
        let pid = process.map(|process| process.pid.0);
        Self { by, pid, time_ns: still.time.0, size, resident, rows, stacks: chains.ends() }
    }
}

fn name(by: By, piece: &Piece<'_>, frames: &[FrameWords]) -> String {
    let from_start = || format!("[at the program's start] {}", mapping_name(piece));
    let Some(owner) = piece.origin.owner else {
        return match by {
            By::Object => mapping_name(piece),
            By::Kind => piece.kind.to_owned(),
            _ => from_start(),
        };
    };
    match by {
        By::Object => mapping_name(piece),
        By::Kind => piece.kind.to_owned(),
        By::Thread => format!("thread {}", owner.tid),
        By::Line => own_frame(frames).map_or_else(|| "[stack not known]".into(), FrameWords::line_words),
        By::Stack => frames.first().map_or_else(|| "[stack not known]".into(), FrameWords::line_words),
    }
}

fn mapping_name(piece: &Piece<'_>) -> String {
    match &*piece.mapping.name {
        b"" => "[anonymous]".into(),
        name => words::printable(name),
    }
}

/// Cuts origins at the borders of kinds.
fn pieces<'a>(still: &'a Still, snapshot: &'a Snapshot, origins: &'a [Origin]) -> Vec<Piece<'a>> {
    let leaves = snapshot::classify(snapshot);
    let runs = still.page_runs();
    let mut pieces = Vec::new();
    let mut first = 0;
    for origin in origins {
        while leaves.get(first).is_some_and(|leaf| leaf.range.end <= origin.range.start) {
            first += 1;
        }
        for leaf in leaves[first..].iter().take_while(|leaf| leaf.range.start < origin.range.end) {
            let Some(range) = leaf.range.intersection(origin.range) else { continue };
            let Some(mapping) = snapshot.mappings.get(leaf.mapping) else { continue };
            let resident = timeline::resident(runs, range);
            pieces.push(Piece { origin, range, resident, mapping, kind: leaf.kind.name() });
        }
    }
    pieces
}
