//! The lines of `/proc/PID/maps` of a twin.

use std::sync::Arc;

use abi::{FileId, FileOff, VirtAddr};
use mm::{Backing, ObjectId, VmFlags, Vma};
use recording::{Bytes, MapRow};

use super::{MapRowFile, Twin};

/// Names of pages that the kernel itself maps, by the number in [`Backing::Kernel`].
pub(super) const KERNEL_NAMES: [&[u8]; 6] =
    [b"[vdso]", b"[vvar]", b"[vvar_vclock]", b"[uprobes]", b"[vectors]", b"[kernel]"];

/// What the kernel calls nameless shared memory.
const NAMELESS: &[u8] = b"/dev/zero (deleted)";

impl Twin {
    /// The line of one mapping.
    ///
    /// Linux: `fs/proc/task_mmu.c: show_map_vma`, `get_vma_name`.
    pub(super) fn row(&self, vma: &Vma) -> MapRow {
        let (file, name) = self.file_and_name(vma);
        let offset = match vma.backing {
            Backing::File(_) => vma.pgoff.bytes(),
            Backing::Anonymous | Backing::Kernel(_) => FileOff(0),
        };
        MapRow {
            range: vma.range,
            prot: vma.flags.prot(),
            shared: vma.flags.contains(VmFlags::MAYSHARE),
            offset,
            file,
            name,
        }
    }

    fn file_and_name(&self, vma: &Vma) -> (FileId, Bytes) {
        let none = FileId::default();
        match &vma.backing {
            Backing::File(file) => match file.object {
                ObjectId::File(id) => (id, self.paths.get(&id).cloned().unwrap_or_default()),
                ObjectId::Nameless(no) => match self.nameless.get(&no) {
                    Some(known) => (known.file, known.name.clone()),
                    None => (none, NAMELESS.into()),
                },
            },
            Backing::Kernel(no) => {
                (none, KERNEL_NAMES.get(usize::from(*no)).map_or_else(Bytes::default, |name| (*name).into()))
            }
            Backing::Anonymous => (none, self.name_of_anonymous(vma)),
        }
    }

    fn name_of_anonymous(&self, vma: &Vma) -> Bytes {
        let layout = self.space.layout();
        let range = vma.range;
        if range.start < layout.brk && range.end > layout.start_brk {
            return b"[heap]".as_slice().into();
        }
        if layout.start_stack != VirtAddr::NULL
            && range.start <= layout.start_stack
            && range.end >= layout.start_stack
        {
            return b"[stack]".as_slice().into();
        }
        match vma.name() {
            Some(name) => [b"[anon:".as_slice(), name, b"]"].concat().into(),
            None => Bytes::default(),
        }
    }

    /// Learns from the kernel's lines which file the kernel made for each nameless mapping: an input.
    /// Returns how many were learnt.
    pub fn learn_nameless(&mut self, kernel: &[MapRow]) -> u64 {
        let mut learnt = 0;
        for row in kernel.iter().filter(|row| row.shared && *row.name == *NAMELESS) {
            let nameless =
                self.space.find(row.range.start).and_then(|vma| match vma.backing.file()?.object {
                    ObjectId::Nameless(no) => Some(no),
                    ObjectId::File(_) => None,
                });
            let Some(no) = nameless.filter(|no| !self.nameless.contains_key(no)) else { continue };
            let known = MapRowFile { file: row.file, name: row.name.clone() };
            Arc::make_mut(&mut self.nameless).insert(no, known);
            learnt += 1;
        }
        learnt
    }
}
