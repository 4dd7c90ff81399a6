//! `shmat` and `shmdt`: System V segments.

use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::{AddrRange, MapFlags, PAGE_SHIFT, PageOff, Prot, ShmFlags, VirtAddr};

use super::Answer;
use super::mmap::{Populate, Request};
use crate::file::{FileKind, MapFile, OpenMode};
use crate::input::Input;
use crate::op::Op;
use crate::pages::Memory;
use crate::vma::Vma;
use crate::why::Refusal;

impl<M: Memory> Op<'_, M> {
    /// Each attachment opens the segment anew: two of one segment never merge.
    ///
    /// Linux: `ipc/shm.c: do_shmat`.
    pub(crate) fn shmat(&mut self, id: i32, addr: VirtAddr, flags: ShmFlags, input: &Input) -> Answer {
        if id < 0 {
            return Err(Refusal::ShmSegment);
        }
        // The kernel reads an int.
        let flags = ShmFlags(flags.0 & 0xffff_ffff);
        let remap = flags.contains(ShmFlags::REMAP);
        let rounded = addr.page_down();
        if rounded != addr && !flags.contains(ShmFlags::RND) {
            return Err(Refusal::ShmAddress);
        }
        if rounded == VirtAddr::NULL && remap {
            return Err(Refusal::ShmAddress);
        }
        let segment = input.segment.as_ref().ok_or(Refusal::ShmSegment)?;
        let read_only = flags.contains(ShmFlags::RDONLY);
        let execute = flags.contains(ShmFlags::EXEC);
        let OpenMode { read, write, append_only: _ } = segment.mode;
        if !read || (!read_only && !write) || (execute && segment.noexec) {
            return Err(Refusal::ShmAccess);
        }
        let len = self.sys.file_size(segment);
        if rounded != VirtAddr::NULL && !remap {
            let range = AddrRange::from_len(rounded, len).ok_or(Refusal::ShmAddress)?;
            if !self.space.vmas.is_free(range) {
                return Err(Refusal::ShmAddress);
            }
        }
        let file = self.open_segment(segment, !read_only);
        let fixed = if addr == VirtAddr::NULL { MapFlags::NONE } else { MapFlags::FIXED };
        let access = if read_only { Prot::READ } else { Prot::RW };
        let prot = if execute { access | Prot::EXEC } else { access };
        let flags = MapFlags::SHARED | fixed;
        let request = Request { file: Some(file), addr: rounded, len, prot, flags, pgoff: PageOff(0) };
        let mapped = self.do_mmap(request)?;
        if mapped.populate == Populate::Yes {
            self.populate(mapped.range);
        }
        Ok(mapped.range.start.0)
    }

    fn open_segment(&mut self, segment: &Arc<MapFile>, write: bool) -> Arc<MapFile> {
        Arc::new(MapFile {
            description: self.sys.new_description(),
            kind: if segment.kind == FileKind::SysVHuge { FileKind::SysVHuge } else { FileKind::SysV },
            mode: OpenMode { read: true, write, append_only: false },
            noexec: false,
            ..MapFile::clone(segment)
        })
    }

    /// Unmaps the pieces of an attachment that lie where they would without `mremap`.
    ///
    /// Linux: `ipc/shm.c: ksys_shmdt`.
    pub(crate) fn shmdt(&mut self, addr: VirtAddr) -> Answer {
        if !addr.is_page_aligned() {
            return Err(Refusal::ShmNotAttached);
        }
        let above = AddrRange { start: addr, end: VirtAddr(u64::MAX) };
        let attached = |vma: &&Vma| is_piece_of_attachment(vma, addr);
        let first = self.space.vmas.range(above).find(attached).ok_or(Refusal::ShmNotAttached)?;
        let file = first.backing.file().cloned().ok_or(Refusal::ShmNotAttached)?;
        let size = VirtAddr(self.sys.file_size(&file)).page_up_wrapping().0;
        let beyond = VirtAddr(addr.0.saturating_add(size));
        let rest = AddrRange { start: first.range.end, end: beyond };
        let pieces: Vec<AddrRange> = core::iter::once(first.range)
            .chain(
                self.space
                    .vmas
                    .range(rest)
                    .take_while(|vma| vma.range.end <= beyond)
                    .filter(attached)
                    .filter(|vma| vma.backing.file().is_some_and(|f| f.description == file.description))
                    .map(|vma| vma.range),
            )
            .collect();
        for piece in pieces {
            // A sealed piece stays: nobody is told.
            let _refused = self.unmap(piece);
        }
        Ok(0)
    }
}

fn is_piece_of_attachment(vma: &Vma, addr: VirtAddr) -> bool {
    let pages = vma.range.start.0.wrapping_sub(addr.0) >> PAGE_SHIFT;
    vma.backing.file_kind().is_some_and(FileKind::is_segment) && pages == vma.pgoff.0
}
