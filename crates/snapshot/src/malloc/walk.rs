//! Adding up the chunks of an arena.

use abi::{AddrRange, VirtAddr};

use super::chunks::{self, Chunk, ChunkState, Free};
use super::find::Layout;
use super::{Arena, ChunkSums};
use crate::memory::Memory;

/// How often a walk is begun anew where it meets what can't be: a process that goes on changes its lists.
const TRIES: usize = 3;

/// Walks an arena and adds it up.
pub(super) fn walk(memory: &dyn Memory, layout: &Layout, arena: &mut Arena) {
    for _ in 0..TRIES {
        let (sums, unfinished) = once(memory, *layout, arena);
        arena.sums = Some(sums);
        arena.unfinished = unfinished;
        if unfinished.is_none() {
            return;
        }
    }
}

fn once(memory: &dyn Memory, layout: Layout, arena: &Arena) -> (ChunkSums, Option<VirtAddr>) {
    let mut sums = ChunkSums::default();
    let free = Free::of(memory, layout, arena);
    let unfinished = chunks::each(memory, layout, arena, &free, |chunk| add(memory, &mut sums, chunk));
    for heap in &arena.heaps {
        sums.resident += memory.resident(*heap).unwrap_or(0);
    }
    (sums, unfinished)
}

fn add(memory: &dyn Memory, sums: &mut ChunkSums, chunk: Chunk) -> chunks::Go {
    let bytes = chunk.range.len();
    let count = match chunk.state {
        ChunkState::InUse => &mut sums.in_use,
        ChunkState::Cached => &mut sums.cached,
        ChunkState::Fast => &mut sums.fast,
        ChunkState::Unsorted => &mut sums.unsorted,
        ChunkState::Small => &mut sums.small,
        ChunkState::Large => &mut sums.large,
        ChunkState::Top => {
            sums.top += bytes;
            sums.returnable += whole_pages(memory, chunk.range);
            return chunks::Go::On;
        }
    };
    count.push(bytes);
    if chunk.state != ChunkState::InUse {
        sums.largest_free = sums.largest_free.max(bytes);
        sums.returnable += whole_pages(memory, chunk.range);
    }
    chunks::Go::On
}

/// Resident bytes of the pages that lie wholly inside a free chunk, its header and links left out.
fn whole_pages(memory: &dyn Memory, range: AddrRange) -> u64 {
    let start = VirtAddr(range.start.0 + 48).page_up_wrapping();
    let end = range.end.page_down();
    if start < end { memory.resident(AddrRange::new(start, end)).unwrap_or(0) } else { 0 }
}
