//! Taking over a kernel's map: at exec, at the first sight of a process, and where the maps differed.

use std::collections::BTreeMap;
use std::sync::Arc;

use abi::{AddrRange, FileId, PAGE_SHIFT, PAGE_SIZE, PageOff, Personality, VirtAddr};
use mm::{
    AddressSpace, AdoptedVma, AnonPages, Backing, DescriptionId, Layout, Limits, MapFile, ObjectId, OpenMode,
    Settings, VmFlags,
};
use proc_twin::{NAMELESS, NAMELESS_HUGE, NAMELESS_RING, kernel_number};
use recording::{Bytes, ExecEvent, MapRow, MmId};

use super::{Base, Shared, Twin, driver};

/// Makes the twin of a memory from its map.
pub(super) fn twin(
    shared: &mut Shared,
    mm: MmId,
    exec: Option<&ExecEvent>,
    limits: Limits,
    inherited: Settings,
    (rows, flags): (&[MapRow], &[VmFlags]),
) -> Twin {
    let layout = layout(exec, &limits, rows, shared.placing);
    let known = flags.iter().copied().map(Some).chain(std::iter::repeat(None));
    let adopted = rows.iter().zip(known).map(|(row, flags)| adopted(row, flags));
    let mut space = AddressSpace::adopt(&mut shared.sys, layout, limits, adopted);
    space.set_settings(settings(exec, inherited));
    // Of a process that ran already, any free place may lie above its highest mapping.
    let base = if exec.is_some() { Base::Known } else { Base::ToBeLearned };
    Twin { mm, space, paths: Arc::new(paths(rows)), nameless: Arc::default(), base, uffds: BTreeMap::new() }
}

/// What a memory has from the one before it, and by its program.
pub(super) fn settings(exec: Option<&ExecEvent>, inherited: Settings) -> Settings {
    let mut settings = Settings { only_key_taken: false, ..inherited };
    settings.set_persona(exec.map_or(0, |exec| exec.personality as u32));
    settings
}

impl Twin {
    /// Puts the kernel's lines in the place of what the twin has in a range.
    pub fn replace(&mut self, shared: &mut Shared, range: AddrRange, rows: &[MapRow]) {
        self.space.resync(&mut shared.sys, range, rows.iter().map(|row| adopted(row, None)));
        let known = paths(rows);
        if known.iter().any(|(id, path)| self.paths.get(id) != Some(path)) {
            Arc::make_mut(&mut self.paths).extend(known);
        }
        // The heap's end is any byte: it is known to the page only.
        if let Some(heap) = rows.iter().rfind(|row| *row.name == *b"[heap]") {
            let layout = self.space.layout_mut();
            if layout.brk.page_up_wrapping() != heap.range.end {
                layout.brk = heap.range.end;
            }
        }
    }
}

pub(super) fn paths(rows: &[MapRow]) -> BTreeMap<FileId, Bytes> {
    rows.iter().filter(|row| row.file.ino != 0).map(|row| (row.file, row.name.clone())).collect()
}

/// The end of user addresses.
const TASK_SIZE: u64 = 0x7fff_ffff_f000;
/// Where the search upwards begins where nothing is random.
///
/// Linux: `arch/x86/include/asm/processor.h: __TASK_UNMAPPED_BASE`.
const UNMAPPED_BASE: VirtAddr = VirtAddr(TASK_SIZE / 3).page_up_wrapping();

/// What the kernel's settings say of where mappings go.
#[derive(Clone, Copy)]
pub(super) struct Placing {
    /// The bytes kept free below a growing stack.
    pub(super) guard_bytes: u64,
    /// The way that every program's search goes, whatever its personality (`vm.legacy_va_layout`).
    pub(super) direction: Direction,
    /// Where stacks end (`kernel.randomize_va_space`).
    pub(super) stacks: Stacks,
}

/// Whether the top of a stack is moved at random, where the personality allows it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stacks {
    /// It is.
    Moved,
    /// It is not.
    Fixed,
}

/// Which way the search for free places goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// Down from below the stack.
    Down,
    /// Up from a third of the addresses: the legacy layout.
    Up,
}

pub(super) fn layout(exec: Option<&ExecEvent>, limits: &Limits, rows: &[MapRow], placing: Placing) -> Layout {
    let named = |name: &[u8]| rows.iter().find(|row| *row.name == *name).map(|row| row.range);
    let heap = named(b"[heap]");
    let stack = named(b"[stack]");
    let start_brk = exec.and_then(|exec| exec.start_brk).or(heap.map(|heap| heap.start)).unwrap_or_default();
    let [_, _, start_data, end_data] = exec.and_then(|exec| exec.segments).unwrap_or_default();
    let personality = Personality(exec.map_or(0, |exec| exec.personality));
    let bottom_up =
        placing.direction == Direction::Up || personality.contains(Personality::ADDR_COMPAT_LAYOUT);
    let (mmap_base, mmap_legacy_base) = if bottom_up {
        let base = lowest_placed(rows);
        (base, base)
    } else {
        let bound = highest_base(limits, personality, placing);
        // Without a limit of the stack the program and its heap lie above.
        let ends = rows.iter().map(|row| row.range.end).filter(|end| *end <= bound);
        let base = ends.max().unwrap_or_default();
        // Both ways begin at the same random distance from where they would.
        (base, VirtAddr(UNMAPPED_BASE.0 + bound.0.saturating_sub(base.0)))
    };
    Layout {
        mmap_base,
        mmap_legacy_base,
        bottom_up,
        start_brk,
        brk: heap.map_or(start_brk, |heap| heap.end),
        start_data,
        end_data,
        start_stack: exec
            .and_then(|exec| exec.start_stack)
            .or(stack.map(|stack| VirtAddr(stack.end.0 - PAGE_SIZE)))
            .unwrap_or_default(),
    }
}

/// Where the search upwards began: what exec placed first begins there. A program that is not linked to fixed addresses
/// lies above all that, at two thirds of the addresses.
///
/// ```text
/// program (fixed)  base: interpreter, vdso ...  program (moved) heap  stack
///                  ^ a third and a random number
/// ```
fn lowest_placed(rows: &[MapRow]) -> VirtAddr {
    let starts = rows.iter().map(|row| row.range.start);
    starts.filter(|start| *start >= UNMAPPED_BASE).min().unwrap_or(UNMAPPED_BASE)
}

/// Where the search downwards begins where nothing is random: below a stack of the size that its limit allows.
///
/// Linux: `arch/x86/mm/mmap.c: mmap_base`, `mmap_legacy_base`.
fn highest_base(limits: &Limits, personality: Personality, placing: Placing) -> VirtAddr {
    /// How far the stack's top is moved at random at most.
    const STACK_RANDOM: u64 = 0x3f_ffff << PAGE_SHIFT;
    let is_fixed = placing.stacks == Stacks::Fixed || personality.contains(Personality::ADDR_NO_RANDOMIZE);
    let random = if is_fixed { 0 } else { STACK_RANDOM };
    let gap =
        limits.stack.soft.saturating_add(random + placing.guard_bytes).clamp(128 << 20, TASK_SIZE / 6 * 5);
    VirtAddr(TASK_SIZE - gap).page_up_wrapping()
}

/// A line of a kernel's map as the twin takes it over.
fn adopted(row: &MapRow, known: Option<VmFlags>) -> AdoptedVma {
    let backing = backing(row, known.unwrap_or(VmFlags::NONE));
    let of_file = matches!(backing, Backing::File(_));
    AdoptedVma {
        range: row.range,
        flags: known.unwrap_or_else(|| flags(row, &backing)),
        pgoff: of_file.then_some(PageOff(row.offset.0 >> PAGE_SHIFT)),
        backing,
        anon: AnonPages::None,
        name: row.name.strip_prefix(b"[anon:").and_then(|rest| rest.strip_suffix(b"]")).map(Arc::from),
    }
}

fn flags(row: &MapRow, backing: &Backing) -> VmFlags {
    let flags = VmFlags::of_maps_line(row.prot, row.shared);
    if let Some(mm::FileKind::Special(driver)) = backing.file_kind() {
        return driver.flags(flags, None);
    }
    match (backing, &*row.name) {
        (_, b"[stack]") => flags.with(VmFlags::GROWSDOWN),
        (Backing::Kernel(_), b"[vdso]") => flags.with(VmFlags::DONTEXPAND),
        (Backing::Kernel(_), _) => flags.with(VmFlags::SPECIAL).with(VmFlags::DONTDUMP),
        (Backing::File(file), _) if file.kind == mm::FileKind::AioRing => flags.with(VmFlags::DONTEXPAND),
        (Backing::File(file), _) if file.kind == mm::FileKind::Hugetlb => {
            flags.with(VmFlags::HUGETLB).with(VmFlags::DONTEXPAND)
        }
        _ => flags,
    }
}

/// What is behind a line; `known` are its flags as far as they were told.
fn backing(row: &MapRow, known: VmFlags) -> Backing {
    if let Some(number) = kernel_number(&row.name) {
        return Backing::Kernel(number);
    }
    if row.file.ino == 0 {
        return Backing::Anonymous;
    }
    let starts = |prefix: &[u8]| row.name.starts_with(prefix);
    let kind = if known.contains(VmFlags::HUGETLB) || *row.name == *NAMELESS_HUGE {
        // Of which size its pages are nobody tells; this is the one that is always there.
        mm::FileKind::Hugetlb
    } else if starts(b"/SYSV") {
        mm::FileKind::SysV
    } else if *row.name == *NAMELESS_RING {
        mm::FileKind::AioRing
    } else if starts(NAMELESS) || starts(b"/memfd:") || starts(b"/dev/shm/") {
        mm::FileKind::Shmem
    } else if starts(b"/dev/") {
        driver::device(&row.name)
    } else if let Some(kind) = driver::nameless_inode(&row.name) {
        kind
    } else {
        mm::FileKind::Regular
    };
    Backing::File(Arc::new(MapFile {
        object: ObjectId::File(row.file),
        description: DescriptionId::Unknown(row.file),
        kind,
        mode: OpenMode { read: true, write: row.shared, append_only: false },
        bytes: u64::MAX >> 1,
        seals: 0,
        noexec: false,
    }))
}
