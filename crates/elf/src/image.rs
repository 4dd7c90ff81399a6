//! The plain value read from an ELF file.

use abi::{AddrRange, FileOff, Prot, VirtAddr};

/// What the static part of a map needs of an ELF file.
///
/// Addresses are the file's own. A process maps a [`LinkKind::Dyn`] file at some *load bias*: its address of a
/// thing is the bias plus the file's address. The bias of a [`LinkKind::Exec`] file is 0.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Image {
    /// How it was linked.
    pub link: LinkKind,
    /// `e_machine`: 62 is x86-64, 183 AArch64, 3 i386.
    pub machine: u16,
    /// Whether addresses are 32 bits wide.
    pub is_32bit: bool,
    /// Where execution begins.
    pub entry: VirtAddr,
    /// The program headers in their order.
    pub segments: Vec<Segment>,
    /// The path of the interpreter (`PT_INTERP`), for a dynamically linked program.
    pub interpreter: Option<Vec<u8>>,
    /// The GNU build id, if the file has one and the bytes read hold it.
    pub build_id: Option<Vec<u8>>,
    /// The sections that occupy memory, by address; empty if stripped of them or cut off.
    pub sections: Vec<Section>,
}

/// How a file was linked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkKind {
    /// At fixed addresses (`ET_EXEC`).
    Exec,
    /// Position-independent: libraries, most programs, the interpreter (`ET_DYN`).
    Dyn,
    /// Something else that is not loaded as it is (`ET_REL`, `ET_CORE`).
    Other(u16),
}

/// A program header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment {
    /// What it is.
    pub kind: SegmentKind,
    /// Its protection.
    pub prot: Prot,
    /// Where its bytes begin in the file.
    pub offset: FileOff,
    /// Where they go.
    pub addr: VirtAddr,
    /// How many the file holds.
    pub file_bytes: u64,
    /// How many it takes in memory; those past the file's are zero.
    pub memory_bytes: u64,
    /// Its alignment in bytes.
    pub align: u64,
}

/// The type of a program header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SegmentKind {
    /// Is mapped (`PT_LOAD`).
    Load,
    /// Becomes read-only after relocation (`PT_GNU_RELRO`).
    Relro,
    /// Says whether the stack may be executed (`PT_GNU_STACK`).
    Stack,
    /// The template of thread-local storage (`PT_TLS`).
    Tls,
    /// Any other, by its number.
    Other(u32),
}

impl SegmentKind {
    /// The kind of a `p_type`.
    pub const fn from_raw(raw: u32) -> Self {
        match raw {
            1 => Self::Load,
            7 => Self::Tls,
            0x6474_e551 => Self::Stack,
            0x6474_e552 => Self::Relro,
            other => Self::Other(other),
        }
    }
}

impl Segment {
    /// Reads a program header's fields. Bits of `flags`: 1 execute, 2 write, 4 read.
    pub fn from_raw(
        kind: u32,
        flags: u32,
        [offset, addr, file_bytes, memory_bytes, align]: [u64; 5],
    ) -> Self {
        let mut prot = Prot::NONE;
        for (bit, right) in [(4, Prot::READ), (2, Prot::WRITE), (1, Prot::EXEC)] {
            if flags & bit != 0 {
                prot = prot | right;
            }
        }
        Self {
            kind: SegmentKind::from_raw(kind),
            prot,
            offset: FileOff(offset),
            addr: VirtAddr(addr),
            file_bytes,
            memory_bytes,
            align,
        }
    }

    /// The addresses it takes, empty where they would pass the end of the space.
    pub fn range(&self) -> AddrRange {
        let empty = AddrRange::new(self.addr, self.addr);
        AddrRange::from_len(self.addr, self.memory_bytes).unwrap_or(empty)
    }
}

/// A section that occupies memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Section {
    /// Its name (`.text`).
    pub name: Vec<u8>,
    /// The file's addresses it takes.
    pub range: AddrRange,
}
