//! The segments of a file as the ranges that a person knows: text, read-only data, RELRO, data, bss.

use abi::{AddrRange, Prot, VirtAddr};

use crate::image::{Segment, SegmentKind};

/// A range of the file's own addresses and what it holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Part {
    /// The addresses.
    pub range: AddrRange,
    /// What they hold.
    pub kind: PartKind,
}

/// What a part of a loaded file holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum PartKind {
    /// Code (an executable segment).
    Text,
    /// Constants and the file's own tables (a read-only segment).
    ReadOnlyData,
    /// Data that is written by the loader and then made read-only.
    Relro,
    /// Variables with a value in the file.
    Data,
    /// Variables that begin as zero: no bytes in the file.
    Bss,
}

/// Returns the parts that the loadable segments become, ascending and disjoint.
///
/// ```text
///  page:      |0       |1       |2       |3       |4       |5
///  segments:  [R       ][RX            ]     [RW      . . . . .]   . = no bytes in the file
///  parts:     RRRRRRRRR TTTTTTTTTTTTTTTT  LLLLLLLLDDDDDBBBBBBBBB   L = RELRO
/// ```
///
/// Segments are widened to the pages they are mapped by (`fs/binfmt_elf.c: elf_load`), since the bytes around
/// them are there too; where two want the same page the later one has it, as it is mapped over the earlier.
/// RELRO ends at a page boundary, as the dynamic loader rounds it down.
pub fn parts(segments: &[Segment]) -> Vec<Part> {
    let relro = segments.iter().find(|s| s.kind == SegmentKind::Relro).map(protected);
    let mut parts: Vec<Part> = Vec::new();
    let mut loads: Vec<&Segment> = segments.iter().filter(|s| s.kind == SegmentKind::Load).collect();
    loads.sort_by_key(|segment| segment.addr);
    for segment in loads {
        let Some([mapped, zeros]) = mapped(segment) else { continue };
        for part in &mut parts {
            part.range.end = part.range.end.min(mapped.start.max(part.range.start));
        }
        if !segment.prot.contains(Prot::WRITE) {
            let kind =
                if segment.prot.contains(Prot::EXEC) { PartKind::Text } else { PartKind::ReadOnlyData };
            parts.push(Part { range: mapped, kind });
        } else {
            let relro = relro.and_then(|relro| relro.intersection(mapped));
            let cut = relro.map_or([mapped.start; 2], |relro| [relro.start, relro.end]);
            parts.push(Part { range: AddrRange { start: mapped.start, end: cut[0] }, kind: PartKind::Data });
            parts.push(Part { range: AddrRange { start: cut[0], end: cut[1] }, kind: PartKind::Relro });
            parts.push(Part { range: AddrRange { start: cut[1], end: mapped.end }, kind: PartKind::Data });
        }
        parts.push(Part { range: zeros, kind: PartKind::Bss });
        parts.retain(|part| !part.range.is_empty());
    }
    parts
}

/// Returns the pages from the first to the last loadable segment, `None` if there is none.
pub fn span(segments: &[Segment]) -> Option<AddrRange> {
    let loads = || segments.iter().filter(|s| s.kind == SegmentKind::Load);
    let start = loads().map(|s| s.addr.page_down()).min()?;
    let end = loads().filter_map(|s| page_up(s.addr.checked_add(s.memory_bytes)?)).max()?;
    (start < end).then_some(AddrRange { start, end })
}

/// The pages mapped from the file and the zeros after them; `None` if they would pass the end of the space.
fn mapped(segment: &Segment) -> Option<[AddrRange; 2]> {
    let start = segment.addr.page_down();
    let file_end = segment.addr.checked_add(segment.file_bytes)?;
    let memory_end = segment.addr.checked_add(segment.memory_bytes.max(segment.file_bytes))?;
    let end = page_up(memory_end)?;
    if segment.memory_bytes <= segment.file_bytes {
        return Some([AddrRange { start, end }, AddrRange { start: end, end }]);
    }
    Some([AddrRange { start, end: file_end }, AddrRange { start: file_end, end }])
}

/// The pages that the loader makes read-only.
fn protected(relro: &Segment) -> AddrRange {
    let range = relro.range();
    let start = range.start.page_down();
    AddrRange { start, end: range.end.page_down().max(start) }
}

fn page_up(addr: VirtAddr) -> Option<VirtAddr> {
    let up = addr.page_up_wrapping();
    (up >= addr).then_some(up)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(flags: u32, addr: u64, file_bytes: u64, memory_bytes: u64) -> Segment {
        Segment::from_raw(1, flags, [addr & 0xffff, addr, file_bytes, memory_bytes, 4096])
    }

    fn shown(segments: &[Segment]) -> Vec<(PartKind, u64, u64)> {
        parts(segments).iter().map(|p| (p.kind, p.range.start.0, p.range.end.0)).collect()
    }

    #[test]
    fn a_usual_library() {
        let relro = Segment::from_raw(0x6474_e552, 4, [0x3d00, 0x3d00, 0x300, 0x300, 1]);
        let segments = [
            load(4, 0, 0x800, 0x800),
            load(5, 0x1000, 0x1234, 0x1234),
            load(6, 0x3d00, 0x400, 0x1400),
            relro,
        ];
        assert_eq!(
            shown(&segments),
            [
                (PartKind::ReadOnlyData, 0, 0x1000),
                (PartKind::Text, 0x1000, 0x3000),
                (PartKind::Relro, 0x3000, 0x4000),
                (PartKind::Data, 0x4000, 0x4100),
                (PartKind::Bss, 0x4100, 0x6000),
            ]
        );
        assert_eq!(span(&segments).map(AddrRange::len), Some(0x6000));
    }

    #[test]
    fn a_page_wanted_twice_belongs_to_the_later_segment() {
        let segments = [load(5, 0, 0x1800, 0x1800), load(6, 0x1800, 0x100, 0x100)];
        assert_eq!(shown(&segments), [(PartKind::Text, 0, 0x1000), (PartKind::Data, 0x1000, 0x2000)]);
    }

    #[test]
    fn segments_over_one_another_leave_disjoint_parts() {
        let segments =
            [load(6, 0x4000, 0x10, 0x100), load(6, 0x1000, 0x800, 0x9000), load(5, 0, 0x2000, 0x2000)];
        let shown = shown(&segments);
        assert_eq!(
            shown,
            [
                (PartKind::Text, 0, 0x1000),
                (PartKind::Data, 0x1000, 0x1800),
                (PartKind::Bss, 0x1800, 0x4000),
                (PartKind::Data, 0x4000, 0x4010),
                (PartKind::Bss, 0x4010, 0x5000),
            ]
        );
    }

    #[test]
    fn segments_past_the_end_of_the_space_are_left_out() {
        assert_eq!(shown(&[load(6, u64::MAX - 10, 100, 200)]), []);
        assert_eq!(span(&[load(6, u64::MAX - 10, 5, 5)]), None);
    }
}
