//! Reading the bytes of an ELF file, 32 or 64 bits wide, of either byte order.

use abi::{AddrRange, VirtAddr};
use object::Endianness;
use object::elf::{ET_DYN, ET_EXEC, FileHeader32, FileHeader64, PT_INTERP, SHF_ALLOC, SHF_TLS, SHT_NOBITS};
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader};

use crate::error::ElfError;
use crate::image::{Image, LinkKind, Section, Segment};

/// Reads an ELF file, or as much of it as its first bytes hold.
///
/// # Errors
/// If the bytes are no ELF file, or its header or program headers can't be read.
pub fn read(bytes: &[u8]) -> Result<Image, ElfError> {
    if !bytes.starts_with(b"\x7fELF") {
        return Err(ElfError::NotElf);
    }
    match bytes.get(4) {
        Some(1) => read_as::<FileHeader32<Endianness>>(bytes),
        Some(2) => read_as::<FileHeader64<Endianness>>(bytes),
        _ => Err(ElfError::Damaged { what: "neither 32 nor 64 bits wide".into() }),
    }
}

fn read_as<H: FileHeader<Endian = Endianness>>(bytes: &[u8]) -> Result<Image, ElfError> {
    let damaged = |error: object::Error| ElfError::Damaged { what: error.to_string() };
    let header = H::parse(bytes).map_err(damaged)?;
    let endian = header.endian().map_err(damaged)?;
    let table = header.program_headers(endian, bytes).map_err(damaged)?;
    let segments = table.iter().map(|row| segment(row, endian)).collect();
    let interpreter = table.iter().find(|row| row.p_type(endian) == PT_INTERP).and_then(|row| {
        let path = row.data(endian, bytes).ok()?;
        Some(path.strip_suffix(b"\0").unwrap_or(path).to_vec())
    });
    Ok(Image {
        link: match header.e_type(endian) {
            ET_EXEC => LinkKind::Exec,
            ET_DYN => LinkKind::Dyn,
            other => LinkKind::Other(other.0),
        },
        machine: header.e_machine(endian).0,
        is_32bit: !header.is_type_64(),
        entry: VirtAddr(header.e_entry(endian).into()),
        segments,
        interpreter,
        build_id: build_id::<H>(table, endian, bytes),
        sections: sections(header, endian, bytes),
    })
}

fn segment<P: ProgramHeader<Endian = Endianness>>(row: &P, endian: Endianness) -> Segment {
    let words = [
        row.p_offset(endian).into(),
        row.p_vaddr(endian).into(),
        row.p_filesz(endian).into(),
        row.p_memsz(endian).into(),
        row.p_align(endian).into(),
    ];
    Segment::from_raw(row.p_type(endian).0, row.p_flags(endian).0, words)
}

fn build_id<H: FileHeader<Endian = Endianness>>(
    table: &[H::ProgramHeader],
    endian: Endianness,
    bytes: &[u8],
) -> Option<Vec<u8>> {
    for row in table {
        let Ok(Some(mut notes)) = row.notes(endian, bytes) else { continue };
        while let Ok(Some(note)) = notes.next() {
            if note.name() == object::elf::ELF_NOTE_GNU && note.n_type(endian) == object::elf::NT_GNU_BUILD_ID
            {
                return Some(note.desc().to_vec());
            }
        }
    }
    None
}

/// The sections in memory. A file without or with damaged section headers has none: the loader needs none.
fn sections<H: FileHeader<Endian = Endianness>>(
    header: &H,
    endian: Endianness,
    bytes: &[u8],
) -> Vec<Section> {
    let Ok(table) = header.sections(endian, bytes) else { return Vec::new() };
    let mut sections = Vec::new();
    for row in table.iter() {
        let flags = row.sh_flags(endian);
        // Zero-initialised thread-local data has an address but takes no room there.
        let takes_no_room = flags.contains(SHF_TLS) && row.sh_type(endian) == SHT_NOBITS;
        if !flags.contains(SHF_ALLOC) || takes_no_room {
            continue;
        }
        let start = VirtAddr(row.sh_addr(endian).into());
        let name = table.section_name(endian, row).unwrap_or_default().to_vec();
        if let Some(range) = AddrRange::from_len(start, row.sh_size(endian).into()) {
            sections.push(Section { name, range });
        }
    }
    sections.sort_by_key(|section| section.range);
    sections
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::image::SegmentKind;

    fn own_bytes() -> Vec<u8> {
        std::fs::read("/proc/self/exe").expect("a Linux machine")
    }

    #[test]
    fn our_own_file_is_read() {
        let image = read(&own_bytes()).expect("our own file");
        assert_eq!(image.link, LinkKind::Dyn);
        assert!(image.interpreter.expect("dynamically linked").starts_with(b"/lib"));
        assert!(image.segments.iter().any(|s| s.kind == SegmentKind::Relro));
        let text = image.sections.iter().find(|s| s.name == b".text").expect("a .text section");
        assert!(text.range.contains(image.entry));
    }

    #[test]
    fn the_front_of_a_file_gives_its_segments() {
        let bytes = own_bytes();
        let front = read(&bytes[..4096]).expect("the front of our own file");
        assert_eq!(front.segments, read(&bytes).expect("our own file").segments);
        assert!(front.sections.is_empty());
    }

    #[test]
    fn other_files_are_refused() {
        assert_eq!(read(b"#!/bin/sh\n"), Err(ElfError::NotElf));
        assert!(matches!(read(b"\x7fELF\x02\x01\x01"), Err(ElfError::Damaged { .. })));
    }

    proptest! {
        #[test]
        fn damage_never_makes_it_panic(at in 0usize..4096, value in any::<u8>(), cut in 0usize..8192) {
            let mut bytes = own_bytes();
            bytes.truncate(64 << 10);
            bytes[at] = value;
            if let Ok(image) = read(&bytes) {
                crate::parts(&image.segments);
            }
            let _ = read(&bytes[..cut]);
        }
    }
}
