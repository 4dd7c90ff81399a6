//! Frames: what is known of each, and, where contents are kept, its bytes.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use abi::PAGE_SIZE;

use super::cache::Files;
use super::folio::{FolioId, Folios, MmId};
use super::huge::Supply;

/// The number of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct FrameId(pub(crate) u32);

impl FrameId {
    /// The shared zero page: never counted, never written.
    pub(crate) const ZERO: Self = Self(0);

    fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a frame holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Holds {
    /// Nothing: it is free.
    #[default]
    Nothing,
    /// A private page of one process, or of a family of forks. Linux: `PageAnon`.
    Anon,
    /// A page of a file. Linux: `MM_FILEPAGES`.
    File,
    /// A page of shared memory. Linux: `MM_SHMEMPAGES`.
    Shmem,
    /// A page that no counter knows.
    Device,
}

/// What is known of a frame. Linux: `struct page`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Meta {
    /// Linux: `_mapcount` + 1: present entries of page tables.
    pub(crate) maps: u32,
    /// Entries of page tables that hold it as swapped out.
    pub(crate) swaps: u32,
    /// What it holds.
    pub(crate) holds: Holds,
    /// Whether no other process may hold it, so that a write needs no copy. Linux: `PageAnonExclusive`.
    pub(crate) exclusive: bool,
    /// Whether it differs from what its file or swap holds. Linux: `PG_dirty`.
    pub(crate) dirty: bool,
    /// Whether the page cache holds it too.
    pub(crate) cached: bool,
    /// Whether it may be dropped instead of swapped out (`MADV_FREE`). Linux: no `PG_swapbacked`.
    pub(crate) lazy_free: bool,
    /// Whether the kernel's queues may remember an access that no entry shows: known of anonymous pages only.
    /// Linux: `PG_referenced`.
    pub(crate) marked: bool,
    /// Locked mappings of an anonymous page. Linux: `mlock_count`; not 0: `PG_unevictable`.
    pub(crate) locks: u32,
    /// The large folio that it is a part of: there stand `dirty`, `lazy_free`, `marked` and `locks` then.
    pub(crate) folio: FolioId,
}

/// What is kept of frames: [`States`], or also [`Contents`].
#[expect(private_bounds, reason = "the trait is sealed: what it asks for is the twin's own")]
pub trait Frames: FrameBytes {}

impl Frames for States {}
impl Frames for Contents {}

/// The bytes behind frames.
pub(crate) trait FrameBytes: Clone + Default + fmt::Debug + 'static {
    /// Makes room for one frame more, zeroed.
    fn grow(&mut self);
    /// Zeroes a frame.
    fn zero(&mut self, frame: FrameId);
    /// Tells whether a frame is known to hold nothing but zeroes.
    fn is_zero(&self, frame: FrameId) -> bool;
    /// Copies a frame over another.
    fn copy(&mut self, from: FrameId, to: FrameId);
    /// Changes the bytes of a frame, if there are any.
    fn change<T>(&mut self, frame: FrameId, change: impl FnOnce(&mut [u8; PAGE]) -> T) -> Option<T>;
}

/// The bytes of a page.
pub(crate) const PAGE: usize = PAGE_SIZE as usize;

/// Only the states of pages are kept.
#[derive(Clone, Copy, Default, Debug)]
pub struct States;

impl FrameBytes for States {
    fn grow(&mut self) {}
    fn zero(&mut self, _: FrameId) {}
    fn is_zero(&self, _: FrameId) -> bool {
        false
    }
    fn copy(&mut self, _: FrameId, _: FrameId) {}
    fn change<T>(&mut self, _: FrameId, _: impl FnOnce(&mut [u8; PAGE]) -> T) -> Option<T> {
        None
    }
}

/// Frames in one allocation: a power of two.
const CHUNK: usize = 256;

/// The bytes of pages are kept. A clone copies them.
#[derive(Clone, Default)]
pub struct Contents {
    chunks: Vec<Box<[[u8; PAGE]; CHUNK]>>,
    frames: usize,
}

impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Contents({} frames)", self.frames)
    }
}

impl Contents {
    /// Returns the bytes of a frame.
    #[inline]
    pub(crate) fn frame(&self, frame: FrameId) -> &[u8; PAGE] {
        &self.chunks[frame.index() / CHUNK][frame.index() % CHUNK]
    }

    /// Returns the bytes of a frame to change them.
    #[inline]
    pub(crate) fn frame_mut(&mut self, frame: FrameId) -> &mut [u8; PAGE] {
        &mut self.chunks[frame.index() / CHUNK][frame.index() % CHUNK]
    }
}

impl FrameBytes for Contents {
    fn grow(&mut self) {
        if self.frames.is_multiple_of(CHUNK) {
            let zeroes = vec![[0; PAGE]; CHUNK].into_boxed_slice();
            self.chunks.push(zeroes.try_into().expect("it is as long as a chunk"));
        }
        self.frames += 1;
    }

    fn zero(&mut self, frame: FrameId) {
        self.frame_mut(frame).fill(0);
    }

    fn is_zero(&self, frame: FrameId) -> bool {
        self.frame(frame).iter().all(|byte| *byte == 0)
    }

    fn copy(&mut self, from: FrameId, to: FrameId) {
        let (a, b) = (from.index(), to.index());
        if a / CHUNK == b / CHUNK {
            let chunk = &mut self.chunks[a / CHUNK];
            if let Ok([from, to]) = chunk.get_disjoint_mut([a % CHUNK, b % CHUNK]) {
                to.copy_from_slice(from);
            }
        } else if let Ok([from, to]) = self.chunks.get_disjoint_mut([a / CHUNK, b / CHUNK]) {
            to[b % CHUNK].copy_from_slice(&from[a % CHUNK]);
        }
    }

    fn change<T>(&mut self, frame: FrameId, change: impl FnOnce(&mut [u8; PAGE]) -> T) -> Option<T> {
        Some(change(self.frame_mut(frame)))
    }
}

/// All frames of a system.
#[derive(Clone, Debug)]
pub(crate) struct Pool<F> {
    meta: Vec<Meta>,
    free: Vec<FrameId>,
    pub(crate) bytes: F,
    pub(crate) files: Files,
    /// Frames that are swapped out. Invariant: those with entries that hold them so.
    pub(crate) swapped: u64,
    pub(super) folios: Folios,
    pub(super) supply: Supply,
}

impl<F: Frames> Default for Pool<F> {
    /// Makes a pool with the zero page alone.
    fn default() -> Self {
        let mut bytes = F::default();
        bytes.grow();
        Self {
            meta: vec![Meta::default()],
            free: Vec::new(),
            bytes,
            files: Files::default(),
            swapped: 0,
            folios: Folios::default(),
            supply: Supply::default(),
        }
    }
}

/// What a new frame is filled with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fill {
    /// Zeroes.
    Zeroes,
    /// A copy of another frame.
    Copy(FrameId),
}

impl<F: Frames> Pool<F> {
    /// Returns what is known of a frame.
    pub(crate) fn meta(&self, frame: FrameId) -> &Meta {
        &self.meta[frame.index()]
    }

    /// Returns what is known of a frame to change it.
    pub(crate) fn meta_mut(&mut self, frame: FrameId) -> &mut Meta {
        &mut self.meta[frame.index()]
    }

    /// Returns every frame and what is known of it.
    pub(crate) fn metas(&self) -> impl Iterator<Item = (FrameId, &Meta)> {
        (0..).map(FrameId).zip(&self.meta)
    }

    /// Returns the number of frames in use, the zero page left out.
    pub(crate) fn in_use(&self) -> u64 {
        (self.meta.len() - 1 - self.free.len()) as u64
    }

    /// Fills a frame.
    pub(super) fn fill(&mut self, frame: FrameId, fill: Fill) {
        match fill {
            Fill::Zeroes => self.bytes.zero(frame),
            Fill::Copy(from) => self.bytes.copy(from, frame),
        }
    }

    /// Takes a free frame for what it is to hold; nothing maps it yet.
    pub(crate) fn take(&mut self, holds: Holds, fill: Fill) -> FrameId {
        let frame = match self.free.pop() {
            Some(frame) => {
                if fill == Fill::Zeroes {
                    self.bytes.zero(frame);
                }
                frame
            }
            None => {
                let frame = FrameId(u32::try_from(self.meta.len()).expect("16 TiB are out of reach"));
                self.meta.push(Meta::default());
                self.bytes.grow();
                frame
            }
        };
        if let Fill::Copy(from) = fill {
            self.bytes.copy(from, frame);
        }
        self.meta[frame.index()] = Meta { holds, ..Meta::default() };
        frame
    }

    /// Counts one mapping less; a frame that nothing holds any more is free.
    pub(crate) fn unmap(&mut self, frame: FrameId, mm: MmId) {
        let meta = self.meta_mut(frame);
        meta.maps -= 1;
        let folio = meta.folio;
        self.folio_unmapped(folio, mm, 1);
        self.settle(frame);
    }

    /// Counts one swapped entry less.
    pub(crate) fn unswap(&mut self, frame: FrameId) {
        let meta = self.meta_mut(frame);
        meta.swaps -= 1;
        if meta.swaps == 0 {
            self.swapped -= 1;
        }
        self.settle(frame);
    }

    /// Frees a frame that nothing holds.
    pub(crate) fn settle(&mut self, frame: FrameId) {
        let meta = self.meta_mut(frame);
        if meta.maps == 0 && meta.swaps == 0 && !meta.cached {
            let folio = meta.folio;
            *meta = Meta::default();
            self.free.push(frame);
            if folio.is_large() {
                self.leave_folio(folio);
            }
        }
    }
}
