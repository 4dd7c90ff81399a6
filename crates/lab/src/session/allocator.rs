//! The twin's allocator: the first fit, with memory by `brk` and, for large blocks, by `mmap`.
//!
//! It makes the same kinds of calls as a C library's. On the twin alone it gives the blocks out; beside a real child it
//! only says what it would have done. Its books are kept outside of the memory that it gives out.

use abi::PAGE_SIZE;

/// Blocks from this size on get a mapping of their own, as glibc's do at first.
const OWN_MAPPING_FROM: u64 = 128 << 10;
/// By how much the heap grows at least.
const GROW_BY: u64 = 132 << 10;
/// Free memory at the end beyond which the heap shrinks,
const TRIM_FROM: u64 = 256 << 10;
/// and what is kept of it then.
const KEPT_FREE: u64 = 128 << 10;
/// What a block has beside what was asked for.
pub(super) const HEADER: u64 = 16;
const BLOCKS_MAX: usize = 10_000;

/// Whether a chunk is given out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Use {
    Free,
    Taken,
}

/// A block, or free memory between two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Chunk {
    start: u64,
    len: u64,
    used: Use,
}

impl Chunk {
    fn end(&self) -> u64 {
        self.start + self.len
    }
}

/// How a block is to be had.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Have {
    /// It was free: its address.
    Free(u64),
    /// The break must move from one address to another first.
    Grow(u64, u64),
    /// A mapping of its own, of so many bytes.
    Map(u64),
}

/// What becomes of a block that is given back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Back {
    /// It is kept.
    Kept,
    /// It is kept, and the break may move down to this address.
    Trim(u64),
    /// Its mapping goes: the first address, the length.
    Unmap(u64, u64),
}

/// The books.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Allocator {
    /// The chunks, by address.
    chunks: Vec<Chunk>,
    /// Blocks with a mapping of their own: the address given out, the length of the mapping.
    mapped: Vec<(u64, u64)>,
}

/// The bytes of a block with its header.
pub(super) fn with_header(asked: u64) -> u64 {
    (asked.max(1) + HEADER).next_multiple_of(16)
}

impl Allocator {
    /// Tells whether there are so many blocks that no more are given out.
    pub(super) fn is_full(&self) -> bool {
        self.chunks.len() + self.mapped.len() > BLOCKS_MAX
    }

    /// Says how a block is to be had; what is free is taken at once.
    pub(super) fn have(&mut self, len: u64, heap_end: u64) -> Have {
        if let Some(start) = self.take(len) {
            return Have::Free(start);
        }
        if len >= OWN_MAPPING_FROM {
            return Have::Map(len.next_multiple_of(PAGE_SIZE));
        }
        Have::Grow(heap_end, (heap_end + len.max(GROW_BY)).next_multiple_of(PAGE_SIZE))
    }

    /// Takes the first free chunk that is large enough, divided where it is larger.
    pub(super) fn take(&mut self, len: u64) -> Option<u64> {
        let fits = |chunk: &Chunk| chunk.used == Use::Free && chunk.len >= len;
        let at = self.chunks.iter().position(fits)?;
        let Chunk { start, len: whole, .. } = self.chunks[at];
        self.chunks[at] = Chunk { start, len, used: Use::Taken };
        if whole > len {
            self.chunks.insert(at + 1, Chunk { start: start + len, len: whole - len, used: Use::Free });
        }
        Some(start)
    }

    /// Adds free memory at the end.
    pub(super) fn grown(&mut self, from: u64, to: u64) {
        match self.chunks.last_mut() {
            Some(last) if last.used == Use::Free && last.end() == from => last.len = to - last.start,
            _ => self.chunks.push(Chunk { start: from, len: to - from, used: Use::Free }),
        }
    }

    /// The heap ends here now.
    pub(super) fn trimmed(&mut self, end: u64) {
        if let Some(last) = self.chunks.last_mut() {
            last.len = end - last.start;
        }
    }

    /// Takes a mapping in; returns the address that is given out.
    pub(super) fn mapped(&mut self, start: u64, len: u64) -> u64 {
        self.mapped.push((start + HEADER, len));
        start
    }

    /// Gives a block back and joins it with free neighbours; `None` where there is none at the address.
    pub(super) fn give(&mut self, given: u64, heap_end: u64) -> Option<Back> {
        if let Some(found) = self.mapped.iter().position(|(start, _)| *start == given) {
            let (start, len) = self.mapped.swap_remove(found);
            return Some(Back::Unmap(start - HEADER, len));
        }
        let start = given.checked_sub(HEADER)?;
        let taken = |chunk: &Chunk| chunk.start == start && chunk.used == Use::Taken;
        let at = self.chunks.iter().position(taken)?;
        self.chunks[at].used = Use::Free;
        self.join(at);
        if let Some(before) = at.checked_sub(1) {
            self.join(before);
        }
        Some(self.could_end(heap_end).map_or(Back::Kept, Back::Trim))
    }

    /// Makes one of a free chunk and the next one, if that is free too and touches it.
    fn join(&mut self, at: usize) {
        if let Some([one, two]) = self.chunks.get(at..at + 2)
            && (one.used, two.used) == (Use::Free, Use::Free)
            && one.end() == two.start
        {
            self.chunks[at].len += two.len;
            self.chunks.remove(at + 1);
        }
    }

    /// Where the heap could end, if much is free there.
    fn could_end(&self, heap_end: u64) -> Option<u64> {
        let last = self.chunks.last().filter(|last| last.used == Use::Free && last.len > TRIM_FROM)?;
        let end = (last.start + KEPT_FREE).next_multiple_of(PAGE_SIZE);
        (end < heap_end && last.end() == heap_end).then_some(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_fit_is_taken_and_neighbours_are_joined() {
        let mut books = Allocator::default();
        books.grown(0, 0x1000);
        assert_eq!([books.take(64), books.take(32), books.take(64)], [Some(0), Some(64), Some(96)]);
        assert_eq!(books.give(64 + HEADER, 0x1000), Some(Back::Kept));
        assert_eq!(books.give(64 + HEADER, 0x1000), None, "freed twice");
        assert_eq!(books.take(48), Some(160), "too small a hole is left");
        assert_eq!(books.give(HEADER, 0x1000), Some(Back::Kept));
        assert_eq!(books.take(96), Some(0), "two free neighbours are one");
    }

    #[test]
    fn much_free_memory_at_the_end_is_given_back() {
        let mut books = Allocator::default();
        books.grown(0, 0x80000);
        assert_eq!(books.take(0x70000), Some(0));
        assert_eq!(books.give(HEADER, 0x80000), Some(Back::Trim(0x20000)));
        let own = books.mapped(0x100000, 0x40000);
        assert_eq!(books.give(own + HEADER, 0x20000), Some(Back::Unmap(0x100000, 0x40000)));
    }
}
