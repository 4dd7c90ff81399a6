//! Core files: the memory of a process that ended, with notes on its threads and files.
//!
//! Only headers and notes are read, through [`ReadAt`]: a core may be larger than memory.

mod header;
mod notes;

use abi::{AddrRange, FileOff, Prot, Tid, VirtAddr};

use crate::error::ElfError;

/// Bytes that can be read at any place.
pub trait ReadAt {
    /// Returns the bytes from `offset` on: `bytes` of them, or fewer where the file ends before.
    fn read_at(&self, offset: FileOff, bytes: usize) -> Vec<u8>;
}

impl ReadAt for [u8] {
    fn read_at(&self, offset: FileOff, bytes: usize) -> Vec<u8> {
        let start = usize::try_from(offset.0).unwrap_or(usize::MAX).min(self.len());
        self[start..start.saturating_add(bytes).min(self.len())].to_vec()
    }
}

/// What a core file says besides the contents of memory.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CoreFile {
    /// The ranges it lists, ascending and disjoint.
    pub segments: Vec<CoreSegment>,
    /// The process, where it is named.
    pub process: Option<CoreProcess>,
    /// Its threads; the one that the signal ended comes first.
    pub threads: Vec<CoreThread>,
    /// The file mappings it lists (`NT_FILE`), ascending; empty if it lists none.
    pub files: Vec<CoreMappedFile>,
    /// The auxiliary vector: types and values.
    pub auxv: Vec<(u64, u64)>,
    /// The signal that ended the process.
    pub signal: Option<CoreSignal>,
    /// Who wrote it.
    pub maker: CoreMaker,
    /// How long the file must be to hold all it lists.
    pub bytes_expected: u64,
}

/// A range of memory that a core file lists.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CoreSegment {
    /// The addresses.
    pub range: AddrRange,
    /// The protection as written.
    pub prot: Prot,
    /// Where its bytes begin in the core.
    pub offset: FileOff,
    /// How many of its first bytes the core holds.
    pub bytes_held: u64,
}

/// The process of a core file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CoreProcess {
    /// Its id.
    pub pid: abi::Pid,
    /// Its name, cut by the kernel.
    pub name: Vec<u8>,
    /// Its arguments, cut by the kernel at 80 bytes.
    pub arguments: Vec<u8>,
}

/// A thread of a core file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CoreThread {
    /// Its id.
    pub tid: Tid,
    /// Where it was executing.
    pub instruction: VirtAddr,
    /// Its stack pointer.
    pub stack: VirtAddr,
    /// Its frame pointer register.
    pub frame: VirtAddr,
    /// Its thread pointer (`fs`).
    pub thread_pointer: VirtAddr,
}

/// A file mapping of a core file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CoreMappedFile {
    /// The addresses.
    pub range: AddrRange,
    /// Where in the file they begin.
    pub offset: FileOff,
    /// Its path.
    pub path: Vec<u8>,
}

/// The signal that ended a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CoreSignal {
    /// Its number.
    pub number: i32,
    /// What it says besides (`si_code`): positive if the kernel raised it.
    pub code: i32,
    /// For SIGSEGV, SIGBUS, SIGILL and SIGFPE by the kernel: the address.
    pub addr: Option<VirtAddr>,
}

/// Who wrote a core file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum CoreMaker {
    /// The kernel, or a program that writes as it does.
    #[default]
    Kernel,
    /// gdb's `generate-core-file` and `gcore`: it writes no range of which the file on disk holds the
    /// contents, and memory without any right as readable.
    Gdb,
}

/// Reads the headers and notes of a core file.
///
/// # Errors
/// If it is no core file, one of another machine than x86-64, or its tables contradict themselves. A core that
/// is cut off is read as far as it goes: compare its length with [`CoreFile::bytes_expected`].
pub fn read_core(file: &(impl ReadAt + ?Sized)) -> Result<CoreFile, ElfError> {
    let header = header::read(file)?;
    let mut core = CoreFile { bytes_expected: header.end, segments: header.segments, ..CoreFile::default() };
    for note in &header.notes {
        notes::read(file, note.offset, note.bytes_held, &mut core);
    }
    core.files.sort_by_key(|file| file.range);
    Ok(core)
}

#[cfg(test)]
mod tests;
