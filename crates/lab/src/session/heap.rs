//! A small allocator of the first fit, whose memory comes by `brk` and, for large blocks, by `mmap`.
//!
//! It stands in for a C library's: it makes the same kinds of calls, so that what they do to the map can be seen.
//! Its books are kept outside of the memory that it gives out.

use abi::{Call, Errno, Fd, MapFlags, PAGE_SIZE, Prot, VirtAddr};

use super::{Session, Shown, Trouble, Value};
use crate::backend::{Action, Answer};
use crate::syntax::{Expr, Fault, Name};

/// Blocks from this size on get a mapping of their own, as glibc's do at first.
const OWN_MAPPING_FROM: u64 = 128 << 10;
/// By how much the heap grows at least.
const GROW_BY: u64 = 132 << 10;
/// Free memory at the end beyond which the heap shrinks,
const TRIM_FROM: u64 = 256 << 10;
/// and what is kept of it then.
const KEPT_FREE: u64 = 128 << 10;
/// What a block has beside what was asked for.
const HEADER: u64 = 16;
/// The largest block that is asked for.
const BLOCK_BYTES_MAX: u64 = 1 << 50;
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

/// What a process knows of its heap.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Heap {
    /// Where the heap begins.
    pub(super) start: VirtAddr,
    /// Where it ends: the last answer of `brk`.
    pub(super) end: VirtAddr,
    /// The chunks, by address.
    chunks: Vec<Chunk>,
    /// Blocks with a mapping of their own: the address given out, the length of the mapping.
    mapped: Vec<(u64, u64)>,
}

impl Heap {
    /// A heap in which nothing was given out.
    pub(super) fn new(start: VirtAddr, end: VirtAddr) -> Self {
        Self { start, end, ..Self::default() }
    }

    /// Takes the first free chunk that is large enough, divided where it is larger.
    fn take(&mut self, len: u64) -> Option<u64> {
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
    fn grown(&mut self, from: u64, to: u64) {
        match self.chunks.last_mut() {
            Some(last) if last.used == Use::Free && last.end() == from => last.len = to - last.start,
            _ => self.chunks.push(Chunk { start: from, len: to - from, used: Use::Free }),
        }
    }

    /// Gives a block back and joins it with free neighbours; `None` where there is none at the address.
    fn give(&mut self, start: u64) -> Option<()> {
        let taken = |chunk: &Chunk| chunk.start == start && chunk.used == Use::Taken;
        let at = self.chunks.iter().position(taken)?;
        self.chunks[at].used = Use::Free;
        self.join(at);
        if let Some(before) = at.checked_sub(1) {
            self.join(before);
        }
        Some(())
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
    fn trimmed(&self) -> Option<u64> {
        let last = self.chunks.last().filter(|last| last.used == Use::Free && last.len > TRIM_FROM)?;
        let end = (last.start + KEPT_FREE).next_multiple_of(PAGE_SIZE);
        (end < self.end.0 && last.end() == self.end.0).then_some(end)
    }
}

impl Session {
    fn heap(&mut self) -> &mut Heap {
        let memory = self.thread().memory;
        &mut self.process_mut(memory).heap
    }

    /// Allocates.
    pub(super) fn malloc(
        &mut self,
        bytes: &Expr,
        bind: Option<&Name>,
        shown: &mut Vec<Shown>,
    ) -> Result<(), Trouble> {
        let asked = self.at_most(bytes, BLOCK_BYTES_MAX, "for one block")?;
        let heap = self.heap();
        if heap.chunks.len() + heap.mapped.len() > BLOCKS_MAX {
            return Err(Fault::new(bytes.span(), "there are too many blocks").into());
        }
        let len = (asked.max(1) + HEADER).next_multiple_of(16);
        let block = match self.heap().take(len) {
            Some(start) => Some(start),
            None if len >= OWN_MAPPING_FROM => self.map_block(len, shown)?,
            None => self.grow_heap(len, shown)?,
        };
        let answer = block.map(|start| start + HEADER).ok_or(Errno::ENOMEM);
        if let Ok(addr) = answer {
            self.bind(bind, Value::Address(VirtAddr(addr)))?;
        }
        self.answered(format!("malloc({asked})"), Answer::Value(answer), shown)
    }

    fn map_block(&mut self, len: u64, shown: &mut Vec<Shown>) -> Result<Option<u64>, Trouble> {
        let len = len.next_multiple_of(PAGE_SIZE);
        let flags = MapFlags::PRIVATE | MapFlags::ANONYMOUS;
        let (addr, fd) = (VirtAddr::NULL, Fd(-1));
        let did = self.act(&Action::Call(Call::Mmap { addr, len, prot: Prot::RW, flags, fd, offset: 0 }))?;
        let answer = did.answer().clone();
        self.show(did, shown)?;
        let Answer::Value(Ok(start)) = answer else { return Ok(None) };
        self.heap().mapped.push((start + HEADER, len));
        Ok(Some(start))
    }

    fn grow_heap(&mut self, len: u64, shown: &mut Vec<Shown>) -> Result<Option<u64>, Trouble> {
        let end = self.heap().end.0;
        let wanted = (end + len.max(GROW_BY)).next_multiple_of(PAGE_SIZE);
        let did = self.act(&Action::Call(Call::Brk { addr: VirtAddr(wanted) }))?;
        let moved = *did.answer() == Answer::Value(Ok(wanted));
        self.show(did, shown)?;
        if !moved {
            return Ok(None);
        }
        self.heap().grown(end, wanted);
        Ok(self.heap().take(len))
    }

    /// Gives a block back.
    pub(super) fn free(&mut self, addr: &Expr, shown: &mut Vec<Shown>) -> Result<(), Trouble> {
        let at = self.address(addr)?;
        let heap = self.heap();
        if let Some(found) = heap.mapped.iter().position(|(start, _)| *start == at.0) {
            let (start, len) = heap.mapped.swap_remove(found);
            let call = Call::Munmap { addr: VirtAddr(start - HEADER), len };
            let did = self.act(&Action::Call(call))?;
            self.show(did, shown)?;
        } else if heap.give(at.0.wrapping_sub(HEADER)).is_none() {
            return Err(Fault::new(addr.span(), "malloc gave no such block, or it was freed before").into());
        } else if let Some(end) = heap.trimmed() {
            let did = self.act(&Action::Call(Call::Brk { addr: VirtAddr(end) }))?;
            if *did.answer() == Answer::Value(Ok(end))
                && let Some(last) = self.heap().chunks.last_mut()
            {
                last.len = end - last.start;
            }
            self.show(did, shown)?;
        }
        self.answered(format!("free({at})"), Answer::Done, shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_fit_is_taken_and_neighbours_are_joined() {
        let mut heap = Heap { end: VirtAddr(0x1000), ..Heap::default() };
        heap.grown(0, 0x1000);
        assert_eq!([heap.take(64), heap.take(32), heap.take(64)], [Some(0), Some(64), Some(96)]);
        assert_eq!(heap.give(64), Some(()));
        assert_eq!(heap.give(64), None, "freed twice");
        assert_eq!(heap.take(48), Some(160), "too small a hole is left");
        assert_eq!(heap.give(0), Some(()));
        assert_eq!(heap.take(96), Some(0), "two free neighbours are one");
    }
}
