//! The puppet's executable file: an ELF program of text, data and bss around the machine code, alone or linked with the
//! C library.
//!
//! ```text
//! page 0   headers, machine code                                    r-x
//! page 1   what the dynamic linker reads and fills in, other data   rw-
//! page 2   the sections' headers and names                          not mapped
//! ```

use super::code;
use super::layout::{CODE_AT, FUNCTIONS, TEXT};

const PAGE: usize = 4096;
const DATA_BYTES: u64 = 0x800;
const BSS_BYTES: u64 = 0x2000;
/// Where the data page is mapped.
const DATA: u64 = TEXT + PAGE as u64;

/// Where things lie in the data page.
const DYNAMIC: u64 = 0;
const HASH: u64 = 0x140;
const SYMBOLS: u64 = 0x180;
const RELOCATIONS: u64 = 0x200;
const STRINGS: u64 = 0x280;
const INTERPRETER: u64 = 0x400;
const INTERPRETER_BYTES_MAX: usize = 0x300;
/// The addresses of the library's functions, once the dynamic linker has filled them in.
pub(super) const FUNCTIONS_AT: u64 = 0x700;

/// The system's C library: who loads it and what it is called.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Library {
    /// The path of the dynamic linker.
    pub interpreter: Vec<u8>,
    /// The library's name.
    pub name: &'static str,
}

impl Library {
    /// Tells whether its names have room in the program.
    pub(super) fn fits(&self) -> bool {
        self.interpreter.len() < INTERPRETER_BYTES_MAX
            && self.name.len() < 64
            && !self.interpreter.contains(&0)
    }
}

/// Returns the bytes of the file.
pub(super) fn elf(library: Option<&Library>) -> Vec<u8> {
    let text_len = CODE_AT + code::bytes().len() as u64;
    debug_assert!(text_len <= PAGE as u64);
    let sections = sections(library, text_len);
    let mut file = Vec::with_capacity(3 * PAGE);
    file.extend(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    half(&mut file, &[2, 62]); // ET_EXEC, EM_X86_64
    word(&mut file, &[1]);
    long(&mut file, &[TEXT + CODE_AT, 64, 2 * PAGE as u64]);
    word(&mut file, &[0]);
    let segments = if library.is_some() { 6 } else { 3 };
    let count = sections.len() as u16;
    half(&mut file, &[64, 56, segments, 64, count, count - 1]);
    if let Some(library) = library {
        let headers = 56 * u64::from(segments);
        segment(&mut file, 6, 4, [64, TEXT + 64, headers, headers, 8]); // PT_PHDR
        let bytes = library.interpreter.len() as u64 + 1;
        segment(&mut file, 3, 4, [PAGE as u64 + INTERPRETER, DATA + INTERPRETER, bytes, bytes, 1]);
    }
    segment(&mut file, 1, 5, [0, TEXT, text_len, text_len, PAGE as u64]);
    segment(&mut file, 1, 6, [PAGE as u64, DATA, DATA_BYTES, PAGE as u64 + BSS_BYTES, PAGE as u64]);
    if let Some(library) = library {
        let bytes = 16 * dynamic(library).len() as u64;
        segment(&mut file, 2, 6, [PAGE as u64 + DYNAMIC, DATA + DYNAMIC, bytes, bytes, 8]);
    }
    segment(&mut file, 0x6474_e551, 6, [0, 0, 0, 0, 16]); // PT_GNU_STACK
    file.resize(CODE_AT as usize, 0);
    file.extend(code::bytes());
    file.resize(PAGE, 0);
    file.extend(library.map(data).unwrap_or_default());
    file.resize(2 * PAGE, 0);
    write_sections(&mut file, &sections);
    file
}

/// The names that the dynamic linker looks for, each after the byte that it begins at.
fn strings(library: &Library) -> (Vec<u8>, Vec<u32>) {
    let mut text = vec![0];
    let names = std::iter::once(library.name).chain(FUNCTIONS);
    let starts = names.map(|name| {
        let start = text.len() as u32;
        text.extend(name.bytes().chain([0]));
        start
    });
    let starts = starts.collect();
    (text, starts)
}

/// What the dynamic linker is told, by tag.
fn dynamic(library: &Library) -> Vec<[u64; 2]> {
    let (text, starts) = strings(library);
    let relocations = 24 * FUNCTIONS.len() as u64;
    vec![
        [1, starts.first().copied().unwrap_or_default().into()], // DT_NEEDED
        [4, DATA + HASH],
        [5, DATA + STRINGS],
        [6, DATA + SYMBOLS],
        [10, text.len() as u64],
        [11, 24],
        [7, DATA + RELOCATIONS],
        [8, relocations],
        [9, 24],
        [24, 0],   // DT_BIND_NOW
        [0x15, 0], // DT_DEBUG
        [0, 0],
    ]
}

/// The data page of a program that is linked with the library.
fn data(library: &Library) -> Vec<u8> {
    let (text, starts) = strings(library);
    let mut data = Vec::new();
    dynamic(library).iter().for_each(|entry| long(&mut data, entry));
    data.resize(HASH as usize, 0);
    // One bucket, which begins a chain of all symbols.
    let count = FUNCTIONS.len() as u32 + 1;
    word(&mut data, &[1, count, 1, 0]);
    word(&mut data, &(2..=count).map(|next| next % count).collect::<Vec<_>>());
    data.resize(SYMBOLS as usize + 24, 0);
    for name in starts.iter().skip(1) {
        word(&mut data, &[*name, 0x12]); // STB_GLOBAL, STT_FUNC, undefined here
        long(&mut data, &[0, 0]);
    }
    data.resize(RELOCATIONS as usize, 0);
    for at in 0..FUNCTIONS.len() as u64 {
        const GLOB_DAT: u64 = 6;
        long(&mut data, &[DATA + FUNCTIONS_AT + 8 * at, (at + 1) << 32 | GLOB_DAT, 0]);
    }
    data.resize(STRINGS as usize, 0);
    data.extend(text);
    data.resize(INTERPRETER as usize, 0);
    data.extend(&library.interpreter);
    data
}

/// A section: name, type, flags, address, offset, bytes, link, information, alignment, bytes of an entry.
type Section = (&'static str, u32, u64, [u64; 3], [u32; 2], [u64; 2]);

fn sections(library: Option<&Library>, text_len: u64) -> Vec<Section> {
    const ALLOC: u64 = 2;
    let in_data = |at: u64, bytes: u64| [DATA + at, PAGE as u64 + at, bytes];
    let mut sections: Vec<Section> = vec![("", 0, 0, [0; 3], [0; 2], [0; 2])];
    sections.push((".text", 1, ALLOC | 4, [TEXT + CODE_AT, CODE_AT, text_len - CODE_AT], [0; 2], [16, 0]));
    let mut data_from = 0;
    if let Some(library) = library {
        let functions = FUNCTIONS.len() as u64;
        let rows = [
            (".dynamic", 6, in_data(DYNAMIC, 16 * dynamic(library).len() as u64), [6, 0], [8, 16]),
            (".hash", 5, in_data(HASH, 4 * (functions + 4)), [4, 0], [4, 4]),
            (".dynsym", 11, in_data(SYMBOLS, 24 * (functions + 1)), [6, 1], [8, 24]),
            (".rela.dyn", 4, in_data(RELOCATIONS, 24 * functions), [4, 0], [8, 24]),
            (".dynstr", 3, in_data(STRINGS, strings(library).0.len() as u64), [0, 0], [1, 0]),
            (".interp", 1, in_data(INTERPRETER, library.interpreter.len() as u64 + 1), [0, 0], [1, 0]),
            (".got", 1, in_data(FUNCTIONS_AT, 8 * functions), [0, 0], [8, 8]),
        ];
        sections.extend(
            rows.map(|(name, kind, place, links, sizes)| (name, kind, ALLOC | 1, place, links, sizes)),
        );
        data_from = FUNCTIONS_AT + 8 * functions;
    }
    sections.push((".data", 1, ALLOC | 1, in_data(data_from, DATA_BYTES - data_from), [0; 2], [16, 0]));
    let bss = PAGE as u64 + BSS_BYTES - DATA_BYTES;
    sections.push((".bss", 8, ALLOC | 1, in_data(DATA_BYTES, bss), [0; 2], [16, 0]));
    sections.push((".shstrtab", 3, 0, [0; 3], [0; 2], [1, 0]));
    sections
}

/// Adds the headers of the sections, and their names, which the last one holds.
fn write_sections(file: &mut Vec<u8>, sections: &[Section]) {
    let names_at = (file.len() + 64 * sections.len()) as u64;
    let mut names = Vec::new();
    let bytes: usize = sections.iter().map(|section| section.0.len() + 1).sum();
    for (name, kind, flags, place, links, sizes) in sections {
        let place = if *name == ".shstrtab" { [0, names_at, bytes as u64] } else { *place };
        word(file, &[names.len() as u32, *kind]);
        long(file, &[*flags]);
        long(file, &place);
        word(file, links);
        long(file, sizes);
        names.extend(name.bytes().chain([0]));
    }
    file.extend(names);
}

fn segment(file: &mut Vec<u8>, kind: u32, flags: u32, place: [u64; 5]) {
    let [offset, addr, file_bytes, bytes, align] = place;
    word(file, &[kind, flags]);
    long(file, &[offset, addr, addr, file_bytes, bytes, align]);
}

fn half(file: &mut Vec<u8>, values: &[u16]) {
    file.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

fn word(file: &mut Vec<u8>, values: &[u32]) {
    file.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

fn long(file: &mut Vec<u8>, values: &[u64]) {
    file.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}
