//! Where memory comes from: bytes resident at a moment by the stack, line, thread, object or kind behind them.

use std::collections::HashMap;

use abi::{AddrRange, Tid};
use recording::StackId;
use serde::Serialize;
use snapshot::Snapshot;
use timeline::ledger::{How, Ledger, Toucher};
use timeline::{Origin, Process, Still};

use crate::chains::{Chains, FrameWords, own_frame};
use crate::words;

/// What rows stand for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The call chain.
    Stack,
    /// The line of the program's own code in that chain.
    Line,
    /// The thread.
    Thread,
    /// What is mapped: a file, or the name of anonymous memory.
    Object,
    /// The kind.
    Kind,
}

/// Whose stack, line or thread rows stand for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Whose {
    /// Of who touched a page first: what made it resident. Where nobody told, of who mapped it, and the row says so.
    Toucher,
    /// Of who mapped it.
    Mapper,
}

/// The memory of one process at a moment, by what is behind it.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct OriginsView {
    /// What rows stand for.
    pub by: By,
    /// Whose.
    pub whose: Whose,
    /// The process.
    pub pid: Option<i32>,
    /// The program it ran then, empty if that is not known.
    pub program: String,
    /// When, in nanoseconds since the recording began.
    pub time_ns: u64,
    /// All together.
    #[serde(flatten)]
    pub total: OriginBytes,
    /// Most resident bytes first.
    pub rows: Vec<OriginRow>,
    /// How complete the stacks are.
    pub stacks: Option<String>,
}

/// Bytes, each counted in its row and in the total.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct OriginBytes {
    /// Bytes mapped.
    pub size: u64,
    /// Of these, in memory.
    pub resident: u64,
    /// Of these, in anonymous pages: the process's own, written to. Which pages of shared files are dirty is not known.
    pub dirty: u64,
    /// Of these, in pages that a fork left in two memories and no write has parted yet.
    pub shared: u64,
    /// And in pages that a fork had left in two memories and that were written to here since: copied, or taken over where
    /// nobody else had them any longer.
    pub copied: u64,
    /// How many pieces.
    pub pieces: u64,
}

/// What one thing is behind.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct OriginRow {
    /// Its name.
    pub name: String,
    /// Its bytes.
    #[serde(flatten)]
    pub bytes: OriginBytes,
    /// The call chain, innermost first, where rows are stacks.
    pub frames: Vec<FrameWords>,
}

/// A piece of a map with everything that rows can stand for.
struct Piece<'a> {
    origin: &'a Origin,
    bytes: OriginBytes,
    /// Who touched it first, if it is in memory and that is known.
    toucher: Option<Toucher>,
    mapping: &'a snapshot::Mapping,
    kind: &'static str,
}

/// Stands before who mapped what somebody touched of whom nothing was told.
pub(crate) const UNSEEN: &str = "[touched unseen, mapped by]";

/// Who is behind a piece.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Behind {
    /// Who touched it.
    Toucher(Tid, Option<StackId>),
    /// Who mapped it.
    Mapper(Tid, Option<StackId>),
    /// Who mapped it; it is in memory, and nobody told who touched it.
    Unseen(Tid, Option<StackId>),
    /// Mapped before the program's start.
    Start,
    /// Nobody touched it.
    Untouched,
}

impl Behind {
    fn stack(self) -> Option<StackId> {
        match self {
            Self::Toucher(_, stack) | Self::Mapper(_, stack) | Self::Unseen(_, stack) => stack,
            Self::Start | Self::Untouched => None,
        }
    }

    fn of(piece: &Piece<'_>, whose: Whose) -> Self {
        let mapper = piece.origin.owner.map(|owner| (owner.tid, owner.stack));
        if whose == Whose::Toucher {
            match piece.toucher {
                None if piece.bytes.resident == 0 => return Self::Untouched,
                Some(Toucher { how: How::Fault | How::Call | How::Around | How::Huge, tid, stack }) => {
                    return Self::Toucher(tid, stack);
                }
                Some(_) | None => {}
            }
        }
        match (mapper, whose) {
            (Some((tid, stack)), Whose::Mapper) => Self::Mapper(tid, stack),
            (Some((tid, stack)), Whose::Toucher) => Self::Unseen(tid, stack),
            (None, _) => Self::Start,
        }
    }
}

/// What origins are told of.
pub struct OriginsOf<'a> {
    /// The memory.
    pub still: &'a Still,
    /// What is known of its pages; `None` where only the last checkpoint is.
    pub ledger: Option<&'a Ledger>,
    /// Its map.
    pub snapshot: &'a Snapshot,
    /// Which call mapped what.
    pub origins: &'a [Origin],
    /// All processes.
    pub processes: &'a [Process],
}

impl OriginsView {
    /// No memory at all.
    pub fn empty(by: By, whose: Whose) -> Self {
        let total = OriginBytes::default();
        Self {
            by,
            whose,
            pid: None,
            program: String::new(),
            time_ns: 0,
            total,
            rows: Vec::new(),
            stacks: None,
        }
    }

    /// Adds up the origins of a memory held still.
    pub fn new(by: By, whose: Whose, chains: &Chains<'_>, of: &OriginsOf<'_>) -> Self {
        let mut names: HashMap<(Option<u32>, bool), Vec<FrameWords>> = HashMap::new();
        let mut rows: HashMap<(String, Option<u32>), OriginRow> = HashMap::new();
        let mut total = OriginBytes::default();
        for piece in pieces(of) {
            let behind = Behind::of(&piece, whose);
            let stack = behind.stack().map(|stack| stack.0);
            let is_unseen = matches!(behind, Behind::Unseen(..));
            let frames = names.entry((stack, is_unseen)).or_insert_with(|| {
                let mut frames = chains.frames(behind.stack());
                if is_unseen && !frames.is_empty() {
                    // Whoever reads the chain alone sees it at its root.
                    frames.push(FrameWords { function: UNSEEN.into(), ..FrameWords::default() });
                }
                frames
            });
            let name = name(by, &piece, behind, frames);
            let is_stack = by == By::Stack;
            let key = (name.clone(), stack.filter(|_| is_stack));
            let row = rows.entry(key).or_insert_with(|| OriginRow {
                name,
                bytes: OriginBytes::default(),
                frames: if is_stack { frames.clone() } else { Vec::new() },
            });
            row.bytes.add(&piece.bytes);
            total.add(&piece.bytes);
        }
        let mut rows: Vec<OriginRow> = rows.into_values().collect();
        let key = |row: &OriginRow| std::cmp::Reverse((row.bytes.resident, row.bytes.size));
        rows.sort_by(|a, b| key(a).cmp(&key(b)).then_with(|| a.name.cmp(&b.name)));
        let process = of.still.process.and_then(|no| of.processes.get(no.0));
        let pid = process.map(|process| process.pid.0);
        let program = process.and_then(|process| process.programs.last());
        let program = program.map(|program| words::printable(&program.path)).unwrap_or_default();
        Self { by, whose, pid, program, time_ns: of.still.time.0, total, rows, stacks: chains.ends() }
    }
}

impl OriginBytes {
    pub(crate) fn add(&mut self, other: &Self) {
        let Self { size, resident, dirty, shared, copied, pieces } = other;
        self.size += size;
        self.resident += resident;
        self.dirty += dirty;
        self.shared += shared;
        self.copied += copied;
        self.pieces += pieces;
    }
}

fn name(by: By, piece: &Piece<'_>, behind: Behind, frames: &[FrameWords]) -> String {
    match by {
        By::Object => return mapping_name(piece),
        By::Kind => return piece.kind.to_owned(),
        By::Stack | By::Line | By::Thread => {}
    }
    let (is_unseen, tid) = match behind {
        Behind::Start => return format!("[at the program's start] {}", mapping_name(piece)),
        Behind::Untouched => return "[not in memory]".into(),
        Behind::Toucher(tid, _) | Behind::Mapper(tid, _) => (false, tid),
        Behind::Unseen(tid, _) => (true, tid),
    };
    let note = if is_unseen { format!("{UNSEEN} ") } else { String::new() };
    let frame = match by {
        By::Thread => return format!("{note}thread {tid}"),
        By::Line => own_frame(frames),
        _ => frames.first(),
    };
    let words = frame.map_or_else(|| "[stack not known]".into(), FrameWords::line_words);
    format!("{note}{words}")
}

fn mapping_name(piece: &Piece<'_>) -> String {
    match &*piece.mapping.name {
        b"" => "[anonymous]".into(),
        name => words::printable(name),
    }
}

/// Cuts origins at the borders of kinds, and of pages that others touched.
fn pieces<'a>(of: &OriginsOf<'a>) -> Vec<Piece<'a>> {
    let leaves = snapshot::classify(of.snapshot);
    let mut pieces = Vec::new();
    let mut first = 0;
    for origin in of.origins {
        while leaves.get(first).is_some_and(|leaf| leaf.range.end <= origin.range.start) {
            first += 1;
        }
        for leaf in leaves[first..].iter().take_while(|leaf| leaf.range.start < origin.range.end) {
            let Some(range) = leaf.range.intersection(origin.range) else { continue };
            let Some(mapping) = of.snapshot.mappings.get(leaf.mapping) else { continue };
            let piece = |bytes, toucher| Piece { origin, bytes, toucher, mapping, kind: leaf.kind.name() };
            match of.ledger {
                Some(ledger) => cut(ledger, range, |bytes, toucher| pieces.push(piece(bytes, toucher))),
                None => pieces.push(piece(as_read(of.still, range), None)),
            }
        }
    }
    pieces
}

/// Cuts a range by who touched its pages; what is not in memory is one piece.
fn cut(ledger: &Ledger, range: AddrRange, mut each: impl FnMut(OriginBytes, Option<Toucher>)) {
    let mut rest = range.len();
    for (part, stretch) in ledger.there(range) {
        // Kinds may divide a page.
        let bytes = part.intersection(range).map_or(0, AddrRange::len);
        rest -= bytes;
        let when = |holds: bool| if holds { bytes } else { 0 };
        let found = OriginBytes {
            size: bytes,
            resident: bytes,
            dirty: when(stretch.is_anonymous()),
            shared: when(stretch.is_shared_by_fork()),
            copied: when(stretch.copied.is_some()),
            pieces: 1,
        };
        each(found, ledger.who(stretch.by));
    }
    if rest > 0 {
        each(OriginBytes { size: rest, pieces: 1, ..OriginBytes::default() }, None);
    }
}

/// What the pages that were read last come to.
fn as_read(still: &Still, range: AddrRange) -> OriginBytes {
    let runs = still.page_runs();
    OriginBytes {
        size: range.len(),
        resident: timeline::resident(runs, range),
        dirty: timeline::anonymous(runs, range),
        pieces: 1,
        ..OriginBytes::default()
    }
}
