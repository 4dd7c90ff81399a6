//! Files as everybody else sees them: `read`, `write`, `ftruncate`, `fsync`, beside the mappings of the same pages.

use alloc::sync::Arc;

use abi::{AddrRange, PAGE_SHIFT, PAGE_SIZE, VirtAddr};

use super::cache::{FileStore, IoError, Tail, What};
use super::frames::{Contents, Frames, Holds, PAGE};
use super::table::pages_of;
use super::zap::{self, Marks};
use super::{Memory, Pages, Table};
use crate::file::{Backing, FileKind, MapFile, ObjectId};
use crate::flags::VmFlags;
use crate::mutation::Mutation;
use crate::op::Op;
use crate::space::AddressSpace;
use crate::system::System;

impl<F: Frames> System<Pages<F>> {
    /// Puts a file behind an object: its pages are read from there and written back to there.
    pub fn attach(&mut self, object: ObjectId, store: Arc<dyn FileStore>) {
        self.set_size(object, store.size());
        self.pool.files.objects.entry(object).or_default().store = Some(store);
    }

    /// Returns the size of a file by its identity; 0 where nobody said it.
    pub fn size_of(&self, object: ObjectId) -> u64 {
        self.sizes.get(&object).copied().unwrap_or(0)
    }

    /// Writes the dirty pages of a file to what is behind it (`fsync`, or the kernel's own writeback).
    ///
    /// # Errors
    /// A page could not be written; the others are.
    pub fn write_back(&mut self, object: ObjectId) -> Result<(), IoError> {
        self.write_back_pages(object, 0..u64::MAX)
    }

    /// Writes the dirty pages of all files (`sync`). Pages that a live address space wrote without a fault are its own
    /// until then: see [`AddressSpace::catch_up`].
    ///
    /// # Errors
    /// A page could not be written; the others are.
    pub fn sync(&mut self) -> Result<(), IoError> {
        let all: alloc::vec::Vec<_> = self.pool.files.objects.keys().copied().collect();
        let mut result = Ok(());
        for object in all {
            result = self.write_back(object).and(result);
        }
        result
    }

    fn write_back_pages(&mut self, object: ObjectId, pages: core::ops::Range<u64>) -> Result<(), IoError> {
        let written = self.profile.mutated(Mutation::TailWritten);
        let tail = if written { Tail::Written } else { Tail::Kept };
        let Some(size) = self.sizes.get(&object).copied() else { return Ok(()) };
        self.pool.write_pages(object, pages, size, tail)
    }

    /// Forgets a file that was unlinked, closed and unmapped.
    pub fn forget(&mut self, object: ObjectId) {
        self.pool.forget(object);
    }

    /// Drops the clean pages of a file from the page cache that nobody maps: memory is short.
    pub fn evict(&mut self, object: ObjectId) {
        let clean = self.pool.unneeded(object);
        for page in clean {
            self.pool.drop_pages(object, page..page + 1, What::Dropped);
        }
    }
}

impl System<Pages<Contents>> {
    /// Reads from a file (`pread`): from the page cache, as every mapping sees it. Returns how many bytes there were.
    ///
    /// A hole of a file in memory is read as zeroes and stays one (`mm/shmem.c: shmem_file_read_iter`).
    ///
    /// # Errors
    /// What is behind it could not be read.
    pub fn read_file(
        &mut self,
        object: ObjectId,
        kind: FileKind,
        offset: u64,
        into: &mut [u8],
    ) -> Result<usize, IoError> {
        let size = self.size_of(object);
        let len = size.saturating_sub(offset).min(into.len() as u64) as usize;
        let mut done = 0;
        while done < len {
            let at = offset + done as u64;
            let part = done..len.min(done + PAGE - (at % PAGE_SIZE) as usize);
            done = part.end;
            let into = &mut into[part];
            if super::cache::holds(kind) == Holds::Shmem && self.pool.is_hole(object, at >> PAGE_SHIFT) {
                into.fill(0);
                continue;
            }
            self.each_part(object, kind, at, into.len(), |bytes, part| into[part].copy_from_slice(bytes))?;
        }
        Ok(len)
    }

    /// Writes to a file (`pwrite`): every mapping sees it at once. The file grows where it must.
    ///
    /// # Errors
    /// What is behind it could not be read.
    pub fn write_file(
        &mut self,
        object: ObjectId,
        kind: FileKind,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), IoError> {
        let size = self.size_of(object);
        let end = offset + bytes.len() as u64;
        if offset > size {
            self.zero_tail(object, kind, size, offset);
        }
        if end > size {
            self.set_size(object, end);
        }
        self.each_part(object, kind, offset, bytes.len(), |page, part| page.copy_from_slice(&bytes[part]))?;
        for page in offset >> PAGE_SHIFT..end.div_ceil(PAGE_SIZE) {
            if let Some(frame) = self.pool.cached(object, page) {
                self.pool.meta_mut(frame).dirty = true;
            }
        }
        Ok(())
    }

    fn each_part(
        &mut self,
        object: ObjectId,
        kind: FileKind,
        offset: u64,
        len: usize,
        mut each: impl FnMut(&mut [u8], core::ops::Range<usize>),
    ) -> Result<(), IoError> {
        let mut done = 0;
        while done < len {
            let at = offset + done as u64;
            let inside = (at % PAGE_SIZE) as usize;
            let part = done..len.min(done + PAGE - inside);
            let (frame, _) = self.pool.page_of(object, at >> PAGE_SHIFT, super::cache::holds(kind))?;
            let page = self.pool.bytes.frame_mut(frame);
            each(&mut page[inside..inside + part.len()], part.clone());
            done = part.end;
        }
        Ok(())
    }
}

impl<M: Memory> System<M> {
    fn set_size(&mut self, object: ObjectId, bytes: u64) {
        Arc::make_mut(&mut self.sizes).insert(object, bytes);
    }
}

impl<F: Frames> System<Pages<F>> {
    /// Sets the size of a file (`ftruncate`): pages past the end go from every mapping, private copies too.
    ///
    /// Linux: `mm/truncate.c: truncate_setsize`, `mm/shmem.c: shmem_setattr`.
    ///
    /// # Errors
    /// What is behind it could not be cut; nothing has changed then.
    pub fn truncate(&mut self, object: ObjectId, kind: FileKind, bytes: u64) -> Result<(), IoError> {
        if let Some(store) = self.pool.files.objects.get(&object).and_then(|object| object.store.as_ref()) {
            store.set_size(bytes)?;
        }
        let old = self.size_of(object);
        if bytes > old {
            self.zero_tail(object, kind, old, bytes.max(old.next_multiple_of(PAGE_SIZE)));
        }
        self.set_size(object, bytes);
        // Also at the same size it loses what was written past its end (`fs/ext4/inode.c: ext4_setattr`,
        // `mm/shmem.c: shmem_setattr`).
        if bytes <= old {
            self.cut(object, bytes);
        }
        Ok(())
    }

    /// A file that grows: what was written past its end through a mapping is not in it. Memory-only files keep it.
    fn zero_tail(&mut self, object: ObjectId, kind: FileKind, old: u64, to: u64) {
        let inside = (old % PAGE_SIZE) as usize;
        if inside == 0 || super::cache::holds(kind) == Holds::Shmem {
            return;
        }
        let end = (to - (old - inside as u64)).min(PAGE_SIZE) as usize;
        self.pool.zero_part(object, old >> PAGE_SHIFT, inside..end);
    }

    /// Drops what lies past the new end of a file.
    pub(crate) fn cut(&mut self, object: ObjectId, bytes: u64) {
        let inside = (bytes % PAGE_SIZE) as usize;
        if inside != 0 {
            self.pool.zero_part(object, bytes >> PAGE_SHIFT, inside..PAGE);
        }
        self.pool.drop_pages(object, bytes.div_ceil(PAGE_SIZE)..u64::MAX, What::Truncated);
    }
}

impl<F: Frames> AddressSpace<Pages<F>> {
    /// Takes note of what happened elsewhere to pages it maps: truncated, written back. Each call and each access does
    /// so first; only who looks at pages or counters in between needs to.
    pub fn catch_up(&mut self, sys: &mut System<Pages<F>>) {
        let now = sys.pool.files.now();
        if self.pages.seen == now {
            return;
        }
        let changes = sys.pool.files.since(self.pages.seen).to_vec();
        self.pages.seen = now;
        for change in changes {
            let hit: alloc::vec::Vec<_> = self
                .vmas
                .iter()
                .filter(|vma| vma.backing.file().is_some_and(|file| file.object == change.object))
                .filter_map(|vma| Some((window(vma, &change.pages)?, vma.flags)))
                .collect();
            for (range, flags) in hit {
                self.pages.change(&mut sys.pool, range, change.what, flags);
            }
        }
    }
}

/// Returns where a mapping shows pages of its file.
fn window(vma: &crate::vma::Vma, pages: &core::ops::Range<u64>) -> Option<AddrRange> {
    let first = vma.pgoff.0;
    let start = pages.start.max(first);
    let end = pages.end.min(first + vma.pages());
    if start >= end {
        return None;
    }
    let at = |page: u64| VirtAddr(vma.range.start.0 + ((page - first) << PAGE_SHIFT));
    Some(AddrRange { start: at(start), end: at(end) })
}

impl Table {
    /// Follows a change of a file's pages in the range of one mapping.
    fn change<F: Frames>(
        &mut self,
        pool: &mut super::frames::Pool<F>,
        range: AddrRange,
        what: What,
        flags: VmFlags,
    ) {
        let Self { tree, rss, tlb, mm, .. } = self;
        tree.walk_mut(pages_of(range), |_, ptes| {
            for pte in ptes.iter_mut().filter(|pte| !pte.is_none()) {
                let copy = pte.is_swapped() || pte.is_mark() || pool.meta(pte.frame()).holds == Holds::Anon;
                match what {
                    What::Truncated => zap::drop_page(pte, rss, *mm, pool, Marks::of_file(flags)),
                    What::Dropped if !copy => zap::drop_page(pte, rss, *mm, pool, Marks::of_file(flags)),
                    What::Cleaned if flags.contains(VmFlags::SHARED) && pte.is_present() => {
                        *pte = pte.clean().protected();
                    }
                    What::Dropped | What::Cleaned => {}
                }
            }
        });
        tlb.flush();
    }
}

impl<F: Frames> Op<'_, Pages<F>> {
    /// Writes back the pages of a part of a shared mapping.
    ///
    /// Linux: `mm/msync.c: msync` with `MS_SYNC`.
    pub(crate) fn sync_pages(&mut self, file: &MapFile, pages: core::ops::Range<u64>) -> Result<(), IoError> {
        if super::cache::holds(file.kind) != Holds::File {
            return Ok(());
        }
        if !self.sys.sizes.contains_key(&file.object) {
            self.sys.set_size(file.object, file.bytes);
        }
        self.sys.write_back_pages(file.object, pages)?;
        self.space.catch_up(self.sys);
        Ok(())
    }

    /// Punches a hole: the pages go from the file, and from under its mappings.
    ///
    /// Linux: `mm/madvise.c: madvise_remove`.
    pub(crate) fn remove_pages(&mut self, file: &MapFile, pages: core::ops::Range<u64>) {
        self.sys.pool.punch(file.object, pages);
        self.space.catch_up(self.sys);
    }

    /// Forgets shared anonymous memory whose last mapping went.
    pub(crate) fn forget_nameless(&mut self, backing: &Backing) {
        if let Backing::File(file) = backing
            && matches!(file.object, ObjectId::Nameless(_))
            && Arc::strong_count(file) == 1
        {
            self.sys.pool.forget(file.object);
        }
    }
}
