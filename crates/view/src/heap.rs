//! What the allocator holds: arenas and their chunks.

use crate::saved;
use crate::words::Word;
use serde::{Deserialize, Serialize};
use snapshot::{Arena, ArenaRole, Count, Malloc, Verdict};

/// What glibc's allocator holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HeapView {
    /// The arenas, the main one first.
    pub arenas: Vec<ArenaRow>,
    /// Blocks so large that each has a mapping of its own.
    pub blocks: Pieces,
}

/// An arena. Sizes are bytes, chunk headers included.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ArenaRow {
    /// Where its state lies, in hex.
    pub state: String,
    /// Whether it is the one that grows by `brk`.
    pub is_main: bool,
    /// Threads that use it.
    pub threads: u64,
    /// What it has from the kernel.
    pub size: u64,
    /// Its chunks, where they were walked.
    pub chunks: Option<ChunkRow>,
    /// Where the walk could not go on, in hex, if it did not reach the end.
    pub unfinished: Option<String>,
}

/// The chunks of an arena.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ChunkRow {
    /// In use by the program.
    pub in_use: Pieces,
    /// Free, but for the top.
    pub free: Pieces,
    /// The part of `free` by the list it is in.
    pub free_by_bin: FreeByBin,
    /// The rest at the top.
    pub top: u64,
    /// The largest free chunk but the top.
    pub largest_free: u64,
    /// What is resident of the arena's memory.
    pub resident: u64,
    /// What is resident of whole pages that are free.
    pub returnable: u64,
    /// `live`, `retained` (much is free, and whole pages of it) or `fragmented` (in pieces).
    #[serde(deserialize_with = "saved::verdict")]
    pub verdict: Word,
}

/// The free chunks by the list they are in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FreeByBin {
    /// Kept by threads for themselves.
    pub tcache: Pieces,
    /// In fast bins.
    pub fast: Pieces,
    /// Not yet sorted.
    pub unsorted: Pieces,
    /// In bins of one size.
    pub small: Pieces,
    /// In bins of several sizes.
    pub large: Pieces,
}

/// A number of pieces and their bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Pieces {
    /// How many.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl HeapView {
    /// Puts what was read into words.
    pub(crate) fn new(malloc: &Malloc) -> Self {
        let bytes = malloc.blocks.iter().map(|block| block.len()).sum();
        Self {
            arenas: malloc.arenas.iter().map(arena).collect(),
            blocks: Pieces { count: malloc.blocks.len() as u64, bytes },
        }
    }
}

fn arena(arena: &Arena) -> ArenaRow {
    let pieces = |count: Count| Pieces { count: count.chunks, bytes: count.bytes };
    let chunks = arena.sums.as_ref().map(|sums| ChunkRow {
        in_use: pieces(sums.in_use),
        free: pieces(sums.free()),
        free_by_bin: FreeByBin {
            tcache: pieces(sums.cached),
            fast: pieces(sums.fast),
            unsorted: pieces(sums.unsorted),
            small: pieces(sums.small),
            large: pieces(sums.large),
        },
        top: sums.top,
        largest_free: sums.largest_free,
        resident: sums.resident,
        returnable: sums.returnable,
        verdict: match sums.verdict() {
            Verdict::Live => "live",
            Verdict::Retained => "retained",
            Verdict::Fragmented => "fragmented",
        },
    });
    ArenaRow {
        state: arena.state.to_string(),
        is_main: arena.role == ArenaRole::Main,
        threads: arena.threads,
        size: arena.system_bytes,
        chunks,
        unfinished: arena.unfinished.map(|at| at.to_string()),
    }
}
