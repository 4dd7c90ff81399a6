//! The page cache: which frame holds which page of which file.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use super::frames::{Fill, FrameId, Frames, Holds, PAGE, Pool};
use crate::file::{FileKind, ObjectId};

/// The file could not be read or written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IoError;

impl fmt::Display for IoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the file could not be read or written")
    }
}

impl core::error::Error for IoError {}

/// What is behind a file's pages: the disk.
///
/// Pages are read when they are first needed and written when they are written back, not before: see
/// [`System::write_back`](crate::System::write_back).
pub trait FileStore: fmt::Debug + Send + Sync {
    /// Returns the size in bytes.
    fn size(&self) -> u64;

    /// Sets the size in bytes; what is new is zero.
    ///
    /// # Errors
    /// It could not.
    fn set_size(&self, bytes: u64) -> Result<(), IoError>;

    /// Reads a page; what lies past the end is zero.
    ///
    /// # Errors
    /// It could not: a fault on the page raises `SIGBUS`.
    fn read_page(&self, page: u64, into: &mut [u8; PAGE]) -> Result<(), IoError>;

    /// Writes a page, or of the last one what lies before the end.
    ///
    /// # Errors
    /// It could not: the page stays dirty.
    fn write_page(&self, page: u64, bytes: &[u8]) -> Result<(), IoError>;
}

/// One file's pages. Linux: `struct address_space`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Object {
    /// Linux: `i_pages`.
    pub(crate) cache: BTreeMap<u64, FrameId>,
    /// `None`: it is in memory only, or nothing is known of its contents.
    pub(crate) store: Option<Arc<dyn FileStore>>,
    /// Whether any address space ever mapped a page of it.
    pub(crate) mapped: bool,
}

/// All files' pages.
#[derive(Clone, Debug, Default)]
pub(crate) struct Files {
    pub(crate) objects: BTreeMap<ObjectId, Object>,
    /// What happened to pages that address spaces may have mapped; each catches up before it does anything.
    changes: Vec<Change>,
}

/// Pages of a file changed under its mappings.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) object: ObjectId,
    pub(crate) pages: Range<u64>,
    pub(crate) what: What,
}

/// What happened to them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum What {
    /// The file ends before them: private copies go too. Linux: `unmap_mapping_range` with `even_cows`.
    Truncated,
    /// They are no longer in the page cache.
    Dropped,
    /// They were written back: the next write must be told again. Linux: `page_mkclean`.
    Cleaned,
}

/// How a page came into the page cache.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Found {
    /// It was there, or needed no reading.
    There,
    /// It was read.
    Read,
}

/// Returns what frames of a kind of file are counted as.
pub(crate) fn holds(kind: FileKind) -> Holds {
    match kind {
        FileKind::Regular
        | FileKind::RegularHuge
        | FileKind::Fuse
        | FileKind::RegularOther
        | FileKind::Overlay => Holds::File,
        FileKind::Shmem | FileKind::SysV | FileKind::ZeroDevice => Holds::Shmem,
        FileKind::Hugetlb
        | FileKind::HugetlbGib
        | FileKind::SysVHuge
        | FileKind::AioRing
        | FileKind::Special(_)
        | FileKind::Unmappable => Holds::Device,
    }
}

impl Files {
    /// Returns how many changes there were.
    pub(crate) fn now(&self) -> usize {
        self.changes.len()
    }

    /// Returns the changes since there were `seen`.
    pub(crate) fn since(&self, seen: usize) -> &[Change] {
        self.changes.get(seen..).unwrap_or_default()
    }

    fn note(&mut self, object: ObjectId, pages: Range<u64>, what: What) {
        let mapped = self.objects.get(&object).is_some_and(|object| object.mapped);
        if mapped && !pages.is_empty() {
            self.changes.push(Change { object, pages, what });
        }
    }
}

impl<F: Frames> Pool<F> {
    /// Returns the frame of a page in the cache.
    pub(crate) fn cached(&self, object: ObjectId, page: u64) -> Option<FrameId> {
        self.files.objects.get(&object)?.cache.get(&page).copied()
    }

    /// Tells whether nothing at all is kept for a page: it is not cached, and there is no file behind to read it from.
    pub(crate) fn is_hole(&self, object: ObjectId, page: u64) -> bool {
        let file = self.files.objects.get(&object);
        file.is_none_or(|file| file.store.is_none() && !file.cache.contains_key(&page))
    }

    /// Returns the frame of a page, which is read if the cache has it not.
    pub(crate) fn page_of(
        &mut self,
        object: ObjectId,
        page: u64,
        holds: Holds,
    ) -> Result<(FrameId, Found), IoError> {
        if let Some(frame) = self.cached(object, page) {
            return Ok((frame, Found::There));
        }
        let frame = self.take(holds, Fill::Zeroes);
        let file = self.files.objects.entry(object).or_default();
        let store = file.store.clone();
        file.cache.insert(page, frame);
        self.meta_mut(frame).cached = true;
        let mut found = if holds == Holds::File { Found::Read } else { Found::There };
        if let Some(store) = store {
            found = Found::Read;
            let read = self.bytes.change(frame, |bytes| store.read_page(page, bytes));
            if let Some(Err(error)) = read {
                self.uncache(object, page);
                return Err(error);
            }
        }
        Ok((frame, found))
    }

    /// Says that an address space mapped a page of a file.
    pub(crate) fn note_mapped(&mut self, object: ObjectId) {
        self.files.objects.entry(object).or_default().mapped = true;
    }

    /// Takes a page out of the cache.
    fn uncache(&mut self, object: ObjectId, page: u64) {
        let cache = self.files.objects.get_mut(&object).map(|object| &mut object.cache);
        if let Some(frame) = cache.and_then(|cache| cache.remove(&page)) {
            self.meta_mut(frame).cached = false;
            self.settle(frame);
        }
    }

    fn pages_in(&self, object: ObjectId, pages: Range<u64>) -> Vec<(u64, FrameId)> {
        let Some(object) = self.files.objects.get(&object) else { return Vec::new() };
        object.cache.range(pages).map(|(page, frame)| (*page, *frame)).collect()
    }

    /// Takes pages out of the cache, and from under their mappings.
    pub(crate) fn drop_pages(&mut self, object: ObjectId, pages: Range<u64>, what: What) {
        for (page, _) in self.pages_in(object, pages.clone()) {
            self.uncache(object, page);
        }
        self.files.note(object, pages, what);
    }

    /// Returns the pages of a file that are clean and that nobody maps.
    pub(crate) fn unneeded(&self, object: ObjectId) -> Vec<u64> {
        let pages = self.pages_in(object, 0..u64::MAX);
        let unneeded = |frame: &FrameId| !self.meta(*frame).dirty && self.meta(*frame).maps == 0;
        pages.into_iter().filter(|(_, frame)| unneeded(frame)).map(|(page, _)| page).collect()
    }

    /// Takes pages out of a file: they are zero from now on.
    pub(crate) fn punch(&mut self, object: ObjectId, pages: Range<u64>) {
        self.drop_pages(object, pages.clone(), What::Dropped);
        let Some(store) = self.files.objects.get(&object).and_then(|object| object.store.clone()) else {
            return;
        };
        for page in pages.start..pages.end.min(store.size().div_ceil(PAGE as u64)) {
            let within = (store.size() - page * PAGE as u64).min(PAGE as u64) as usize;
            // A file that cannot be written keeps its bytes: the kernel would have refused.
            let _kept = store.write_page(page, &[0; PAGE][..within]);
        }
    }

    /// Forgets a file whose pages nobody can reach any more.
    pub(crate) fn forget(&mut self, object: ObjectId) {
        self.drop_pages(object, 0..u64::MAX, What::Dropped);
        self.files.objects.remove(&object);
    }

    /// Zeroes a part of a page if the cache has it: that is a change to be written.
    pub(crate) fn zero_part(&mut self, object: ObjectId, page: u64, part: Range<usize>) {
        if let Some(frame) = self.cached(object, page) {
            self.bytes.change(frame, |bytes| bytes[part].fill(0));
            self.meta_mut(frame).dirty = true;
        }
    }

    /// Writes the dirty pages of a part of a file; past its end at `size` they become zero. Without a file behind it the
    /// pages of a disk's file are as if they were written.
    ///
    /// Linux: `mm/page-writeback.c: write_cache_pages`.
    pub(crate) fn write_pages(
        &mut self,
        object: ObjectId,
        pages: Range<u64>,
        size: u64,
        tail: Tail,
    ) -> Result<(), IoError> {
        let store = self.files.objects.get(&object).and_then(|object| object.store.clone());
        if let Some(store) = store.as_ref().filter(|store| store.size() != size) {
            store.set_size(size)?;
        }
        let mut result = Ok(());
        for (page, frame) in self.pages_in(object, pages.clone()) {
            if !self.meta(frame).dirty || (store.is_none() && self.meta(frame).holds != Holds::File) {
                continue;
            }
            let within = size.saturating_sub(page * PAGE as u64).min(PAGE as u64) as usize;
            let written = self.bytes.change(frame, |bytes| {
                bytes[within..].fill(0);
                let end = if tail == Tail::Kept { within } else { PAGE };
                store.as_ref().map_or(Ok(()), |store| store.write_page(page, &bytes[..end]))
            });
            match written {
                Some(Err(error)) => result = Err(error),
                _ => self.meta_mut(frame).dirty = false,
            }
        }
        self.files.note(object, pages, What::Cleaned);
        result
    }
}

/// What becomes of the bytes of the last page past the end of the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tail {
    /// They stay out of the file.
    Kept,
    /// They are written too: a rule changed on purpose.
    Written,
}
