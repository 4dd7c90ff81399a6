//! Exec by its rules: what the files that are loaded say, laid out as the kernel lays it out.
//!
//! Read from the kernel's map is only what is random or built into the kernel: where the program begins, where the
//! search for free places begins, the stack, and how large the kernel's own pages are.

use std::collections::BTreeMap;
use std::sync::Arc;

use abi::{FileId, PAGE_SIZE, Prot, VirtAddr};
use elf::{LinkKind, SegmentKind};
use mm::{
    AddressSpace, DescriptionId, ExecFile, ExecImage, ExecPlace, ExecSegment, ExecStack, Input, KernelPages,
    Layout, Limits, MapFile, ObjectId, OpenMode, Refusal, Settings, VmFlags,
};
use proc_twin::kernel_number;
use recording::{Bytes, ExecEvent, MapRow, MmId};

use super::adopt::{layout, settings};
use super::input::kind_of;
use super::{Base, Shared, Twin};

/// `AT_ENTRY` of the auxiliary vector: where the program itself begins to run.
const AT_ENTRY: u64 = 9;

/// A file that exec loads.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Which file.
    pub file: FileId,
    /// As maps names it.
    pub path: Bytes,
    /// Its size.
    pub bytes: u64,
    /// What kind of file it is.
    pub kind: recording::FileKind,
    /// What it says.
    pub image: elf::Image,
}

/// Why exec is not laid out by its rules.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExecUnknown {
    /// Where the search for free places begins can't be seen: the file placed there is aligned to more than pages.
    Base,
    /// The kernel's map has no stack, or the auxiliary vector no entry.
    Facts,
    /// The twin says that the kernel refuses.
    Refused(Refusal),
}

impl Twin {
    /// Makes the twin of a program that was just executed from its files.
    ///
    /// # Errors
    /// If it can't be told, or would be refused.
    pub fn exec(
        shared: &mut Shared,
        mm: MmId,
        exec: &ExecEvent,
        (limits, inherited): (Limits, Settings),
        (rows, flags): (&[MapRow], &[VmFlags]),
        (program, interpreter): (&Loaded, Option<&Loaded>),
    ) -> Result<Self, ExecUnknown> {
        let free =
            if program.image.link == LinkKind::Dyn { interpreter.or(Some(program)) } else { interpreter };
        if free.is_some_and(|file| alignment(&file.image) > PAGE_SIZE) {
            return Err(ExecUnknown::Base);
        }
        let entry = exec.auxv.iter().find(|(key, _)| *key == AT_ENTRY).ok_or(ExecUnknown::Facts)?.1;
        let place = match (program.image.link, interpreter) {
            (LinkKind::Exec, _) => ExecPlace::AsLinked,
            (_, Some(_)) => ExecPlace::Bias(VirtAddr(entry.wrapping_sub(program.image.entry.0))),
            (_, None) => ExecPlace::Anywhere,
        };
        let mut layout = layout(Some(exec), &limits, rows, shared.placing);
        let below = free.map_or(0, |file| mapped_below(&file.image));
        layout.mmap_base.0 += below;
        // Both ways begin at the same distance from where they would.
        let legacy = &mut layout.mmap_legacy_base.0;
        *legacy = if layout.bottom_up { *legacy + below } else { legacy.saturating_sub(below) };
        let stack = rows.iter().find(|row| *row.name == *b"[stack]").ok_or(ExecUnknown::Facts)?;
        let image = ExecImage {
            program: file(program, place),
            interpreter: interpreter.map(|loaded| file(loaded, ExecPlace::Anywhere)),
            stack: ExecStack { range: stack.range, prot: stack_prot(&program.image) },
            kernel: kernel_pages(rows, flags),
            layout,
            settings: settings(Some(exec), inherited),
        };
        let input = Input { caps: shared.caps, ..Input::default() };
        let space =
            AddressSpace::exec(&mut shared.sys, &image, limits, &input).map_err(ExecUnknown::Refused)?;
        let files = [Some(program), interpreter];
        let paths: BTreeMap<FileId, Bytes> =
            files.into_iter().flatten().map(|loaded| (loaded.file, loaded.path.clone())).collect();
        let (nameless, uffds) = (Arc::default(), BTreeMap::new());
        Ok(Self { mm, space, paths: Arc::new(paths), nameless, base: Base::Known, uffds })
    }

    /// Searches for free places from where another layout has it.
    pub fn search_from(&mut self, layout: &Layout) {
        let own = self.space.layout_mut();
        own.mmap_base = layout.mmap_base;
        own.mmap_legacy_base = layout.mmap_legacy_base;
    }

    /// The flags of each mapping that smaps has letters for.
    pub fn printed_flags(&self) -> impl Iterator<Item = VmFlags> {
        let unprinted = VmFlags::NAMED.iter().filter(|(_, _, letters)| letters.is_empty());
        let unprinted = unprinted.fold(VmFlags::NONE, |all, (flag, ..)| all | *flag);
        self.space.vmas().map(move |vma| vma.flags.without(unprinted))
    }
}

fn loads(image: &elf::Image) -> impl Iterator<Item = &elf::Segment> {
    image.segments.iter().filter(|segment| segment.kind == SegmentKind::Load)
}

/// The largest alignment that a segment asks for.
///
/// Linux: `fs/binfmt_elf.c: maximum_alignment`, which takes powers of two only.
fn alignment(image: &elf::Image) -> u64 {
    loads(image).map(|segment| segment.align).filter(|align| align.is_power_of_two()).max().unwrap_or(0)
}

/// How far below the first segment the lowest lies. All segments together are given one free place, and the first is mapped
/// at its begin: so far they lie below the place, and its end stays free.
///
/// Linux: `fs/binfmt_elf.c: elf_map`.
fn mapped_below(image: &elf::Image) -> u64 {
    let starts = || loads(image).map(|segment| segment.addr.page_down().0);
    starts().next().unwrap_or(0) - starts().min().unwrap_or(0)
}

fn file(loaded: &Loaded, place: ExecPlace) -> ExecFile {
    let file = MapFile {
        object: ObjectId::File(loaded.file),
        description: DescriptionId::Unknown(loaded.file),
        kind: kind_of(loaded.kind, &loaded.path),
        mode: OpenMode { read: true, write: false, append_only: false },
        bytes: loaded.bytes,
        seals: 0,
        noexec: false,
    };
    let segments = loads(&loaded.image).map(|segment| ExecSegment {
        addr: segment.addr,
        offset: segment.offset,
        file_bytes: segment.file_bytes,
        mem_bytes: segment.memory_bytes,
        prot: segment.prot,
        align: segment.align,
    });
    ExecFile { file: Arc::new(file), place, segments: segments.collect() }
}

/// Without `PT_GNU_STACK` a 64-bit program has no executable stack.
///
/// Linux: `arch/x86/include/asm/elf.h: elf_read_implies_exec`.
fn stack_prot(program: &elf::Image) -> Prot {
    let asks = program.segments.iter().rfind(|segment| segment.kind == SegmentKind::Stack);
    if asks.is_some_and(|segment| segment.prot.contains(Prot::EXEC)) {
        Prot::RW | Prot::EXEC
    } else {
        Prot::RW
    }
}

/// What the kernel was built with.
fn kernel_pages(rows: &[MapRow], flags: &[VmFlags]) -> Arc<[KernelPages]> {
    let of = |(row, flags): (&MapRow, &VmFlags)| {
        Some(KernelPages { pages: row.range.pages(), flags: *flags, number: kernel_number(&row.name)? })
    };
    rows.iter().zip(flags).filter_map(of).collect()
}
