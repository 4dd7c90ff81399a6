//! Finding the arenas. An empty bin points to itself, and the main arena has over a hundred of them in a row in
//! the data of the C library: nothing else looks so. All arenas are in one ring.

use abi::{AddrRange, VirtAddr};

use super::{Arena, ArenaRole};
use crate::classify::variables;
use crate::memory::Memory;
use crate::value::Snapshot;

/// From the first bin to the word after the map of bins: the ring's pointer.
const BINS_TO_NEXT: u64 = 254 * 8 + 16;
/// From the state's first byte to its first bin: without fast bins (glibc 2.43 on), up to 2.26, since 2.27.
const STATE_TO_BINS: [u64; 3] = [112, 104, 24];
/// Bins: pairs of words.
const BINS: u64 = 127;
/// Size and alignment of the memory of further arenas (`HEAP_MAX_SIZE`), without and with huge pages.
const HEAP_BYTES: [u64; 2] = [64 << 20, 4 << 20];
/// More arenas than any limit allows.
const ARENAS_MAX: usize = 1 << 16;
/// How much data of an object is searched.
const DATA_BYTES_MAX: u64 = 16 << 20;

/// How much is read at once.
const WINDOW_BYTES: usize = 64 << 10;

/// Where the fields of an arena's state lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// From the state's first byte to its first bin.
    pub(super) bins: u64,
    /// Size and alignment of further arenas' memory.
    pub(super) heap_bytes: u64,
}

impl Layout {
    /// The address of the pointer to the top chunk.
    pub(super) const fn top(self, state: VirtAddr) -> VirtAddr {
        VirtAddr(state.0.wrapping_add(self.bins - 16))
    }

    const fn next(self, state: VirtAddr) -> VirtAddr {
        VirtAddr(state.0.wrapping_add(self.bins + BINS_TO_NEXT))
    }

    /// The state's size.
    pub(super) const fn bytes(self) -> u64 {
        self.bins + BINS_TO_NEXT + 40
    }

    /// The addresses of the fast bins, none where the version has none.
    pub(super) fn fast_bins(self, state: VirtAddr) -> impl Iterator<Item = VirtAddr> {
        let count = if self.bins > 100 { 10 } else { 0 };
        (0..count).map(move |place| VirtAddr(state.0.wrapping_add(self.bins - 96 + place * 8)))
    }

    /// The address of the unsorted bin: the first.
    pub(super) const fn unsorted(self, state: VirtAddr) -> VirtAddr {
        VirtAddr(state.0.wrapping_add(self.bins))
    }
}

/// The arenas, not yet walked.
pub(super) struct Found {
    pub(super) layout: Layout,
    pub(super) arenas: Vec<Arena>,
}

/// Finds all arenas; `None` if there is none in use.
pub(super) fn arenas(snapshot: &Snapshot, memory: &dyn Memory) -> Option<Found> {
    let ranges = variables(snapshot);
    ranges.iter().find_map(|range| search(snapshot, memory, *range))
}

fn search(snapshot: &Snapshot, memory: &dyn Memory, range: AddrRange) -> Option<Found> {
    let mut at = range.start;
    let end = VirtAddr(range.end.0.min(range.start.0.saturating_add(DATA_BYTES_MAX)));
    let mut window = vec![0; WINDOW_BYTES];
    while at < end {
        let wanted = (end.0 - at.0).min(WINDOW_BYTES as u64) as usize;
        let got = memory.read(at, &mut window[..wanted]);
        if let Some(found) = search_bytes(snapshot, memory, at, &window[..got]) {
            return Some(found);
        }
        // Where a page is absent the reading goes on behind it.
        let next = at.checked_add(got as u64)?;
        at = if got == wanted { next } else { next.page_down().checked_add(abi::PAGE_SIZE)? };
    }
    None
}

fn search_bytes(snapshot: &Snapshot, memory: &dyn Memory, start: VirtAddr, bytes: &[u8]) -> Option<Found> {
    let skip = (start.0.next_multiple_of(8) - start.0) as usize;
    let words: Vec<u64> = bytes
        .get(skip..)?
        .chunks_exact(8)
        .filter_map(|word| Some(u64::from_le_bytes(*word.first_chunk()?)))
        .collect();
    let address = |place: usize| start.0 + skip as u64 + place as u64 * 8;
    let is_empty_bin = |place: usize| {
        words
            .get(place..place + 2)
            .is_some_and(|pair| pair.iter().all(|word| *word == address(place).wrapping_sub(16)))
    };
    let mut place = 0;
    while place < words.len() {
        if !is_empty_bin(place) {
            place += 1;
            continue;
        }
        let run = (place..words.len()).step_by(2).take_while(|place| is_empty_bin(*place)).count();
        // Any of the bins may be the first empty one.
        let found = (0..BINS).find_map(|before| {
            let bins = VirtAddr(address(place).checked_sub(before * 16)?);
            STATE_TO_BINS
                .iter()
                .find_map(|state| ring(snapshot, memory, VirtAddr(bins.0.checked_sub(*state)?), *state))
        });
        if found.is_some() {
            return found;
        }
        place += run * 2;
    }
    None
}

/// Follows the ring of arenas from the main one; `None` if it does not come back.
fn ring(snapshot: &Snapshot, memory: &dyn Memory, main: VirtAddr, bins: u64) -> Option<Found> {
    HEAP_BYTES.iter().find_map(|heap_bytes| {
        let layout = Layout { bins, heap_bytes: *heap_bytes };
        let mut arenas = vec![main_arena(snapshot, memory, layout, main)?];
        let mut state = VirtAddr(memory.word(layout.next(main))?);
        while state != main {
            if arenas.len() > ARENAS_MAX {
                return None;
            }
            arenas.push(thread_arena(memory, layout, state)?);
            state = VirtAddr(memory.word(layout.next(state))?);
        }
        Some(Found { layout, arenas })
    })
}

fn main_arena(snapshot: &Snapshot, memory: &dyn Memory, layout: Layout, state: VirtAddr) -> Option<Arena> {
    let top = VirtAddr(memory.word(layout.top(state))?);
    let mut heaps = Vec::new();
    // Before its first use the top is the unsorted bin.
    if top.0 != layout.unsorted(state).0 - 16 {
        let size = memory.word(top.checked_add(8)?)? & !7;
        let end = top.checked_add(size)?;
        let heap = snapshot.heap.filter(|heap| heap.contains(top));
        let start = heap.map_or_else(
            || VirtAddr(end.0.saturating_sub(system_bytes(memory, layout, state).unwrap_or(0))),
            |heap| heap.start,
        );
        if start > top || !top.0.is_multiple_of(16) {
            return None;
        }
        heaps.push(AddrRange::new(start, end));
    }
    arena(memory, layout, state, ArenaRole::Main, heaps)
}

/// The memory of a further arena: one or more ranges, each with a header, from the one that holds the top back
/// to the first.
fn thread_arena(memory: &dyn Memory, layout: Layout, state: VirtAddr) -> Option<Arena> {
    let base_of = |addr: VirtAddr| VirtAddr(addr.0 & !(layout.heap_bytes - 1));
    let mut base = base_of(VirtAddr(memory.word(layout.top(state))?));
    let mut heaps = Vec::new();
    while base != VirtAddr::NULL {
        let size = memory.word(base.checked_add(16)?)?;
        if memory.word(base)? != state.0 || size > layout.heap_bytes || heaps.len() > ARENAS_MAX {
            return None;
        }
        heaps.push(AddrRange::from_len(base, size)?);
        base = VirtAddr(memory.word(base.checked_add(8)?)?);
    }
    heaps.sort();
    arena(memory, layout, state, ArenaRole::Thread, heaps)
}

fn arena(
    memory: &dyn Memory,
    layout: Layout,
    state: VirtAddr,
    role: ArenaRole,
    heaps: Vec<AddrRange>,
) -> Option<Arena> {
    Some(Arena {
        state,
        role,
        heaps,
        threads: memory.word(layout.next(state).checked_add(16)?)?,
        system_bytes: system_bytes(memory, layout, state)?,
        sums: None,
        unfinished: None,
    })
}

fn system_bytes(memory: &dyn Memory, layout: Layout, state: VirtAddr) -> Option<u64> {
    memory.word(layout.next(state).checked_add(24)?)
}
