//! The mappings of a core: its segments, with the names and files that its notes tell.
//!
//! gdb leaves out ranges of which the file on disk holds the contents: they are taken from the list of files,
//! their rights from the file's own headers. It writes memory without any right as readable.

use std::collections::HashMap;
use std::sync::Arc;

use abi::{AddrRange, DevId, FileId, FileOff, Prot, VirtAddr};
use elf::{CoreFile, CoreMaker, CoreMappedFile, SegmentKind};

use super::objects;
use crate::memory::Memory;
use crate::value::{Mapping, Object, Snapshot};

const AT_PHDR: u64 = 3;
const AT_ENTRY: u64 = 9;
const AT_RANDOM: u64 = 25;
const AT_SYSINFO_EHDR: u64 = 33;
/// The page of legacy system calls, at the same place in every process.
const VSYSCALL: VirtAddr = VirtAddr(0xffff_ffff_ff60_0000);
/// How far behind the program's image the heap may begin: the kernel moves it by up to 1 GiB
/// (`arch/x86/kernel/process.c: arch_randomize_brk`).
const HEAP_DISTANCE_MAX: u64 = (1 << 30) + (32 << 20);

/// What is mapped.
pub(super) struct Found {
    pub(super) mappings: Vec<Mapping>,
    pub(super) objects: Vec<Object>,
    pub(super) program: Option<FileId>,
}

/// Puts the mappings together.
pub(super) fn mappings(core: &CoreFile, memory: &dyn Memory) -> Found {
    let mut files = Files::default();
    let mut objects = Vec::new();
    for file in core.files.iter().filter(|file| file.offset == FileOff(0)) {
        let id = files.id(&file.path);
        if !objects.iter().any(|object: &Object| object.file == id) {
            objects.extend(objects::object(memory, id, &file.path, file.range.start));
        }
    }
    let mut mappings = of_segments(core, &mut files);
    mappings.extend(left_out(core, &objects, &mappings, &mut files));
    mappings.sort_by_key(|mapping| mapping.range);
    mappings.dedup_by(|after, before| after.range.start < before.range.end);
    name_kernel_mappings(core, &mut mappings);
    let entry = value(core, AT_PHDR).or(value(core, AT_ENTRY)).map(VirtAddr);
    let program = entry.and_then(|entry| mappings.iter().find(|mapping| mapping.range.contains(entry)));
    let program = program.map(|mapping| mapping.file).filter(|file| *file != FileId::default());
    Found { mappings, objects, program }
}

/// A core names files by path alone: each path gets a number of its own.
#[derive(Default)]
struct Files {
    ids: HashMap<Vec<u8>, (u64, Arc<[u8]>)>,
}

impl Files {
    fn id(&mut self, path: &[u8]) -> FileId {
        let next = self.ids.len() as u64 + 1;
        let ino = self.ids.entry(path.to_vec()).or_insert_with(|| (next, path.into())).0;
        FileId { dev: DevId::default(), ino }
    }

    fn name(&mut self, path: &[u8]) -> Arc<[u8]> {
        self.id(path);
        self.ids.get(path).map_or_else(|| path.into(), |(_, name)| name.clone())
    }
}

/// The segments, cut where the list of files says that another file begins.
fn of_segments(core: &CoreFile, files: &mut Files) -> Vec<Mapping> {
    let mut mappings = Vec::new();
    for segment in &core.segments {
        let first = core.files.partition_point(|file| file.range.end <= segment.range.start);
        let mut at = segment.range.start;
        for file in &core.files[first..] {
            let Some(range) = file.range.intersection(segment.range).filter(|range| range.start >= at) else {
                break;
            };
            if at < range.start {
                mappings.push(anonymous(AddrRange::new(at, range.start), segment.prot, core.maker));
            }
            let is_shared = is_shared(&file.path, segment.prot, segment.bytes_held);
            mappings.push(of_file(file, range, segment.prot, is_shared, files));
            at = range.end;
        }
        if at < segment.range.end {
            mappings.push(anonymous(AddrRange::new(at, segment.range.end), segment.prot, core.maker));
        }
    }
    mappings
}

fn anonymous(range: AddrRange, prot: Prot, maker: CoreMaker) -> Mapping {
    let hides_rights = maker == CoreMaker::Gdb && prot == Prot::READ;
    Mapping {
        range,
        prot: if hides_rights { Prot::NONE } else { prot },
        shared: false,
        offset: FileOff(0),
        file: FileId::default(),
        name: [].into(),
    }
}

fn of_file(file: &CoreMappedFile, range: AddrRange, prot: Prot, shared: bool, files: &mut Files) -> Mapping {
    Mapping {
        range,
        prot,
        shared,
        offset: FileOff(file.offset.0.saturating_add(range.start.0 - file.range.start.0)),
        file: files.id(&file.path),
        name: files.name(&file.path),
    }
}

/// Whether a file is mapped shared: a core does not say. Memory without a file of its own is; of other files
/// the kernel writes what was changed privately, so one that may be written and is not held was shared.
fn is_shared(path: &[u8], prot: Prot, bytes_held: u64) -> bool {
    const SHARED: [&[u8]; 4] = [b"/dev/zero", b"/SYSV", b"/memfd:", b"/dev/shm/"];
    SHARED.iter().any(|prefix| path.starts_with(prefix)) || (prot.contains(Prot::WRITE) && bytes_held == 0)
}

/// What the list of files has and no segment covers.
fn left_out(core: &CoreFile, objects: &[Object], there: &[Mapping], files: &mut Files) -> Vec<Mapping> {
    let mut found: Vec<Mapping> = Vec::new();
    for file in &core.files {
        let first = there.partition_point(|mapping| mapping.range.end <= file.range.start);
        let is_covered = there.get(first).is_some_and(|mapping| mapping.range.overlaps(file.range));
        if is_covered || file.range.is_empty() {
            continue;
        }
        let id = files.id(&file.path);
        let object = objects.iter().find(|object| object.file == id);
        let prot = object.and_then(|object| rights(object, core, file)).unwrap_or(Prot::READ);
        found.push(of_file(file, file.range, prot, false, files));
    }
    found
}

/// The rights of a range of an object, by its segment.
fn rights(object: &Object, core: &CoreFile, file: &CoreMappedFile) -> Option<Prot> {
    let of_object =
        core.files.iter().filter(|other| other.path == file.path && other.range.start <= file.range.start);
    let base = of_object.filter(|other| other.offset == FileOff(0)).map(|other| other.range.start).max()?;
    let loads = || object.segments.iter().filter(|segment| segment.kind == SegmentKind::Load);
    let lowest = loads().map(|segment| segment.addr.page_down()).min()?;
    let own = VirtAddr(file.range.start.0.wrapping_sub(base.0).wrapping_add(lowest.0));
    let pages = |segment: &elf::Segment| AddrRange {
        start: segment.addr.page_down(),
        end: segment.range().end.page_up_wrapping(),
    };
    loads().find(|segment| pages(segment).contains(own)).map(|segment| segment.prot)
}

fn value(core: &CoreFile, kind: u64) -> Option<u64> {
    core.auxv.iter().find(|(found, _)| *found == kind).map(|(_, value)| *value)
}

/// An address in the main thread's stack: exec puts its random bytes there.
pub(super) fn stack_start(core: &CoreFile) -> Option<VirtAddr> {
    value(core, AT_RANDOM).map(VirtAddr)
}

/// Names what the kernel provides, as `/proc` would.
fn name_kernel_mappings(core: &CoreFile, mappings: &mut [Mapping]) {
    if let Some(last) = mappings.last_mut().filter(|last| last.range.start == VSYSCALL) {
        last.name = (*b"[vsyscall]").into();
        last.prot = Prot::EXEC;
    }
    if let Some(stack) = stack_start(core)
        && let Some(mapping) = mappings.iter_mut().find(|mapping| mapping.range.contains(stack))
        && mapping.is_private_anonymous()
    {
        mapping.name = (*b"[stack]").into();
    }
    let vdso = value(core, AT_SYSINFO_EHDR).map(VirtAddr);
    let Some(at) = vdso.and_then(|vdso| mappings.iter().position(|mapping| mapping.range.start == vdso))
    else {
        return;
    };
    mappings[at].name = (*b"[vdso]").into();
    // Its data lies right below: readable, of no file, one or two ranges.
    let mut below = at;
    while let Some(next) = below.checked_sub(1)
        && mappings[next].range.end == mappings[below].range.start
        && mappings[next].is_private_anonymous()
        && mappings[next].prot == Prot::READ
        && at - next <= 2
    {
        below = next;
    }
    for (place, mapping) in mappings[below..at].iter_mut().enumerate() {
        let is_clock = at - below == 2 && place == 1;
        mapping.name = if is_clock { (*b"[vvar_vclock]").into() } else { (*b"[vvar]").into() };
    }
}

/// Finds the heap: the memory of no file that follows the program's image, and names it. A core does not tell
/// where `brk` began.
pub(super) fn name_heap(snapshot: &mut Snapshot) -> Option<AddrRange> {
    let program = snapshot.program?;
    let object = snapshot.objects.iter().find(|object| object.file == program)?;
    let span = elf::span(&object.segments)?;
    let first = snapshot.mappings.iter().find(|m| m.file == program && m.offset == FileOff(0))?;
    let end = first.range.start.checked_add(span.len())?;
    let mut after = snapshot.mappings.iter_mut().skip_while(|mapping| mapping.range.end <= end);
    let heap = after.next().filter(|mapping| mapping.is_private_anonymous() && mapping.prot == Prot::RW)?;
    let start = heap.range.start.max(end);
    if start.0 - end.0 > HEAP_DISTANCE_MAX {
        return None;
    }
    if start == heap.range.start {
        heap.name = (*b"[heap]").into();
    }
    Some(AddrRange::new(start, heap.range.end))
}
