//! The lists of free chunks that look as if they were in use: the fast bins and what threads keep for
//! themselves. Since glibc 2.32 their pointers are mixed with their own address.

use std::collections::HashSet;

use abi::{AddrRange, VirtAddr};

use super::Arena;
use super::find::Layout;
use super::reader::Reader;

/// Sizes of the chunk that holds a thread's lists, and where in it the pointers begin and how many there are:
/// glibc 2.26 to 2.29, 2.30 to 2.41, 2.42 on.
const CACHES: [(u64, u64, u64); 3] = [(0x250, 64, 64), (0x290, 128, 64), (0x310, 152, 76)];
/// No list is longer than what a heap of this many bytes holds.
const LENGTH_MAX: usize = 64 << 20;

/// Free chunks by address, of one sort.
pub(super) type Chunks = HashSet<u64>;

/// The chunks in the fast bins.
pub(super) fn fast(reader: &mut Reader<'_>, layout: Layout, arena: &Arena) -> Chunks {
    let mut chunks = Chunks::new();
    for bin in layout.fast_bins(arena.state) {
        let first = reader.word(bin).map(VirtAddr);
        follow(reader, &arena.heaps, first, 16, &mut chunks);
    }
    chunks
}

/// The chunks in the unsorted bin.
pub(super) fn unsorted(reader: &mut Reader<'_>, layout: Layout, arena: &Arena) -> Chunks {
    let bin = layout.unsorted(arena.state);
    let mut chunks = Chunks::new();
    let mut next = reader.word(bin);
    while let Some(chunk) = next.filter(|chunk| *chunk != bin.0 - 16 && is_inside(&arena.heaps, *chunk)) {
        if !chunks.insert(chunk) || chunks.len() > LENGTH_MAX {
            break;
        }
        next = reader.word(VirtAddr(chunk + 16));
    }
    chunks
}

/// Takes in the lists of a thread if this chunk holds them.
pub(super) fn cached(
    reader: &mut Reader<'_>,
    heaps: &[AddrRange],
    chunk: VirtAddr,
    size: u64,
    chunks: &mut Chunks,
) {
    let Some((_, pointers, count)) = CACHES.into_iter().find(|(bytes, ..)| *bytes == size) else { return };
    let base = chunk.0 + 16 + pointers;
    let mut firsts = Vec::new();
    for place in 0..count {
        let Some(first) = reader.word(VirtAddr(base + place * 8)) else { return };
        if first == 0 {
            continue;
        }
        // Any other contents of that size: one of 64 words is no pointer into the heap.
        let Some(chunk) = first.checked_sub(16).filter(|chunk| is_inside(heaps, *chunk)) else { return };
        let wanted = 32 + place * 16;
        let size = reader.word(VirtAddr(chunk + 8)).map(|size| size & !7);
        if place < 64 && size != Some(wanted) {
            return;
        }
        firsts.push(first);
    }
    for first in firsts {
        let mut memories = Chunks::new();
        follow(reader, heaps, Some(VirtAddr(first)), 0, &mut memories);
        chunks.extend(memories.into_iter().map(|memory| memory - 16));
    }
}

/// Follows a list of one direction whose pointers lie `link` bytes into its members.
fn follow(
    reader: &mut Reader<'_>,
    heaps: &[AddrRange],
    first: Option<VirtAddr>,
    link: u64,
    found: &mut Chunks,
) {
    let mut next = first.filter(|first| is_inside(heaps, first.0));
    while let Some(member) = next {
        if !found.insert(member.0) || found.len() > LENGTH_MAX {
            break;
        }
        let place = VirtAddr(member.0 + link);
        let Some(word) = reader.word(place) else { break };
        let plain = Some(word ^ place.0 >> 12).filter(|word| is_inside(heaps, *word));
        next = plain.or(Some(word).filter(|word| is_inside(heaps, *word))).map(VirtAddr);
    }
}

fn is_inside(heaps: &[AddrRange], addr: u64) -> bool {
    addr.is_multiple_of(16) && heaps.iter().any(|heap| heap.contains(VirtAddr(addr)))
}
