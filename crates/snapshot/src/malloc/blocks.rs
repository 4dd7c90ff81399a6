//! Blocks so large that malloc gives each a mapping of its own.

use abi::{AddrRange, PAGE_SIZE, Prot, VirtAddr};

use crate::memory::Memory;
use crate::value::Snapshot;

/// The flags of such a block: it has a mapping of its own, and no other flag.
const OWN_MAPPING: u64 = 2;

/// glibc's own threshold; a process with a lower one (`M_MMAP_THRESHOLD`) has blocks that are not found.
const BLOCK_BYTES_MIN: u64 = 128 << 10;

/// Finds the blocks by the header at their first byte. The kernel joins neighbours to one mapping: they are
/// followed from its start.
pub(super) fn blocks(snapshot: &Snapshot, memory: &dyn Memory) -> Vec<AddrRange> {
    let may_hold = |mapping: &&crate::Mapping| {
        mapping.is_private_anonymous()
            && mapping.prot == Prot::RW
            && mapping.name.is_empty()
            && mapping.range.len() >= BLOCK_BYTES_MIN
    };
    let mut blocks = Vec::new();
    for mapping in snapshot.mappings.iter().filter(may_hold) {
        let mut at = mapping.range.start;
        while at < mapping.range.end
            && let Some(block) = block(memory, at, mapping.range.end)
        {
            blocks.push(block);
            at = block.end;
        }
    }
    blocks
}

fn block(memory: &dyn Memory, at: VirtAddr, end: VirtAddr) -> Option<AddrRange> {
    let (before, size) = (memory.word(at)?, memory.word(at.checked_add(8)?)?);
    let range = AddrRange::from_len(at, size & !7)?;
    let is_block = before == 0
        && size & 7 == OWN_MAPPING
        && range.len().is_multiple_of(PAGE_SIZE)
        && !range.is_empty()
        && range.end <= end;
    is_block.then_some(range)
}
