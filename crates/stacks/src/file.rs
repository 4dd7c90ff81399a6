//! An executable, library or file of debugging information: its segments, and its sections when they are asked for.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::UNIX_EPOCH;

use abi::{FileOff, PAGE_SIZE};
use object::LittleEndian as LE;
use object::elf::{ELFCOMPRESS_ZLIB, ELFCOMPRESS_ZSTD, SHF_COMPRESSED, SHT_NOBITS};
use object::elf::{EM_X86_64, FileHeader64, NT_GNU_BUILD_ID, PF_X, PT_LOAD};
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader};
use object::read::{ReadCache, ReadRef};

use crate::error::ObjectError;
use crate::read::{Packing, Source, unpack};
use crate::unwind::UnwindTable;

/// The size of a section's compression header.
const COMPRESSION_HEADER_BYTES: usize = 24;

/// An address as a file has it, before it is moved to where it is mapped.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ObjectAddr(pub u64);

/// A 64-bit x86 ELF file.
#[derive(Debug)]
pub struct ObjectFile {
    path: PathBuf,
    source: Source,
    id: u32,
    stamp: Stamp,
    build_id: Vec<u8>,
    /// The segments that are loaded, executable ones first.
    loads: Vec<Load>,
    sections: Vec<Section>,
    unwind: OnceLock<Option<UnwindTable>>,
}

/// What tells whether a file is still the same where it has no build id.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stamp {
    /// Its size in bytes.
    pub bytes: u64,
    /// When it was last changed, in nanoseconds since 1970.
    pub modified_ns: u64,
}

/// A loaded segment.
#[derive(Clone, Copy, Debug)]
struct Load {
    offset: u64,
    address: u64,
    file_bytes: u64,
    is_code: bool,
}

/// A section.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) name: Vec<u8>,
    pub(crate) address: u64,
    pub(crate) is_code: bool,
    offset: u64,
    size: u64,
    is_compressed: bool,
    has_bytes: bool,
}

/// The bytes of a section.
#[derive(Debug)]
pub(crate) enum Stretch<'a> {
    /// Where they stand in the file.
    InFile { source: &'a Source, offset: u64, size: u64 },
    /// In memory.
    Unpacked(Vec<u8>),
}

impl Stretch<'_> {
    /// Reads as much from there on as there is into a buffer; returns how much that is.
    pub(crate) fn read(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::InFile { source, offset, size } => {
                let left = usize::try_from(size.saturating_sub(at)).unwrap_or(usize::MAX).min(into.len());
                source.read(offset.saturating_add(at), &mut into[..left])
            }
            Self::Unpacked(bytes) => {
                let rest = usize::try_from(at).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
                let size = rest.len().min(into.len());
                into[..size].copy_from_slice(&rest[..size]);
                Ok(size)
            }
        }
    }
}

impl ObjectFile {
    /// Opens a file and reads its headers.
    ///
    /// # Errors
    /// If it can't be read or is no 64-bit x86 ELF file.
    pub fn open(path: &Path) -> Result<Self, ObjectError> {
        let file = File::open(path)?;
        // A pipe or a device is no executable, and reading it could wait for ever.
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(ObjectError::NotElf64);
        }
        let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let modified_ns = modified.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(0));
        let headers = Headers::read(&ReadCache::new(&file))?;
        let stamp = Stamp { bytes: metadata.len(), modified_ns };
        Ok(Self::new(path.to_path_buf(), Source::File(file), stamp, headers))
    }

    /// Takes an object in memory, such as the code that the kernel provides.
    ///
    /// # Errors
    /// If it is no 64-bit x86 ELF file.
    pub fn from_bytes(name: &str, bytes: Arc<[u8]>) -> Result<Self, ObjectError> {
        let headers = Headers::read(&*bytes)?;
        let stamp = Stamp { bytes: bytes.len() as u64, modified_ns: 0 };
        Ok(Self::new(name.into(), Source::Bytes(bytes), stamp, headers))
    }

    fn new(path: PathBuf, source: Source, stamp: Stamp, headers: Headers) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let Headers { build_id, loads, sections } = headers;
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Self { path, source, id, stamp, build_id, loads, sections, unwind: OnceLock::new() }
    }

    /// The path it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its GNU build id, empty if it has none.
    pub fn build_id(&self) -> &[u8] {
        &self.build_id
    }

    /// Its size and when it was last changed, when it was opened.
    pub fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// A number that no other object of this process has.
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// Returns the file's own address of what stands at an offset; of code, where a page belongs to two segments.
    ///
    /// Segments are mapped by whole pages, so the bytes before a segment's first on its page are there as well.
    pub fn address_of(&self, offset: FileOff) -> Option<ObjectAddr> {
        let of = |load: &Load| {
            let before = load.offset % PAGE_SIZE;
            let from_page = offset.0.checked_sub(load.offset - before)?;
            let is_inside = from_page < load.file_bytes.checked_add(before)?;
            is_inside.then(|| ObjectAddr(load.address.wrapping_sub(before).wrapping_add(from_page)))
        };
        self.loads.iter().find_map(of)
    }

    /// Returns the offset at which an address of the file's own stands.
    pub fn offset_of(&self, addr: ObjectAddr) -> Option<FileOff> {
        let of = |load: &Load| {
            let inside = addr.0.checked_sub(load.address)?;
            (inside < load.file_bytes).then(|| FileOff(load.offset + inside))
        };
        self.loads.iter().find_map(of)
    }

    pub(crate) fn section(&self, name: &[u8]) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// The addresses of a section: the first and the one after the last.
    pub(crate) fn section_ends(&self, name: &[u8]) -> Option<(ObjectAddr, ObjectAddr)> {
        let Section { address, size, .. } = self.section(name)?;
        Some((ObjectAddr(*address), ObjectAddr(address.checked_add(*size)?)))
    }

    /// The section with this number.
    pub(crate) fn section_numbered(&self, number: usize) -> Option<&Section> {
        self.sections.get(number)
    }

    /// Reads a section, unpacked; `None` if there is none or it can't be read.
    pub(crate) fn section_bytes(&self, name: &[u8]) -> Option<Vec<u8>> {
        let section = self.section(name).filter(|section| section.has_bytes)?;
        let bytes = self.source.bytes(section.offset, section.size).ok()?;
        if !section.is_compressed {
            return Some(bytes);
        }
        let (header, packed) = bytes.split_at_checked(COMPRESSION_HEADER_BYTES)?;
        let kind = u32::from_le_bytes(header[..4].try_into().ok()?);
        let size = u64::from_le_bytes(header[8..16].try_into().ok()?);
        let packing = match kind {
            kind if kind == ELFCOMPRESS_ZLIB.0 => Packing::Zlib,
            kind if kind == ELFCOMPRESS_ZSTD.0 => Packing::Zstd,
            _ => return None,
        };
        unpack(packed, packing, size).ok()
    }

    /// A section to be read piece by piece; `None` if there is none.
    pub(crate) fn stretch(&self, name: &[u8]) -> Option<Stretch<'_>> {
        let section = self.section(name).filter(|section| section.has_bytes)?;
        if section.is_compressed {
            return self.section_bytes(name).map(Stretch::Unpacked);
        }
        Some(Stretch::InFile { source: &self.source, offset: section.offset, size: section.size })
    }

    /// Reads some bytes of code.
    pub(crate) fn code_bytes(&self, addr: ObjectAddr, size: u64) -> Option<Vec<u8>> {
        self.source.bytes(self.offset_of(addr)?.0, size).ok()
    }

    /// Its call frame information, read when it is first needed.
    pub(crate) fn unwind_table(&self) -> Option<&UnwindTable> {
        self.unwind.get_or_init(|| UnwindTable::read(self)).as_ref()
    }
}

/// What the front of the file and its table of sections say.
struct Headers {
    build_id: Vec<u8>,
    loads: Vec<Load>,
    sections: Vec<Section>,
}

impl Headers {
    fn read<'data>(data: impl ReadRef<'data>) -> Result<Self, ObjectError> {
        let damaged = |error: object::Error| ObjectError::Damaged { what: error.to_string() };
        let header = FileHeader64::<LE>::parse(data).map_err(|_| ObjectError::NotElf64)?;
        let endian = header.endian().map_err(|_| ObjectError::NotElf64)?;
        if header.e_machine(endian) != EM_X86_64 {
            return Err(ObjectError::NotElf64);
        }
        let segments = header.program_headers(endian, data).map_err(damaged)?;
        let mut loads: Vec<Load> = segments
            .iter()
            .filter(|row| row.p_type(endian) == PT_LOAD)
            .map(|row| Load {
                offset: row.p_offset(endian),
                address: row.p_vaddr(endian),
                file_bytes: row.p_filesz(endian),
                is_code: row.p_flags(endian).contains(PF_X),
            })
            .collect();
        loads.sort_by_key(|load| !load.is_code);
        // A file without a table of sections is unusual and still has segments.
        let sections = header.sections(endian, data).ok();
        let mut build_id = Vec::new();
        for row in segments {
            let Ok(Some(mut notes)) = row.notes(endian, data) else { continue };
            while let Ok(Some(note)) = notes.next() {
                if note.name() == object::elf::ELF_NOTE_GNU && note.n_type(endian) == NT_GNU_BUILD_ID {
                    build_id = note.desc().to_vec();
                }
            }
        }
        let sections = sections.map_or_else(Vec::new, |table| {
            let section = |row| section(row, table.section_name(LE, row).unwrap_or_default());
            table.iter().map(section).collect()
        });
        Ok(Self { build_id, loads, sections })
    }
}

fn section(row: &object::elf::SectionHeader64<LE>, name: &[u8]) -> Section {
    Section {
        name: name.to_vec(),
        address: row.sh_addr(LE),
        offset: row.sh_offset(LE),
        size: row.sh_size(LE),
        is_code: row.sh_flags(LE).contains(object::elf::SHF_EXECINSTR),
        is_compressed: row.sh_flags(LE).contains(SHF_COMPRESSED),
        has_bytes: row.sh_type(LE) != SHT_NOBITS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> ObjectFile {
        ObjectFile::open(&std::env::current_exe().expect("our own path")).expect("our own file")
    }

    #[test]
    fn offsets_and_addresses_are_each_others_inverse() {
        let own = own();
        let text = own.section(b".text").expect("a program has text");
        assert!(text.is_code);
        let addr = own.address_of(FileOff(text.offset)).expect("text is loaded");
        assert_eq!(addr, ObjectAddr(text.address));
        assert_eq!(own.offset_of(addr), Some(FileOff(text.offset)));
        assert_eq!(own.address_of(FileOff(u64::MAX)), None);
    }

    #[test]
    fn from_memory_it_is_the_same() {
        let path = std::env::current_exe().expect("our own path");
        let bytes = std::fs::read(path).expect("our own file").into();
        let memory = ObjectFile::from_bytes("own", bytes).expect("our own file");
        assert_eq!(memory.build_id(), own().build_id());
        assert_eq!(memory.section_bytes(b".symtab"), own().section_bytes(b".symtab"));
        assert_ne!(memory.id(), own().id());
    }

    #[test]
    fn what_is_no_elf_file_is_refused() {
        assert!(matches!(ObjectFile::open(Path::new("/dev/zero")), Err(ObjectError::NotElf64)));
        let text = Arc::from(&b"#!/bin/sh\n"[..]);
        assert!(matches!(ObjectFile::from_bytes("x", text), Err(ObjectError::NotElf64)));
        assert!(matches!(ObjectFile::open(Path::new("/nonexistent")), Err(ObjectError::Io(_))));
    }
}
