//! What the kernel leaves in a ring, as plain values over its bytes.

use super::event::{REGISTERS, Settings};
use abi::{AddrRange, DevId, FileId, FileOff, Pid, Prot, Tid, VirtAddr};

const LOST: u32 = 2;
const COMM: u32 = 3;
const SAMPLE: u32 = 9;
const MMAP2: u32 = 10;
const CPU_MODE_MASK: u16 = 7;
const CPU_MODE_USER: u16 = 2;
const MISC_COMM_EXEC: u16 = 1 << 13;
const MAP_SHARED: u32 = 1;
/// Bytes that end each record that is no sample: thread, time, identifier.
const TRAILER_BYTES: usize = 24;
/// Entries of a chain from here on are marks, not addresses (`PERF_CONTEXT_MAX`).
const CONTEXT_MAX: u64 = -4095i64 as u64;

/// Who made a record, and when.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stamp {
    /// The process.
    pub pid: Pid,
    /// The thread.
    pub tid: Tid,
    /// Nanoseconds of `CLOCK_MONOTONIC`.
    pub monotonic_ns: u64,
    /// The event ([`super::Event::id`]).
    pub id: u64,
}

/// A record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Record<'a> {
    /// A page fault.
    Sample(Sample<'a>),
    /// A mapping was made, grown or re-protected.
    Mapping(Mapping<'a>),
    /// A thread was named.
    Name(Name<'a>),
    /// Records found no room before this one.
    Lost {
        /// When the first record after the loss was written.
        stamp: Stamp,
        /// How many.
        count: u64,
    },
}

/// A page fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sample<'a> {
    /// Who and when.
    pub stamp: Stamp,
    /// The instruction.
    pub ip: VirtAddr,
    /// The address.
    pub addr: VirtAddr,
    /// In which mode.
    pub mode: Mode,
    /// How memory was accessed, where a tracepoint told it.
    pub access: Option<Access>,
    /// Its registers and a piece of its stack; `None` where they were not asked for, and of 32-bit programs.
    pub user: Option<UserStack<'a>>,
    chain: &'a [u8],
}

/// What unwinding begins with: registers as the program has them, and its stack from rsp on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UserStack<'a> {
    /// The instruction.
    pub rip: VirtAddr,
    /// The stack pointer.
    pub rsp: VirtAddr,
    /// rbx.
    pub rbx: u64,
    /// rbp.
    pub rbp: u64,
    /// r10 to r15.
    pub r10_to_r15: [u64; 6],
    /// As much of the stack as was asked for and could be read.
    pub bytes: &'a [u8],
}

/// What the samples of a ring carry besides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Parts {
    pub(super) chain: bool,
    pub(super) stack: bool,
    pub(super) raw: bool,
}

impl Parts {
    pub(super) const fn of(settings: Settings) -> Self {
        Self {
            chain: settings.chain_frames_max > 0,
            stack: settings.stack_bytes > 0,
            raw: settings.tracepoint.is_some(),
        }
    }
}

impl<'a> Sample<'a> {
    /// The user call chain, innermost first.
    pub const fn chain(&self) -> ChainIter<'a> {
        ChainIter { words: self.chain }
    }
}

/// How memory was accessed (the processor's error code).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// It was read.
    Read,
    /// It was written.
    Write,
    /// An instruction was fetched.
    Exec,
}

/// The mode a fault was taken in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// The program's own.
    User,
    /// The kernel's.
    Kernel,
}

/// The addresses of a call chain.
#[derive(Clone, Debug)]
pub struct ChainIter<'a> {
    words: &'a [u8],
}

impl Iterator for ChainIter<'_> {
    type Item = VirtAddr;

    fn next(&mut self) -> Option<VirtAddr> {
        loop {
            let (word, rest) = self.words.split_first_chunk::<8>()?;
            self.words = rest;
            let addr = u64::from_ne_bytes(*word);
            if addr < CONTEXT_MAX {
                return Some(VirtAddr(addr));
            }
        }
    }
}

/// The kernel's word on a mapping (`PERF_RECORD_MMAP2`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mapping<'a> {
    /// Who and when.
    pub stamp: Stamp,
    /// The whole mapping, after any merge.
    pub range: AddrRange,
    /// Its protection.
    pub prot: Prot,
    /// Whether it is shared.
    pub shared: bool,
    /// Offset into the file, in bytes.
    pub offset: FileOff,
    /// The file, zeros for none.
    pub file: FileId,
    /// The kernel's name for it.
    pub name: &'a [u8],
}

/// A thread's name (`PERF_RECORD_COMM`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Name<'a> {
    /// Who and when.
    pub stamp: Stamp,
    /// The name.
    pub name: &'a [u8],
    /// By what.
    pub by: NamedBy,
}

/// What named a thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NamedBy {
    /// An exec: from here on the process has another memory (`fs/exec.c: begin_new_exec`).
    Exec,
    /// The program.
    Program,
}

/// A reader of the words of a record; past its end it gives `None`.
struct Words<'a>(&'a [u8]);

impl<'a> Words<'a> {
    fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (part, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(part)
    }

    fn u64(&mut self) -> Option<u64> {
        let (word, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_ne_bytes(*word))
    }

    fn u32(&mut self) -> Option<u32> {
        let (word, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_ne_bytes(*word))
    }

    fn id(&mut self) -> Option<i32> {
        self.u32().map(u32::cast_signed)
    }
}

/// Reads one record's body. `None` for a record of another kind, or one that is too short.
pub(super) fn read<'a>(kind: u32, misc: u16, body: &'a [u8], parts: &[(u64, Parts)]) -> Option<Record<'a>> {
    match kind {
        SAMPLE => sample(misc, body, parts).map(Record::Sample),
        MMAP2 => mapping(body).map(Record::Mapping),
        COMM => name(misc, body).map(Record::Name),
        LOST => {
            let mut words = Words(body);
            let (_, count) = (words.u64()?, words.u64()?);
            Some(Record::Lost { stamp: trailer(body)?, count })
        }
        _ => None,
    }
}

fn sample<'a>(misc: u16, body: &'a [u8], parts: &[(u64, Parts)]) -> Option<Sample<'a>> {
    let mut words = Words(body);
    let id = words.u64()?;
    let (_, parts) = *parts.iter().find(|(of, _)| *of == id)?;
    let mut ip = VirtAddr(words.u64()?);
    let (pid, tid) = (Pid(words.id()?), Tid(words.id()?));
    let monotonic_ns = words.u64()?;
    let mut addr = VirtAddr(words.u64()?);
    let chain = if parts.chain {
        let bytes = usize::try_from(words.u64()?).ok()?.checked_mul(8)?;
        words.take(bytes)?
    } else {
        &[]
    };
    let mut access = None;
    let mut mode = if misc & CPU_MODE_MASK == CPU_MODE_USER { Mode::User } else { Mode::Kernel };
    if parts.raw {
        let bytes = usize::try_from(words.u32()?).ok()?;
        let how;
        (addr, ip, how, mode) = traced(words.take(bytes)?)?;
        access = Some(how);
    }
    let user = if parts.stack { user_stack(&mut words)? } else { None };
    Some(Sample { stamp: Stamp { pid, tid, monotonic_ns, id }, ip, addr, mode, access, user, chain })
}

/// What `exceptions:page_fault_user` and `page_fault_kernel` tell: address, instruction, error code, behind the eight
/// bytes that all tracepoints begin with. The sample's own instruction and mode are the kernel's.
fn traced(raw: &[u8]) -> Option<(VirtAddr, VirtAddr, Access, Mode)> {
    const WRITE: u64 = 1 << 1;
    const USER: u64 = 1 << 2;
    const FETCH: u64 = 1 << 4;
    let mut words = Words(raw);
    words.u64()?;
    let (addr, ip, code) = (VirtAddr(words.u64()?), VirtAddr(words.u64()?), words.u64()?);
    let access = match (code & FETCH, code & WRITE) {
        (0, 0) => Access::Read,
        (0, _) => Access::Write,
        _ => Access::Exec,
    };
    let mode = if code & USER == 0 { Mode::Kernel } else { Mode::User };
    Some((addr, ip, access, mode))
}

/// The outer `None` is a record that is too short, the inner one says that there is nothing.
fn user_stack<'a>(words: &mut Words<'a>) -> Option<Option<UserStack<'a>>> {
    const NO_REGISTERS: u64 = 0;
    const OF_64_BITS: u64 = 2;
    let abi = words.u64()?;
    let mut registers = [0; REGISTERS.len()];
    if abi != NO_REGISTERS {
        for register in &mut registers {
            *register = words.u64()?;
        }
    }
    let room = usize::try_from(words.u64()?).ok()?;
    let mut bytes: &[u8] = &[];
    if room > 0 {
        let dump = words.take(room)?;
        let read = usize::try_from(words.u64()?).ok()?;
        bytes = dump.get(..read)?;
    }
    let [rbx, rbp, rsp, rip, r10_to_r15 @ ..] = registers;
    let (rip, rsp) = (VirtAddr(rip), VirtAddr(rsp));
    Some((abi == OF_64_BITS).then_some(UserStack { rip, rsp, rbx, rbp, r10_to_r15, bytes }))
}

fn mapping(body: &[u8]) -> Option<Mapping<'_>> {
    let stamp = trailer(body)?;
    let mut words = Words(body.get(..body.len() - TRAILER_BYTES)?);
    words.u64()?; // Process and thread once more.
    let (start, bytes, offset) = (VirtAddr(words.u64()?), words.u64()?, words.u64()?);
    let (major, minor) = (words.u32()?, words.u32()?);
    let ino = words.u64()?;
    words.u64()?; // The inode's generation.
    let (prot, flags) = (words.u32()?, words.u32()?);
    let name = words.0.split(|byte| *byte == 0).next().unwrap_or_default();
    Some(Mapping {
        stamp,
        range: AddrRange::from_len(start, bytes)?,
        prot: Prot(u64::from(prot & 7)),
        shared: flags & MAP_SHARED != 0,
        offset: FileOff(offset),
        file: FileId { dev: DevId { major, minor }, ino },
        name,
    })
}

fn name(misc: u16, body: &[u8]) -> Option<Name<'_>> {
    let stamp = trailer(body)?;
    // Process and thread stand in front once more.
    let text = body.get(8..body.len() - TRAILER_BYTES)?;
    let by = if misc & MISC_COMM_EXEC != 0 { NamedBy::Exec } else { NamedBy::Program };
    Some(Name { stamp, name: text.split(|byte| *byte == 0).next().unwrap_or_default(), by })
}

fn trailer(body: &[u8]) -> Option<Stamp> {
    let mut words = Words(body.get(body.len().checked_sub(TRAILER_BYTES)?..)?);
    let (pid, tid) = (Pid(words.id()?), Tid(words.id()?));
    Some(Stamp { pid, tid, monotonic_ns: words.u64()?, id: words.u64()? })
}
