//! An executable or library: its metadata, and what becomes of it in memory.

use abi::{AddrRange, Prot, VirtAddr};
use elf::{Image, LinkKind, PartKind, SegmentKind};
use serde::Serialize;

use crate::map::{MapView, MappingLine};
use crate::words::{Word, printable};

/// An executable or library. Addresses are the file's own, in hex; a position-independent file is moved as a
/// whole when it is loaded.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ElfFile {
    /// Its path as given.
    pub path: String,
    /// How it was linked, in words.
    pub link: String,
    /// The architecture.
    pub machine: String,
    /// The path of its interpreter, where it has one.
    pub interpreter: Option<String>,
    /// Its build id in hex, empty if it has none.
    pub build_id: String,
    /// The name it gives itself, empty if it has none.
    pub soname: String,
    /// Where execution begins.
    pub entry: String,
    /// Its program headers, in their order.
    pub segments: Vec<ElfSegment>,
    /// The mappings that the loader makes, in their order.
    pub mappings: Vec<ElfMapping>,
    /// Its sections in memory, by address; empty if it was stripped of them.
    pub sections: Vec<ElfSection>,
    /// What a process made of it, where one was asked for.
    pub process: Option<ElfProcess>,
}

/// What a process made of a file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ElfProcess {
    /// What was asked for.
    pub target: String,
    /// The process, where it is known.
    pub pid: Option<i32>,
    /// Its name, empty where it is not known.
    pub program: String,
    /// How far from its own addresses the file is loaded, in hex.
    pub bias: String,
    /// The mappings of the process that each of the file's became, in their order.
    pub mappings: Vec<ElfLive>,
}

/// A mapping of a process that a file's became, or a part of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ElfLive {
    /// Which of the file's mappings, by its place.
    pub of: usize,
    /// Its first address.
    pub start: String,
    /// The address past its end.
    pub end: String,
    /// Its permissions now.
    pub permissions: String,
    /// Its size in bytes.
    pub size: u64,
    /// What is resident of it.
    pub rss: Option<u64>,
    /// What of its contents a core file holds; `None` for any other target.
    pub in_core: Option<u64>,
    /// The kinds it holds, by their names.
    pub kinds: Vec<Word>,
}

/// A program header.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ElfSegment {
    /// Its type as the headers of C name it.
    pub kind: String,
    /// Its rights: `r-x`.
    pub rights: String,
    /// Where its bytes begin in the file.
    pub offset: u64,
    /// Where they go.
    pub address: String,
    /// How many bytes the file holds.
    pub file_bytes: u64,
    /// How many bytes it takes in memory.
    pub memory_bytes: u64,
    /// Its alignment in bytes.
    pub align: u64,
}

/// A mapping that the loader makes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ElfMapping {
    /// Its first address.
    pub start: String,
    /// The address past its end.
    pub end: String,
    /// Its rights as mapped.
    pub rights: String,
    /// Where in the file it begins; `None` for memory of no file.
    pub offset: Option<u64>,
    /// Its size in bytes.
    pub size: u64,
    /// What it holds, with the bytes of each.
    pub holds: Vec<(String, u64)>,
}

/// A section.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ElfSection {
    /// Its name.
    pub name: String,
    /// Its first address.
    pub address: String,
    /// Its size in bytes.
    pub size: u64,
    /// What it is part of in memory, empty if no segment holds it.
    pub part: String,
}

impl ElfFile {
    /// Describes a file that was read.
    pub fn new(path: &[u8], image: &Image, soname: &[u8]) -> Self {
        let parts = elf::parts(&image.segments);
        let part_at = |addr: VirtAddr| parts.iter().find(|part| part.range.contains(addr));
        let sections = image.sections.iter().map(|section| ElfSection {
            name: printable(&section.name),
            address: section.range.start.to_string(),
            size: section.range.len(),
            part: part_at(section.range.start)
                .map(|part| part_name(part.kind).to_owned())
                .unwrap_or_default(),
        });
        let mappings = elf::load_mappings(&image.segments).into_iter().map(|mapping| ElfMapping {
            start: mapping.range.start.to_string(),
            end: mapping.range.end.to_string(),
            rights: rights(mapping.prot),
            offset: mapping.offset.map(|offset| offset.0),
            size: mapping.range.len(),
            holds: holds(&parts, mapping.range),
        });
        Self {
            path: printable(path),
            link: link(image),
            machine: machine(image.machine),
            interpreter: image.interpreter.as_deref().map(printable),
            soname: printable(soname),
            build_id: image.build_id.iter().flatten().map(|byte| format!("{byte:02x}")).collect(),
            entry: image.entry.to_string(),
            segments: image.segments.iter().map(segment).collect(),
            mappings: mappings.collect(),
            sections: sections.collect(),
            process: None,
        }
    }

    /// Sets beside each mapping what a process that loaded the file at `bias` has there.
    pub fn beside(&mut self, image: &Image, bias: u64, map: &MapView) {
        let moved = |addr: VirtAddr| VirtAddr(addr.0.wrapping_add(bias));
        let mut mappings = Vec::new();
        for (of, mapping) in elf::load_mappings(&image.segments).into_iter().enumerate() {
            let (start, end) = (moved(mapping.range.start), moved(mapping.range.end));
            let range = AddrRange { start, end: end.max(start) };
            let inside = map.mappings.iter().filter(|line| line.range.overlaps(range));
            mappings.extend(inside.map(|line| live(of, line)));
        }
        self.process = Some(ElfProcess {
            target: map.target.clone(),
            pid: map.pid,
            program: map.program.clone(),
            bias: format!("{bias:#x}"),
            mappings,
        });
    }
}

fn live(of: usize, line: &MappingLine) -> ElfLive {
    let mut kinds: Vec<Word> = line.leaves.iter().map(|leaf| leaf.name).collect();
    kinds.dedup();
    ElfLive {
        of,
        start: line.start.clone(),
        end: line.end.clone(),
        permissions: line.permissions.clone(),
        size: line.sums.size,
        rss: line.sums.rss,
        in_core: line.sums.in_core,
        kinds,
    }
}

fn link(image: &Image) -> String {
    match (image.link, &image.interpreter) {
        (LinkKind::Exec, Some(_)) => "program at fixed addresses".to_owned(),
        (LinkKind::Exec, None) => "static program at fixed addresses".to_owned(),
        (LinkKind::Dyn, Some(_)) => "position-independent program".to_owned(),
        (LinkKind::Dyn, None) => "shared library, loader or static position-independent program".to_owned(),
        (LinkKind::Other(kind), _) => format!("not loadable (type {kind})"),
    }
}

fn machine(number: u16) -> String {
    match number {
        3 => "i386".to_owned(),
        40 => "ARM".to_owned(),
        62 => "x86-64".to_owned(),
        183 => "AArch64".to_owned(),
        243 => "RISC-V".to_owned(),
        other => format!("machine {other}"),
    }
}

fn segment(segment: &elf::Segment) -> ElfSegment {
    ElfSegment {
        kind: kind_name(segment.kind),
        rights: rights(segment.prot),
        offset: segment.offset.0,
        address: segment.addr.to_string(),
        file_bytes: segment.file_bytes,
        memory_bytes: segment.memory_bytes,
        align: segment.align,
    }
}

fn kind_name(kind: SegmentKind) -> String {
    let name = match kind {
        SegmentKind::Load => "LOAD",
        SegmentKind::Relro => "GNU_RELRO",
        SegmentKind::Stack => "GNU_STACK",
        SegmentKind::Tls => "TLS",
        SegmentKind::Other(2) => "DYNAMIC",
        SegmentKind::Other(3) => "INTERP",
        SegmentKind::Other(4) => "NOTE",
        SegmentKind::Other(6) => "PHDR",
        SegmentKind::Other(0x6474_e550) => "GNU_EH_FRAME",
        SegmentKind::Other(0x6474_e553) => "GNU_PROPERTY",
        SegmentKind::Other(other) => return format!("{other:#x}"),
    };
    name.to_owned()
}

const fn part_name(part: PartKind) -> &'static str {
    match part {
        PartKind::Text => "text",
        PartKind::ReadOnlyData => "read-only data",
        PartKind::Relro => "RELRO",
        PartKind::Data => "data",
        PartKind::Bss => "bss",
    }
}

fn holds(parts: &[elf::Part], range: AddrRange) -> Vec<(String, u64)> {
    let inside = parts.iter().filter_map(|part| Some((part.kind, part.range.intersection(range)?.len())));
    inside.map(|(kind, bytes)| (part_name(kind).to_owned(), bytes)).collect()
}

fn rights(prot: Prot) -> String {
    let letter = |bit, letter| if prot.contains(bit) { letter } else { '-' };
    [letter(Prot::READ, 'r'), letter(Prot::WRITE, 'w'), letter(Prot::EXEC, 'x')].into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_file() {
        let bytes = std::fs::read("/proc/self/exe").expect("our own file");
        let file = ElfFile::new(b"/proc/self/exe", &elf::read(&bytes).expect("our own file"), b"");
        assert_eq!(file.link, "position-independent program");
        let part_of = |name: &str| file.sections.iter().find(|s| s.name == name).map(|s| s.part.as_str());
        assert_eq!(part_of(".text"), Some("text"));
        assert_eq!(part_of(".rodata"), Some("read-only data"));
        assert_eq!(part_of(".bss"), Some("bss"));
        for mapping in &file.mappings {
            assert_eq!(
                mapping.holds.iter().map(|(_, bytes)| bytes).sum::<u64>(),
                mapping.size,
                "{mapping:?}"
            );
        }
    }
}
