//! The lines of `/proc/PID/maps`.

use std::collections::BTreeMap;

use abi::{AddrRange, FileId, FileOff, Prot, VirtAddr};
use mm::{AddressSpace, Backing, MapFile, Memory, ObjectId, VmFlags, Vma};
use proc_text::{MapsRow, write_escaped, write_maps_row};

use super::nameless;

/// What the twin cannot know of the lines that it prints.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Names {
    /// The path of each file, with the kernel's ` (deleted)` behind it where it has no name any more.
    pub paths: BTreeMap<FileId, Vec<u8>>,
    /// Which file the kernel made for each nameless object ([`ObjectId::Nameless`]); zeros for those not told.
    pub nameless: BTreeMap<u64, FileId>,
}

/// Names of pages that the kernel itself maps, by the number in [`Backing::Kernel`].
const KERNEL_NAMES: [&[u8]; 6] =
    [b"[vdso]", b"[vvar]", b"[vvar_vclock]", b"[uprobes]", b"[vectors]", b"[kernel]"];

/// Returns the number in [`Backing::Kernel`] of pages that the kernel itself maps, by their name.
pub fn kernel_number(name: &[u8]) -> Option<usize> {
    KERNEL_NAMES.iter().position(|known| *known == name)
}

/// What maps shows of a mapping, as far as the twin knows it: not what files are called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Line<'a> {
    /// Where.
    pub range: AddrRange,
    /// The protection.
    pub prot: Prot,
    /// `s` rather than `p`: may be shared.
    pub shared: bool,
    /// Offset into the file, in bytes.
    pub offset: FileOff,
    /// What it is a mapping of, if not of memory of its own.
    pub object: Option<ObjectId>,
    /// The name column.
    pub name: Name<'a>,
}

/// A name column, as far as the twin knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Name<'a> {
    /// The kernel's own, empty for none.
    Fixed(&'static [u8]),
    /// What the program called it, behind these bytes of the kernel's and before a bracket.
    Given(&'static [u8], &'a [u8]),
    /// The path of a file.
    Path(FileId),
}

impl<'a> Line<'a> {
    /// Returns what maps shows of a mapping.
    ///
    /// Linux: `fs/proc/task_mmu.c: show_map_vma`.
    pub fn of<M: Memory>(space: &AddressSpace<M>, vma: &'a Vma) -> Self {
        let file = vma.backing.file();
        Self {
            range: vma.range,
            prot: vma.flags.prot(),
            shared: vma.flags.contains(VmFlags::MAYSHARE),
            offset: file.map_or(FileOff(0), |_| vma.pgoff.bytes()),
            object: file.map(|file| file.object),
            name: Name::of(space, vma),
        }
    }
}

impl<'a> Name<'a> {
    /// Linux: `fs/proc/task_mmu.c: get_vma_name`.
    fn of<M: Memory>(space: &AddressSpace<M>, vma: &'a Vma) -> Self {
        let given = |before| vma.name().map(|name| Name::Given(before, name));
        match &vma.backing {
            Backing::File(file) => given(b"[anon_shmem:").unwrap_or_else(|| Self::of_file(file)),
            Backing::Kernel(number) => Name::Fixed(KERNEL_NAMES.get(*number).copied().unwrap_or_default()),
            Backing::Anonymous => {
                let (layout, range) = (space.layout(), vma.range);
                let stack = layout.start_stack;
                if range.start < layout.brk && range.end > layout.start_brk {
                    Name::Fixed(b"[heap]")
                } else if stack != VirtAddr::NULL && range.start <= stack && range.end >= stack {
                    Name::Fixed(b"[stack]")
                } else {
                    given(b"[anon:").unwrap_or(Name::Fixed(b""))
                }
            }
        }
    }

    fn of_file(file: &MapFile) -> Self {
        match file.object {
            ObjectId::File(id) => Name::Path(id),
            ObjectId::Nameless(_) => Name::Fixed(nameless(file.kind)),
        }
    }
}

/// One mapping of the twin as maps shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mapping {
    /// Where.
    pub range: AddrRange,
    /// The protection.
    pub prot: Prot,
    /// `s` rather than `p`: may be shared.
    pub shared: bool,
    /// Offset into the file, in bytes.
    pub offset: FileOff,
    /// The file, zeros for none.
    pub file: FileId,
    /// The name column as the kernel prints it, empty for none.
    pub name: Vec<u8>,
}

impl Mapping {
    /// Returns what maps shows of a mapping.
    pub fn of<M: Memory>(space: &AddressSpace<M>, vma: &Vma, names: &Names) -> Self {
        let Line { range, prot, shared, offset, object, name } = Line::of(space, vma);
        let file = match object {
            None => FileId::default(),
            Some(ObjectId::File(id)) => id,
            Some(ObjectId::Nameless(number)) => names.nameless.get(&number).copied().unwrap_or_default(),
        };
        let name = match name {
            Name::Fixed(name) => name.to_vec(),
            Name::Given(before, name) => [before, name, b"]"].concat(),
            Name::Path(id) => {
                let mut printed = Vec::new();
                write_escaped(names.paths.get(&id).map_or(&[], Vec::as_slice), &mut printed);
                printed
            }
        };
        Self { range, prot, shared, offset, file, name }
    }

    /// Returns it as a row of maps.
    pub fn row(&self) -> MapsRow<'_> {
        let Self { range, prot, shared, offset, file, ref name } = *self;
        MapsRow { range, prot, shared, offset, file, name }
    }
}

/// Appends the text of `/proc/PID/maps`.
pub fn write_maps<M: Memory>(space: &AddressSpace<M>, names: &Names, out: &mut Vec<u8>) {
    space.vmas().for_each(|vma| write_maps_row(&Mapping::of(space, vma, names).row(), out));
}
