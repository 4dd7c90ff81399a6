//! `malloc` and `free`: the child's C library, with the twin's allocator beside it; on the twin alone its allocator.

use abi::{AddrRange, Call, Errno, Fd, MapFlags, PAGE_SIZE, Prot, VirtAddr};
use mm::{Basis, Why};

use super::allocator::{Allocator, Back, HEADER, Have, with_header};
use super::{Did, Session, Shown, Trouble, Value};
use crate::backend::{Action, Allocated, Allocation, Answer, MemoryNo, Row, Said, changes};
use crate::error::LabError;
use crate::syntax::{Expr, Fault, Name, Span};

/// The largest block that is asked for.
const BLOCK_BYTES_MAX: u64 = 1 << 50;
/// Beside a real child the twin's allocator gives no memory out: its mappings are at no address.
const NOWHERE: u64 = 1 << 60;

/// What a process knows of its heap.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Heap {
    /// Where the heap begins.
    pub(super) start: VirtAddr,
    /// Where it ends: the last answer of `brk`.
    pub(super) end: VirtAddr,
    /// The twin's allocator.
    allocator: Allocator,
    /// Where its heap would end, beside a real child.
    would_end: u64,
    /// The blocks of the child's C library: the address, and where the twin's allocator has its own.
    beside: Vec<(u64, u64)>,
    /// What the child's C library mapped beside the heap.
    mapped: Vec<AddrRange>,
}

impl Heap {
    /// A heap in which nothing was given out.
    pub(super) fn new(start: VirtAddr, end: VirtAddr) -> Self {
        Self { start, end, ..Self::default() }
    }

    /// Notes what a call of the C library gave it or took away.
    fn note(&mut self, call: Call, result: Result<u64, Errno>) {
        match (call, result) {
            (Call::Brk { .. }, Ok(end)) => self.end = VirtAddr(end),
            (Call::Mmap { len, .. }, Ok(start)) => {
                self.mapped.extend(AddrRange::from_len(VirtAddr(start), len.next_multiple_of(PAGE_SIZE)));
            }
            (Call::Munmap { addr, .. }, Ok(_)) => self.mapped.retain(|range| range.start != addr),
            _ => {}
        }
    }

    /// What the twin's allocator would do for a block; it is done in its books.
    fn would_have(&mut self, given: Option<u64>, asked: u64) -> &'static str {
        let len = with_header(asked);
        if self.would_end == 0 {
            self.would_end = self.start.0;
        }
        let (at, words) = match self.allocator.have(len, self.would_end) {
            Have::Free(at) => (Some(at), "its allocator would give out free memory of the heap"),
            Have::Grow(from, to) => {
                self.would_end = to;
                self.allocator.grown(from, to);
                (self.allocator.take(len), "its allocator would move the break")
            }
            Have::Map(bytes) => (
                Some(self.allocator.mapped(NOWHERE + self.beside.len() as u64 * len, bytes)),
                "its allocator would map it",
            ),
        };
        if let (Some(given), Some(at)) = (given, at) {
            self.beside.push((given, at + HEADER));
        }
        words
    }

    /// What the twin's allocator would do with a block that is given back; it is done in its books.
    fn would_give(&mut self, given: u64) -> &'static str {
        let Some(found) = self.beside.iter().position(|(block, _)| *block == given) else {
            return "malloc gave no such block, or it was freed before";
        };
        let (_, at) = self.beside.swap_remove(found);
        match self.allocator.give(at, self.would_end) {
            Some(Back::Unmap(..)) => "its allocator would unmap it",
            Some(Back::Trim(end)) => {
                self.allocator.trimmed(end);
                self.would_end = end;
                "its allocator would move the break down"
            }
            _ => "its allocator would keep it for the next one who asks",
        }
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
        if self.heap().allocator.is_full() {
            return Err(Fault::new(bytes.span(), "there are too many blocks").into());
        }
        let what = format!("malloc({asked})");
        if self.kernel.is_some() {
            let answer = self.by_the_library(Allocation::Malloc(asked), bytes.span(), shown)?;
            let given = if let Answer::Value(Ok(given)) = answer { Some(given) } else { None };
            let words = self.heap().would_have(given, asked);
            if let Some(given) = given {
                self.bind(bind, Value::Address(VirtAddr(given)))?;
            }
            return self.library_did(what, answer, words, shown);
        }
        let len = with_header(asked);
        let end = self.heap().end.0;
        let block = match self.heap().allocator.have(len, end) {
            Have::Free(start) => Some(start),
            Have::Map(bytes) => self.map_block(bytes, shown)?,
            Have::Grow(from, to) => self.grow_heap(len, (from, to), shown)?,
        };
        let answer = block.map(|start| start + HEADER).ok_or(Errno::ENOMEM);
        if let Ok(addr) = answer {
            self.bind(bind, Value::Address(VirtAddr(addr)))?;
        }
        self.answered(what, Answer::Value(answer), shown)
    }

    fn map_block(&mut self, len: u64, shown: &mut Vec<Shown>) -> Result<Option<u64>, Trouble> {
        let flags = MapFlags::PRIVATE | MapFlags::ANONYMOUS;
        let (addr, fd) = (VirtAddr::NULL, Fd(-1));
        let did = self.act(&Action::Call(Call::Mmap { addr, len, prot: Prot::RW, flags, fd, offset: 0 }))?;
        let answer = did.answer().clone();
        self.show(did, shown)?;
        let Answer::Value(Ok(start)) = answer else { return Ok(None) };
        Ok(Some(self.heap().allocator.mapped(start, len)))
    }

    fn grow_heap(
        &mut self,
        len: u64,
        (from, to): (u64, u64),
        shown: &mut Vec<Shown>,
    ) -> Result<Option<u64>, Trouble> {
        let did = self.act(&Action::Call(Call::Brk { addr: VirtAddr(to) }))?;
        let moved = *did.answer() == Answer::Value(Ok(to));
        self.show(did, shown)?;
        if !moved {
            return Ok(None);
        }
        self.heap().allocator.grown(from, to);
        Ok(self.heap().allocator.take(len))
    }

    /// Gives a block back.
    pub(super) fn free(&mut self, addr: &Expr, shown: &mut Vec<Shown>) -> Result<(), Trouble> {
        let at = self.address(addr)?;
        let what = format!("free({at})");
        if self.kernel.is_some() {
            let answer = self.by_the_library(Allocation::Free(at), addr.span(), shown)?;
            let words = self.heap().would_give(at.0);
            return self.library_did(what, answer, words, shown);
        }
        let end = self.heap().end.0;
        match self.heap().allocator.give(at.0, end) {
            None => {
                let what = "malloc gave no such block, or it was freed before";
                return Err(Fault::new(addr.span(), what).into());
            }
            Some(Back::Kept) => {}
            Some(Back::Unmap(start, len)) => {
                let did = self.act(&Action::Call(Call::Munmap { addr: VirtAddr(start), len }))?;
                self.show(did, shown)?;
            }
            Some(Back::Trim(end)) => {
                let did = self.act(&Action::Call(Call::Brk { addr: VirtAddr(end) }))?;
                if *did.answer() == Answer::Value(Ok(end)) {
                    self.heap().allocator.trimmed(end);
                }
                self.show(did, shown)?;
            }
        }
        self.answered(what, Answer::Done, shown)
    }

    /// Lets the child's C library do it; the system calls that it makes are shown, and the twin follows each.
    fn by_the_library(
        &mut self,
        wanted: Allocation,
        at: Span,
        shown: &mut Vec<Shown>,
    ) -> Result<Answer, Trouble> {
        let (thread, memory) = (self.world.present, self.thread().memory);
        if !self.is_leader(thread) {
            let what = "the lab's threads are none of the C library's: its functions are called in processes";
            return Err(Fault::new(at, what).into());
        }
        let Some(kernel) = &mut self.kernel else { return Ok(Answer::Done) };
        if let Some(why) = kernel.has_no_library() {
            return Err(Fault::new(at, why).into());
        }
        let mut before = Some(match &self.twin {
            Some(twin) => twin.rows(memory),
            None => Row::of_text(&kernel.maps(memory)?)?,
        });
        let Allocated { answer, calls } = kernel.allocate(thread, wanted)?;
        let last = calls.len().saturating_sub(1);
        for (number, (call, result)) in calls.into_iter().enumerate() {
            self.process_mut(memory).heap.note(call, result);
            let kernel = Answer::Value(result);
            let descriptors = &self.world.processes[memory.0].descriptors;
            let action = Action::Call(call);
            let said = self.twin.as_mut().map(|twin| twin.act(memory, &action, descriptors, Some(&kernel)));
            // What each call changed is the twin's word until the last, when both maps are compared.
            let after = match &self.twin {
                Some(twin) => Some(twin.rows(memory)),
                None if number == last => Some(self.rows(memory)?),
                None => None,
            };
            let changed = match (&before, &after) {
                (Some(before), Some(after)) => changes(before, after),
                _ => Vec::new(),
            };
            before = after.or(before);
            let (twin, why, basis) = said.map_or((None, Why::default(), Basis::Predicted), |said| {
                (Some(said.answer), said.why, said.basis)
            });
            let differs =
                twin.as_ref().filter(|twin| !matches!(twin, Answer::Unknown(_)) && **twin != kernel);
            let differs = differs.map(|twin| format!("the kernel answered {kernel}, the twin {twin}"));
            let what = format!("{action}, made by the C library");
            self.show(
                Did { what, kernel: Some(kernel), twin, why, basis, changes: changed, differs },
                shown,
            )?;
        }
        self.books_of_the_library(memory)?;
        Ok(answer)
    }

    /// Takes over what the C library wrote beside the blocks: how it keeps its books is its own affair.
    fn books_of_the_library(&mut self, memory: MemoryNo) -> Result<(), LabError> {
        let heap = &self.process(memory).heap;
        let own = AddrRange { start: heap.start, end: heap.end.max(heap.start) };
        let ranges: Vec<AddrRange> = heap.mapped.iter().copied().chain([own]).collect();
        let (Some(kernel), Some(twin)) = (&mut self.kernel, &mut self.twin) else { return Ok(()) };
        let leader = kernel.leader(memory);
        for range in ranges {
            kernel.written(leader, range, |page, bytes| twin.take_over(memory, page, bytes))?;
        }
        Ok(())
    }

    /// Shows what the C library answered, after both maps were compared.
    fn library_did(
        &mut self,
        what: String,
        answer: Answer,
        beside: &'static str,
        shown: &mut Vec<Shown>,
    ) -> Result<(), Trouble> {
        let memory = self.thread().memory;
        let rows = self.rows(memory)?;
        let twin = self.twin.is_some().then(|| Said::plain(Answer::Unknown(beside)));
        let did = self.did(what, memory, &rows, Some(answer), twin)?;
        self.show(did, shown)
    }
}
