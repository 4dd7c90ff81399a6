//! From steps to what the puppet understands.

use abi::{AddrRange, Errno, FileOff, PAGE_SIZE, VirtAddr};
use sys::puppet::{Puppet, RawStep};

use crate::error::LiveError;
use crate::seat::{Shares, nr};
use crate::session::Live;
use crate::step::{Step, Text};
use crate::ticket::{Kind, Process};

/// `_IOWR('f', 16, struct pm_scan_arg)`.
const PAGEMAP_SCAN: u64 = 0xc060_6610;
/// The bytes of a `struct page_region`.
pub(crate) const REGION_BYTES: usize = 24;
/// File, present, swapped, the page of zeros, huge, guard.
const CATEGORIES: u64 = 0b1_0111_1100;
/// Present, swapped, guard.
const CATEGORIES_SHOWN: u64 = 0b1_0001_1000;

impl Live {
    pub(crate) fn encode(&mut self, process: Process, step: Step) -> Result<(RawStep, Kind), LiveError> {
        let call = |nr, args| (RawStep::Syscall { nr, args }, Kind::Call);
        Ok(match step {
            Step::Call(typed) => {
                let (nr, args) = typed.encode_x86_64();
                call(nr, args)
            }
            Step::Raw { nr, args } => call(nr, args),
            Step::Load(addr) => (RawStep::Load(addr), Kind::Load),
            Step::Store(addr, byte) => (RawStep::Store(addr, byte), Kind::Access),
            Step::LoadWord(addr) => (RawStep::LoadWord(addr), Kind::LoadWord),
            Step::StoreWord(addr, word) => (RawStep::StoreWord(addr, word), Kind::Access),
            Step::Fetch(addr) => (RawStep::Fetch(addr), Kind::Access),
            Step::Malloc(bytes) => self.library(0, bytes)?,
            Step::Free(addr) => self.library(1, addr.0)?,
            Step::Fork => {
                let child = self.seat_for_child(process.0, Shares::Nothing)?;
                (RawStep::Fork(child), Kind::Fork(child))
            }
            Step::Thread => {
                let child = self.seat_for_child(process.0, Shares::Memory)?;
                (RawStep::Thread(child), Kind::Thread(child))
            }
            Step::Read { text, bytes_max } => {
                self.open(process, text.path(), text.slot())?;
                let at = self.reserve(process.0, bytes_max)?;
                let buffer = Puppet::address(process.0, at);
                let raw = RawStep::Read { slot: text.slot(), buffer, bytes: bytes_max as u64, offset: 0 };
                (raw, Kind::Read { at, bytes_max })
            }
            Step::FileWrite { fd, offset, from, bytes } => {
                call(nr::PWRITE64, [fd.0 as u64, from.0, bytes, offset.0, 0, 0])
            }
            Step::FileTruncate { fd, bytes } => call(nr::FTRUNCATE, [fd.0 as u64, bytes, 0, 0, 0, 0]),
            Step::Unlink(path) => call(nr::UNLINK, [path.0, 0, 0, 0, 0, 0]),
            Step::Hash(_)
            | Step::Pagemap(_)
            | Step::Scan { .. }
            | Step::Mincore(_)
            | Step::Copy(_)
            | Step::FileRead { .. } => self.encode_look(process, step)?,
        })
    }

    /// A function of the C library.
    fn library(&self, number: usize, argument: u64) -> Result<(RawStep, Kind), LiveError> {
        let missing = LiveError::Child { what: "call a C library", errno: Errno::ENOSYS };
        let function = self.functions.ok_or(missing)?[number];
        Ok((RawStep::Library { function, argument }, Kind::Library))
    }

    /// Steps that answer with bytes.
    fn encode_look(&mut self, process: Process, step: Step) -> Result<(RawStep, Kind), LiveError> {
        Ok(match step {
            Step::Hash(range) => {
                let (at, into, pages) = self.words_of(process, range)?;
                let raw = RawStep::Hash { addr: range.start, pages, into };
                (raw, Kind::Hash { at, range })
            }
            Step::Pagemap(range) => {
                self.open(process, b"/proc/self/pagemap\0", Text::PAGEMAP_SLOT)?;
                let (at, buffer, pages) = self.words_of(process, range)?;
                let offset = range.start.0 / PAGE_SIZE * 8;
                let raw = RawStep::Read { slot: Text::PAGEMAP_SLOT, buffer, bytes: pages * 8, offset };
                (raw, Kind::Bytes { at })
            }
            Step::Scan { range, runs_max } => self.encode_scan(process, range, runs_max)?,
            Step::Mincore(range) => {
                let pages = range.pages();
                let at = self.reserve(process.0, pages as usize)?;
                let vector = Puppet::address(process.0, at);
                let args = [range.start.0, range.len(), vector.0, 0, 0, 0];
                (RawStep::Syscall { nr: nr::MINCORE, args }, Kind::Vector { at, bytes: pages as usize })
            }
            Step::Copy(range) => {
                let at = self.reserve(process.0, range.len() as usize)?;
                // Written to the arena's file, it is there for the driver to read.
                let args = [
                    Puppet::arena_fd(),
                    range.start.0,
                    range.len(),
                    Puppet::arena_offset(process.0, at),
                    0,
                    0,
                ];
                (RawStep::Syscall { nr: nr::PWRITE64, args }, Kind::Bytes { at })
            }
            Step::FileRead { fd, offset: FileOff(offset), bytes } => {
                let at = self.reserve(process.0, bytes)?;
                let args = [fd.0 as u64, Puppet::address(process.0, at).0, bytes as u64, offset, 0, 0];
                (RawStep::Syscall { nr: nr::PREAD64, args }, Kind::Bytes { at })
            }
            other => self.encode(process, other)?,
        })
    }

    fn encode_scan(
        &mut self,
        process: Process,
        range: AddrRange,
        runs_max: usize,
    ) -> Result<(RawStep, Kind), LiveError> {
        self.open(process, b"/proc/self/pagemap\0", Text::PAGEMAP_SLOT)?;
        // One more than may be: a vector that is full could be cut short.
        let runs = runs_max.saturating_add(1);
        let at = self.reserve(process.0, runs.saturating_mul(REGION_BYTES))?;
        let vector = Puppet::address(process.0, at);
        const ARG_BYTES: u64 = 96;
        let arg = [
            ARG_BYTES,
            0,
            range.start.0,
            range.end.0,
            0,
            vector.0,
            runs as u64,
            0,
            0,
            0,
            CATEGORIES_SHOWN,
            CATEGORIES,
        ];
        let arg = self.put_words(process, &arg)?;
        let args = [PAGEMAP_SCAN, arg.0, 0, 0, 0];
        let raw = RawStep::SlotSyscall { slot: Text::PAGEMAP_SLOT, nr: nr::IOCTL, args };
        Ok((raw, Kind::Scan { at, runs_max }))
    }

    /// Makes room for a word a page.
    fn words_of(&mut self, process: Process, range: AddrRange) -> Result<(usize, VirtAddr, u64), LiveError> {
        let pages = range.pages();
        let bytes = usize::try_from(pages).ok().and_then(|pages| pages.checked_mul(8));
        let at = self.reserve(process.0, bytes.ok_or(LiveError::Full("texts"))?)?;
        Ok((at, Puppet::address(process.0, at), pages))
    }

    fn open(&mut self, process: Process, path: &[u8], slot: usize) -> Result<(), LiveError> {
        if self.seat(process.0)?.opened[slot] {
            return Ok(());
        }
        let path = self.put(process, path)?;
        self.push_raw(process.0, RawStep::Open(path, slot))?;
        if let Some(seat) = &mut self.seats[process.0] {
            seat.opened[slot] = true;
        }
        Ok(())
    }
}
