//! The static part: loaded objects by their program headers.

use std::collections::HashSet;

use abi::{AddrRange, FileId, Prot, VirtAddr};
use elf::{Part, PartKind, Segment, SegmentKind};

use super::claim::Claim;
use super::{Owner, Verdict};
use crate::kind::Kind;
use crate::rule::Rule;
use crate::value::{Mapping, Object, Snapshot};

/// The files of which some mapping is executable: programs and libraries, with or without known headers.
pub(super) fn executable_files(snapshot: &Snapshot) -> HashSet<FileId> {
    let executable = snapshot.mappings.iter().filter(|m| m.prot.contains(Prot::EXEC));
    executable.map(|m| m.file).filter(|file| *file != FileId::default()).collect()
}

/// Claims the parts of every object whose headers are known, wherever it is loaded.
pub(super) fn claim(snapshot: &Snapshot, claims: &mut Vec<Claim>) {
    let mut taken = VirtAddr::NULL;
    for (at, mapping) in snapshot.mappings.iter().enumerate() {
        if mapping.file == FileId::default() || mapping.range.start < taken {
            continue;
        }
        let Some(index) = snapshot.objects.iter().position(|object| object.file == mapping.file) else {
            continue;
        };
        let object = &snapshot.objects[index];
        let Some(bias) = bias_of(object, mapping) else { continue };
        let Some(span) = elf::span(&object.segments).map(|span| moved(span, bias)) else { continue };
        let inside = snapshot.mappings[at..].iter().take_while(|m| m.range.start < span.end);
        if !is_loaded(object, bias, inside.clone()) {
            continue;
        }
        taken = span.end;
        let parts = elf::parts(&object.segments);
        for mapping in inside {
            claim_mapping(mapping, index, object, &parts, bias, span, claims);
        }
    }
}

/// The address as an object's own file has it, if that object is loaded there.
pub fn own_address(snapshot: &Snapshot, object: usize, address: VirtAddr) -> Option<VirtAddr> {
    let object = snapshot.objects.get(object)?;
    let span = elf::span(&object.segments)?;
    let end = snapshot.mappings.partition_point(|mapping| mapping.range.start <= address);
    let below = snapshot.mappings[..end].iter().rev().filter(|mapping| mapping.file == object.file);
    let mut own =
        below.filter_map(|mapping| Some(VirtAddr(address.0.wrapping_sub(bias_of(object, mapping)?))));
    own.find(|own| span.contains(*own))
}

/// How far from its file's own addresses an object is loaded (wrapping); `None` if it is not loaded, or its program
/// headers are not known. Of an object that is loaded several times the lowest counts.
pub fn load_bias(snapshot: &Snapshot, object: usize) -> Option<u64> {
    let object = snapshot.objects.get(object)?;
    let span = elf::span(&object.segments)?;
    let mappings = &snapshot.mappings;
    let mut first = mappings.iter().enumerate().filter(|(_, mapping)| mapping.file == object.file);
    first.find_map(|(at, mapping)| {
        let bias = bias_of(object, mapping)?;
        let end = moved(span, bias).end;
        let inside = mappings[at..].iter().take_while(|mapping| mapping.range.start < end);
        is_loaded(object, bias, inside).then_some(bias)
    })
}

/// The load bias if this mapping is an object's first: wrapping, since prelinked files may be moved down.
fn bias_of(object: &Object, mapping: &Mapping) -> Option<u64> {
    let first = loads(&object.segments).min_by_key(|s| s.addr)?;
    let first_page = first.offset.0 & !(abi::PAGE_SIZE - 1);
    let is_first = !mapping.shared && mapping.offset.0 == first_page;
    is_first.then(|| mapping.range.start.0.wrapping_sub(first.addr.page_down().0))
}

/// Tells a loaded object from a file that is merely mapped from its start: its code is where it should be.
fn is_loaded<'a>(object: &Object, bias: u64, mut inside: impl Iterator<Item = &'a Mapping>) -> bool {
    let Some(code) = loads(&object.segments).find(|s| s.prot.contains(Prot::EXEC)) else { return true };
    let start = VirtAddr(code.addr.page_down().0.wrapping_add(bias));
    let Some(mapping) = inside.find(|m| m.range.contains(start)) else { return false };
    let offset = mapping.offset.0.wrapping_add(start.0 - mapping.range.start.0);
    let from_file = mapping.file == object.file && offset == code.offset.0 & !(abi::PAGE_SIZE - 1);
    // Code may have been copied into memory of no file (huge pages for text).
    mapping.prot.contains(Prot::EXEC) && (from_file || mapping.is_private_anonymous())
}

fn claim_mapping(
    mapping: &Mapping,
    index: usize,
    object: &Object,
    parts: &[Part],
    bias: u64,
    span: AddrRange,
    claims: &mut Vec<Claim>,
) {
    let from_file = mapping.file == object.file && !mapping.shared;
    if !from_file && !mapping.is_private_anonymous() {
        return;
    }
    let owner = Some(Owner::Object(index));
    for part in parts {
        let Some(range) = moved(part.range, bias).intersection(mapping.range) else { continue };
        // A packer's program is unpacked into what the file declares as zeros.
        let is_unpacked = !from_file && part.kind == PartKind::Bss && mapping.prot.contains(Prot::EXEC);
        let kind = if is_unpacked { Kind::Text } else { kind_of(part.kind) };
        let rule = match part.kind {
            _ if from_file => Rule::Segment,
            PartKind::Bss if !is_unpacked => Rule::BssTail,
            _ => Rule::SegmentCopied,
        };
        claims.push(Claim { range, verdict: Verdict { kind, owner, rule } });
    }
    // Claims made first win: this one gets what lies between the parts.
    if let Some(range) = span.intersection(mapping.range).filter(|_| from_file) {
        let kind = if mapping.prot.is_empty() { Kind::Reservation } else { Kind::ReadOnlyData };
        claims.push(Claim { range, verdict: Verdict { kind, owner, rule: Rule::BetweenSegments } });
    }
}

const fn kind_of(part: PartKind) -> Kind {
    match part {
        PartKind::Text => Kind::Text,
        PartKind::ReadOnlyData => Kind::ReadOnlyData,
        PartKind::Relro => Kind::Relro,
        PartKind::Data => Kind::Data,
        PartKind::Bss => Kind::Bss,
    }
}

fn loads(segments: &[Segment]) -> impl Iterator<Item = &Segment> {
    segments.iter().filter(|s| s.kind == SegmentKind::Load)
}

/// A range of a file's own addresses as the process has it; empty where the sum would wrap around.
fn moved(range: AddrRange, bias: u64) -> AddrRange {
    let start = VirtAddr(range.start.0.wrapping_add(bias));
    let end = VirtAddr(range.end.0.wrapping_add(bias));
    AddrRange { start, end: end.max(start) }
}
