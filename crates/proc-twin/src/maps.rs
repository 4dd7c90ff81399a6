//! The lines of `/proc/PID/maps`.

use std::collections::BTreeMap;

use abi::{AddrRange, FileId, FileOff, Prot, VirtAddr};
use mm::{AddressSpace, Backing, FileKind, MapFile, Memory, ObjectId, VmFlags, Vma};
use proc_text::{MapsRow, write_escaped, write_maps_row};

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
    ///
    /// Linux: `fs/proc/task_mmu.c: show_map_vma`.
    pub fn of<M: Memory>(space: &AddressSpace<M>, vma: &Vma, names: &Names) -> Self {
        let file = vma.backing.file();
        Self {
            range: vma.range,
            prot: vma.flags.prot(),
            shared: vma.flags.contains(VmFlags::MAYSHARE),
            offset: file.map_or(FileOff(0), |_| vma.pgoff.bytes()),
            file: file.map_or(FileId::default(), |file| match file.object {
                ObjectId::File(id) => id,
                ObjectId::Nameless(number) => names.nameless.get(&number).copied().unwrap_or_default(),
            }),
            name: name(space, vma, names),
        }
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

/// Linux: `fs/proc/task_mmu.c: get_vma_name`.
fn name<M: Memory>(space: &AddressSpace<M>, vma: &Vma, names: &Names) -> Vec<u8> {
    let given = |before: &[u8]| vma.name().map(|name| [before, name, b"]"].concat());
    match &vma.backing {
        Backing::File(file) => given(b"[anon_shmem:").unwrap_or_else(|| path(file, names)),
        Backing::Kernel(number) => {
            KERNEL_NAMES.get(usize::from(*number)).map_or_else(Vec::new, |name| name.to_vec())
        }
        Backing::Anonymous => {
            let (layout, range) = (space.layout(), vma.range);
            let stack = layout.start_stack;
            if range.start < layout.brk && range.end > layout.start_brk {
                b"[heap]".to_vec()
            } else if stack != VirtAddr::NULL && range.start <= stack && range.end >= stack {
                b"[stack]".to_vec()
            } else {
                given(b"[anon:").unwrap_or_default()
            }
        }
    }
}

fn path(file: &MapFile, names: &Names) -> Vec<u8> {
    match (file.object, file.kind) {
        (ObjectId::File(id), _) => {
            let mut printed = Vec::new();
            write_escaped(names.paths.get(&id).map_or(&[], Vec::as_slice), &mut printed);
            printed
        }
        (ObjectId::Nameless(_), FileKind::Hugetlb | FileKind::HugetlbGib) => {
            b"/anon_hugepage (deleted)".to_vec()
        }
        (ObjectId::Nameless(_), FileKind::AioRing) => b"/[aio] (deleted)".to_vec(),
        (ObjectId::Nameless(_), _) => b"/dev/zero (deleted)".to_vec(),
    }
}
