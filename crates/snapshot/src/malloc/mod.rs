//! glibc's allocator: its arenas found by their structure, their chunks walked.
//!
//! Nothing here needs symbols. The process is not stopped: where it goes on meanwhile a walk may end early,
//! which is said ([`Arena::unfinished`]).
//!
//! ```text
//!   arena (malloc_state):  mutex flags … fastbins  top last  bins[254]  binmap  next next_free threads bytes
//!   chunk:                 |prev_size|size PMA|memory …|     P: the chunk before is in use
//! ```

mod blocks;
mod chunks;
mod find;
mod lists;
mod reader;
mod walk;

use abi::{AddrRange, VirtAddr};

pub use chunks::{Chunk, ChunkState, chunk_at};

use crate::memory::Memory;
use crate::value::Snapshot;

/// What glibc's allocator holds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Malloc {
    /// The arenas, the main one first.
    pub arenas: Vec<Arena>,
    /// Blocks so large that each has a mapping of its own, ascending.
    pub blocks: Vec<AddrRange>,
}

/// An arena.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Arena {
    /// Where its state lies.
    pub state: VirtAddr,
    /// Whether it is the main one, which grows by `brk`.
    pub role: ArenaRole,
    /// The memory it divides, ascending.
    pub heaps: Vec<AddrRange>,
    /// Threads that use it; `None` for the main arena's own count on old versions.
    pub threads: u64,
    /// How many bytes it has from the kernel, by its own count.
    pub system_bytes: u64,
    /// Its chunks; `None` if they were not walked.
    pub sums: Option<ChunkSums>,
    /// Where the walk could not go on, if it did not reach the end.
    pub unfinished: Option<VirtAddr>,
}

/// Which arena it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ArenaRole {
    /// The one that grows by `brk`.
    Main,
    /// One of its own mappings, for further threads.
    Thread,
}

/// Chunks and their bytes, headers included.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Count {
    /// How many.
    pub chunks: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// The chunks of an arena added up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ChunkSums {
    /// In use by the program.
    pub in_use: Count,
    /// Free, kept by a thread for itself.
    pub cached: Count,
    /// Free, in a fast bin.
    pub fast: Count,
    /// Free, not yet sorted into a bin.
    pub unsorted: Count,
    /// Free, in a bin of one size (below 1 KiB).
    pub small: Count,
    /// Free, in a bin of several sizes.
    pub large: Count,
    /// The rest at the top, never handed out or given back.
    pub top: u64,
    /// The largest free chunk but the top, in bytes.
    pub largest_free: u64,
    /// Resident bytes of the arena's memory.
    pub resident: u64,
    /// Resident bytes of whole pages in free chunks and the top: what the allocator could give back.
    pub returnable: u64,
}

/// What glibc keeps in any case rather than give it back (`M_TRIM_THRESHOLD`): free memory up to here says nothing.
const KEPT_BYTES: u64 = 128 << 10;

/// What an arena's memory comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Most of what is resident is in use.
    Live,
    /// Much is free, and whole pages of it could be given back.
    Retained,
    /// Much is free, but in pieces between what is in use.
    Fragmented,
}

impl Malloc {
    /// The largest memory that is walked unless asked for: reading it takes well below a second.
    pub const BYTES_MAX: u64 = 1 << 30;

    /// Finds the arenas and walks them, together at most `bytes_max` of them; `None` if there is no glibc
    /// allocator, or none that was used.
    pub fn read(snapshot: &Snapshot, memory: &dyn Memory, bytes_max: u64) -> Option<Self> {
        let mut found = find::arenas(snapshot, memory)?;
        let mut left = bytes_max;
        for arena in &mut found.arenas {
            let bytes: u64 = arena.heaps.iter().map(|heap| heap.len()).sum();
            if bytes <= left {
                left -= bytes;
                walk::walk(memory, &found.layout, arena);
            }
        }
        Some(Self { arenas: found.arenas, blocks: blocks::blocks(snapshot, memory) })
    }
}

impl ChunkSums {
    /// All that is free but the top.
    pub const fn free(&self) -> Count {
        let Self { in_use: _, cached, fast, unsorted, small, large, .. } = self;
        Count {
            chunks: cached.chunks + fast.chunks + unsorted.chunks + small.chunks + large.chunks,
            bytes: cached.bytes + fast.bytes + unsorted.bytes + small.bytes + large.bytes,
        }
    }

    /// What it comes to: live if at least three quarters of what is resident are in use, or all but 128 KiB; else retained if at
    /// least half of the rest is whole pages that are free, else fragmented.
    pub const fn verdict(&self) -> Verdict {
        let rest = self.resident.saturating_sub(self.in_use.bytes);
        if rest <= self.resident / 4 || rest <= KEPT_BYTES {
            Verdict::Live
        } else if self.returnable >= rest / 2 {
            Verdict::Retained
        } else {
            Verdict::Fragmented
        }
    }
}

impl Count {
    const fn push(&mut self, bytes: u64) {
        self.chunks += 1;
        self.bytes += bytes;
    }
}

#[cfg(test)]
mod tests;
