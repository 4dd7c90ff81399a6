//! The C library of the child: its allocator, the calls that this makes, and what it writes beside the blocks.

use abi::{AddrRange, Call, Errno, PAGE_SIZE, VirtAddr};
use live::{Library, Step};

use super::{Answer, Kernel, MemoryNo, PageState, Run, ThreadNo, runs_of_kernel};
use crate::error::LabError;

/// What is asked of the allocator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Allocation {
    /// `malloc` of so many bytes.
    Malloc(u64),
    /// `free`.
    Free(VirtAddr),
}

/// What the allocator did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Allocated {
    /// What it returned.
    pub(crate) answer: Answer,
    /// The memory calls that it made, with what the kernel answered.
    pub(crate) calls: Vec<(Call, Result<u64, Errno>)>,
}

/// So many bytes are copied at a time.
const COPY_BYTES: u64 = 64 * PAGE_SIZE;
/// So many bytes are looked through at a time.
const SCAN_BYTES: u64 = 4 << 20;

/// The C library that this program itself runs with, else the usual one.
pub(crate) fn library() -> Option<Library> {
    let usual = || Some(b"/lib64/ld-linux-x86-64.so.2".to_vec());
    let ours = std::fs::read("/proc/self/exe").ok();
    let ours = ours.and_then(|bytes| elf::read(&bytes).ok()?.interpreter);
    let interpreter = ours.or_else(usual)?;
    std::fs::metadata(std::path::Path::new(std::str::from_utf8(&interpreter).ok()?)).ok()?;
    let is_musl = interpreter.windows(7).any(|part| part == b"ld-musl");
    Some(Library { interpreter, name: if is_musl { "libc.so" } else { "libc.so.6" } })
}

impl Kernel {
    /// Says why no function of a C library can be called.
    pub(crate) fn has_no_library(&self) -> Option<&'static str> {
        (!self.live.has_library())
            .then_some("this child has no C library: there is none that could be loaded")
    }

    /// Lets the allocator do something.
    pub(crate) fn allocate(&mut self, thread: ThreadNo, wanted: Allocation) -> Result<Allocated, LabError> {
        let process = self.process(thread);
        self.live.recycle(process);
        let step = match wanted {
            Allocation::Malloc(bytes) => Step::Malloc(bytes),
            Allocation::Free(addr) => Step::Free(addr),
        };
        let answer = match (self.live.act(process, step)?, wanted) {
            (live::Answer::Fault(fault), _) => Answer::Signal(fault),
            (live::Answer::LoadedWord(0), Allocation::Malloc(_)) => Answer::Value(Err(Errno::ENOMEM)),
            (live::Answer::LoadedWord(addr), Allocation::Malloc(_)) => Answer::Value(Ok(addr)),
            _ => Answer::Done,
        };
        let calls = self.live.library_calls(process)?;
        let memory = |call: live::LibraryCall| Some((Call::decode_x86_64(call.nr, call.args)?, call.result));
        Ok(Allocated { answer, calls: calls.into_iter().filter_map(memory).collect() })
    }

    /// Reads the pages of a range that the process has written to.
    pub(crate) fn written(
        &mut self,
        thread: ThreadNo,
        range: AddrRange,
        mut see: impl FnMut(VirtAddr, &[u8]),
    ) -> Result<(), LabError> {
        let mut at = range.start.0;
        while at < range.end.0 {
            let part = AddrRange::new(VirtAddr(at), VirtAddr((at + SCAN_BYTES).min(range.end.0)));
            let mut from = at;
            for Run { state, pages } in runs_of_kernel(part, &self.pages(thread, part)?) {
                let end = from + pages * PAGE_SIZE;
                while state == PageState::Private && from < end {
                    let to = (from + COPY_BYTES).min(end);
                    let bytes = self.copy(thread, AddrRange::new(VirtAddr(from), VirtAddr(to)))?;
                    let pages = bytes.chunks_exact(PAGE_SIZE as usize).enumerate();
                    pages.for_each(|(no, page)| see(VirtAddr(from + no as u64 * PAGE_SIZE), page));
                    from = to;
                }
                from = end;
            }
            at = part.end.0;
        }
        Ok(())
    }

    fn copy(&mut self, thread: ThreadNo, range: AddrRange) -> Result<Vec<u8>, LabError> {
        let process = self.process(thread);
        self.live.recycle(process);
        let ticket = self.live.push(process, Step::Copy(range))?;
        self.live.run(process)?;
        let mut bytes = Vec::new();
        self.live.bytes(ticket, &mut bytes)?;
        Ok(bytes)
    }

    /// The first thread of a memory.
    pub(crate) fn leader(&self, memory: MemoryNo) -> ThreadNo {
        self.leaders.get(memory.0).copied().unwrap_or(ThreadNo(0))
    }
}
