//! What the static part of a memory map needs of an ELF file: segments, sections, RELRO, interpreter, build id,
//! soname.
//!
//! [`read()`] takes the bytes of a file, or only its first pages: program headers stand at the front, and what a
//! cut file no longer holds (sections, mostly) is simply absent. [`parts()`] turns the segments into the ranges
//! text, read-only data, RELRO, data and bss at the file's own addresses; adding a [load bias](Image) gives
//! those of a process.
//!
//! ```
//! let bytes = std::fs::read("/proc/self/exe")?;
//! let image = elf::read(&bytes)?;
//! let text = elf::parts(&image.segments).into_iter().find(|part| part.kind == elf::PartKind::Text);
//! assert!(text.expect("a program has text").range.contains(image.entry));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Invariant: it knows no processes and opens no files.

mod core_file;
mod error;
mod image;
mod mappings;
mod parts;
mod read;
mod soname;
mod symbols;
mod words;

pub use core_file::{
    CoreFile, CoreMaker, CoreMappedFile, CoreProcess, CoreSegment, CoreSignal, CoreThread, ReadAt, read_core,
};
pub use error::ElfError;
pub use image::{Image, LinkKind, Section, Segment, SegmentKind};
pub use mappings::{LoadMapping, load_mappings};
pub use parts::{Part, PartKind, parts, span};
pub use read::read;
pub use soname::soname;
pub use symbols::{Symbol, SymbolKind, SymbolTable, symbol_at, symbols};
