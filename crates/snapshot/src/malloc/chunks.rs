//! The chunks of an arena, one after the other.

use abi::{AddrRange, VirtAddr};

use super::find::{self, Layout};
use super::lists::{self, Chunks};
use super::reader::Reader;
use super::{Arena, ArenaRole};
use crate::memory::Memory;
use crate::value::Snapshot;

/// Bits of a chunk's size: the chunk before is in use; the chunk has a mapping of its own; it is not of the
/// main arena.
const FLAGS: u64 = 7;
const PREVIOUS_IN_USE: u64 = 1;
/// The smallest chunk. Smaller ones only close a range.
const CHUNK_BYTES_MIN: u64 = 32;
/// Chunks below this are in bins of one size.
const SMALL_BYTES: u64 = 1024;

/// A chunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Chunk {
    /// From its header to the next chunk's; the program's memory begins 16 bytes into it, and goes on 8 bytes
    /// into the next.
    pub range: AddrRange,
    /// What it is.
    pub state: ChunkState,
}

/// What a chunk is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChunkState {
    /// In use by the program.
    InUse,
    /// Free, kept by a thread for itself.
    Cached,
    /// Free, in a fast bin.
    Fast,
    /// Free, not yet sorted into a bin.
    Unsorted,
    /// Free, in a bin of one size.
    Small,
    /// Free, in a bin of several sizes.
    Large,
    /// The rest at the top.
    Top,
}

/// Whether to go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Go {
    On,
    Stop,
}

/// The lists of an arena's free chunks.
pub(super) struct Free {
    fast: Chunks,
    unsorted: Chunks,
    cached: Chunks,
}

impl Free {
    pub(super) fn of(memory: &dyn Memory, layout: Layout, arena: &Arena) -> Self {
        let mut reader = Reader::new(memory);
        let fast = lists::fast(&mut reader, layout, arena);
        let unsorted = lists::unsorted(&mut reader, layout, arena);
        let mut free = Self { fast, unsorted, cached: Chunks::new() };
        // A thread's lists lie in a chunk that is in use: found by a first walk.
        let mut lists_reader = Reader::new(memory);
        let mut cached = Chunks::new();
        each(memory, layout, arena, &free, |chunk| {
            if chunk.state == ChunkState::InUse {
                let (start, size) = (chunk.range.start, chunk.range.len());
                lists::cached(&mut lists_reader, &arena.heaps, start, size, &mut cached);
            }
            Go::On
        });
        free.cached = cached;
        free
    }

    fn state(&self, chunk: AddrRange, next_says_in_use: bool) -> ChunkState {
        let at = chunk.start.0;
        if self.unsorted.contains(&at) {
            ChunkState::Unsorted
        } else if !next_says_in_use {
            if chunk.len() < SMALL_BYTES { ChunkState::Small } else { ChunkState::Large }
        } else if self.cached.contains(&at) {
            ChunkState::Cached
        } else if self.fast.contains(&at) {
            ChunkState::Fast
        } else {
            ChunkState::InUse
        }
    }
}

/// Calls `see` for each chunk of an arena, ascending. Returns where it could not go on, `None` if it reached
/// every end or was stopped.
pub(super) fn each(
    memory: &dyn Memory,
    layout: Layout,
    arena: &Arena,
    free: &Free,
    mut see: impl FnMut(Chunk) -> Go,
) -> Option<VirtAddr> {
    let mut reader = Reader::new(memory);
    let top = VirtAddr(memory.word(layout.top(arena.state))?);
    for heap in &arena.heaps {
        let mut at = first_chunk(layout, arena, *heap);
        while at < heap.end {
            let Some(chunk) = read(&mut reader, at, *heap) else { return Some(at) };
            if at == top {
                if see(Chunk { range: chunk, state: ChunkState::Top }) == Go::Stop {
                    return None;
                }
                break;
            }
            if chunk.len() < CHUNK_BYTES_MIN {
                // Two headers without memory close a range that is not the last.
                break;
            }
            let Some(next_size) = reader.word(VirtAddr(chunk.end.0 + 8)) else { return Some(chunk.end) };
            let state = free.state(chunk, next_size & PREVIOUS_IN_USE != 0);
            if see(Chunk { range: chunk, state }) == Go::Stop {
                return None;
            }
            at = chunk.end;
        }
    }
    None
}

/// The chunk whose header is at `at`, if it can be one.
fn read(reader: &mut Reader<'_>, at: VirtAddr, heap: AddrRange) -> Option<AddrRange> {
    let size = reader.word(VirtAddr(at.0.checked_add(8)?))? & !FLAGS;
    let range = AddrRange::from_len(at, size)?;
    (size.is_multiple_of(16) && range.end <= heap.end).then_some(range)
}

/// Where the first chunk of a range is: behind the header, and behind the arena's state if that is there.
fn first_chunk(layout: Layout, arena: &Arena, heap: AddrRange) -> VirtAddr {
    let header = arena.state.0.wrapping_sub(arena.state.0 & !(layout.heap_bytes - 1));
    let first = match arena.role {
        ArenaRole::Main => heap.start.0,
        ArenaRole::Thread if heap.contains(arena.state) => arena.state.0 + layout.bytes(),
        ArenaRole::Thread => heap.start.0 + header,
    };
    VirtAddr(first.next_multiple_of(16))
}

/// The chunk that an address lies in, of whatever arena.
pub fn chunk_at(snapshot: &Snapshot, memory: &dyn Memory, address: VirtAddr) -> Option<(Chunk, Arena)> {
    let found = find::arenas(snapshot, memory)?;
    let arena =
        found.arenas.into_iter().find(|arena| arena.heaps.iter().any(|heap| heap.contains(address)))?;
    let free = Free::of(memory, found.layout, &arena);
    let mut hit = None;
    each(memory, found.layout, &arena, &free, |chunk| {
        if chunk.range.contains(address) {
            hit = Some(chunk);
        }
        if chunk.range.end > address { Go::Stop } else { Go::On }
    });
    Some((hit?, arena))
}
