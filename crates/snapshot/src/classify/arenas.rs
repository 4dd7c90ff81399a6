//! Arenas of glibc's allocator: as it tells itself, else by their shape.

use super::Verdict;
use super::claim::Claim;
use crate::kind::Kind;
use crate::malloc::ArenaRole;
use crate::rule::Rule;
use crate::value::{Mapping, Snapshot};
use abi::{AddrRange, Prot, VirtAddr};

/// `HEAP_MAX_SIZE` of glibc on 64-bit machines: size and alignment of an arena's heap.
const ARENA_BYTES: u64 = 64 << 20;

/// Claims what looks like arenas of glibc: it reserves 64 MiB at a multiple of 64 MiB and makes them usable
/// from the low end.
///
/// ```text
///   64 MiB boundary                           next boundary
///   |rw rw rw rw|-- -- -- -- -- -- -- -- -- --|
/// ```
pub(super) fn claim(snapshot: &Snapshot, claims: &mut Vec<Claim>) {
    claim_known(snapshot, claims);
    for pair in snapshot.mappings.windows(2) {
        let [used, rest] = pair else { continue };
        let Some(base) = arena_base(used, rest) else { continue };
        let used = AddrRange::new(base, used.range.end);
        claims.push(Claim { range: used, verdict: Verdict::new(Kind::Arena, Rule::GlibcArenaShape) });
        claims.push(Claim {
            range: rest.range,
            verdict: Verdict::new(Kind::Reservation, Rule::GlibcArenaRest),
        });
    }
}

/// Claims what was read of the allocator itself. The main arena is the heap, which has its own bounds.
fn claim_known(snapshot: &Snapshot, claims: &mut Vec<Claim>) {
    let Some(malloc) = &snapshot.malloc else { return };
    for arena in malloc.arenas.iter().filter(|arena| arena.role == ArenaRole::Thread) {
        let heaps = arena.heaps.iter();
        claims.extend(
            heaps.map(|range| Claim { range: *range, verdict: Verdict::new(Kind::Arena, Rule::GlibcArena) }),
        );
    }
    let blocks = malloc.blocks.iter();
    claims.extend(
        blocks
            .map(|range| Claim { range: *range, verdict: Verdict::new(Kind::LargeBlock, Rule::GlibcBlock) }),
    );
}

fn arena_base(used: &Mapping, rest: &Mapping) -> Option<VirtAddr> {
    let shape = rest.prot == Prot::NONE
        && used.prot == Prot::RW
        && used.is_private_anonymous()
        && rest.is_private_anonymous()
        && used.name.is_empty()
        && rest.name.is_empty()
        && used.range.end == rest.range.start
        && rest.range.end.0.is_multiple_of(ARENA_BYTES)
        && rest.range.len() < ARENA_BYTES;
    let base = VirtAddr(rest.range.end.0.checked_sub(ARENA_BYTES)?);
    (shape && used.range.contains(base)).then_some(base)
}
