//! The two sides that a line is done on: the real child, the twin.

mod kernel;
mod library;
mod pages;
mod rows;
mod twin;

use std::fmt;

use abi::{Call, Errno, Fd, FileId, Rlimit, VirtAddr};
use live::Fault;
use mm::{Access, FileKind};

pub(crate) use self::kernel::Kernel;
pub(crate) use self::library::{Allocated, Allocation, library};
pub(crate) use self::pages::runs_of_kernel;
pub use self::pages::{PageState, Run};
pub use self::rows::{Change, Row, changes};
pub(crate) use self::twin::{Said, Twin};

/// The number of a memory: a process's address space.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct MemoryNo(pub(crate) usize);

/// The number of a thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ThreadNo(pub(crate) usize);

/// What is done to a memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Action {
    /// A memory call.
    Call(Call),
    /// `prlimit64` of the own process.
    Limit(abi::Resource, Rlimit),
    /// `mincore`, whose vector lies where no script sees it.
    Mincore(VirtAddr, u64),
    /// One byte of each page of a range.
    Touch(VirtAddr, u64, Access),
    /// Stores into each page of a new frame, from its high end down to its lowest byte.
    Frame(VirtAddr, VirtAddr),
    /// Loads.
    Load(VirtAddr, u64),
    /// Stores.
    Store(VirtAddr, Vec<u8>),
    /// One instruction.
    Fetch(VirtAddr),
}

impl fmt::Display for Action {
    /// Writes it in its C form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(call) => call.fmt(f),
            Self::Limit(resource, limit) => {
                let number = |bytes: u64| match bytes {
                    Rlimit::INFINITY => "RLIM_INFINITY".to_owned(),
                    bytes => bytes.to_string(),
                };
                let call = Call::Setrlimit { resource: *resource, limit: VirtAddr::NULL }.to_string();
                let name = call.split_once(", ").map_or(call.as_str(), |(name, _)| name);
                write!(f, "{name}, {{{}, {}}})", number(limit.soft), number(limit.hard))
            }
            Self::Mincore(addr, len) => write!(f, "mincore({addr}, {len}, vec)"),
            Self::Touch(addr, len, access) => {
                let what = if *access == Access::Write { "store into" } else { "load from" };
                let pages = len.div_ceil(abi::PAGE_SIZE);
                match pages {
                    1 => write!(
                        f,
                        "a {} {addr}",
                        if *access == Access::Write { "store at" } else { "load at" }
                    ),
                    pages => write!(f, "a {what} each of {pages} pages from {addr}"),
                }
            }
            Self::Frame(low, high) => write!(f, "a frame from {high} down to {low}"),
            Self::Load(addr, len) => write!(f, "loads of {} at {addr}", view::words::plural(*len, "byte")),
            Self::Store(addr, bytes) => {
                write!(f, "stores of {} at {addr}", view::words::plural(bytes.len() as u64, "byte"))
            }
            Self::Fetch(addr) => write!(f, "an instruction fetch at {addr}"),
        }
    }
}

/// What a side answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// A call returned.
    Value(Result<u64, Errno>),
    /// Loads gave these bytes.
    Bytes(Vec<u8>),
    /// It is done.
    Done,
    /// A signal was raised.
    Signal(Fault),
    /// This side can't tell, and says why.
    Unknown(&'static str),
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(Ok(value @ 0..=0xffff)) => write!(f, "{value}"),
            Self::Value(Ok(value)) => write!(f, "{value:#x}"),
            Self::Value(Err(errno)) => errno.fmt(f),
            Self::Bytes(bytes) => write!(f, "{}", Quoted(bytes)),
            Self::Done => f.write_str("done"),
            Self::Signal(fault) => fault.fmt(f),
            Self::Unknown(why) => write!(f, "? ({why})"),
        }
    }
}

/// Bytes as a script would write them, long ones cut.
pub(crate) struct Quoted<'a>(pub(crate) &'a [u8]);

/// The most bytes that are shown.
const SHOWN_MAX: usize = 256;

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.len() > 8 && self.0.iter().all(|byte| *byte == 0) {
            return write!(f, "{} zeros", self.0.len());
        }
        f.write_str("\"")?;
        for byte in self.0.iter().take(SHOWN_MAX) {
            match byte {
                b'"' | b'\\' => write!(f, "\\{}", char::from(*byte))?,
                b'\n' => f.write_str("\\n")?,
                b' '..=b'~' => write!(f, "{}", char::from(*byte))?,
                other => write!(f, "\\x{other:02x}")?,
            }
        }
        f.write_str("\"")?;
        if self.0.len() > SHOWN_MAX { write!(f, " and {} more", self.0.len() - SHOWN_MAX) } else { Ok(()) }
    }
}

/// A file as both sides know it.
#[derive(Clone, Debug)]
pub(crate) struct FileFacts {
    /// Its identity.
    pub(crate) id: FileId,
    /// Its kind, as far as mapping it differs.
    pub(crate) kind: FileKind,
    /// Whether its file system is mounted `noexec`.
    pub(crate) noexec: bool,
}

/// A descriptor of a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Descriptor {
    /// Its number in the process.
    pub(crate) fd: Fd,
    /// Which open file description.
    pub(crate) description: usize,
}
