//! The translation cache: the last pages loaded from, stored to and fetched from.

use alloc::boxed::Box;
use alloc::vec;

use abi::AddrRange;

use super::frames::FrameId;
use super::table::pages_of;
use crate::access::Access;

/// Pages remembered: a power of two.
const ENTRIES: usize = 256;
/// A page number that no page has.
const NO_PAGE: u64 = u64::MAX;

/// One page: for each kind of access the page number, if it is allowed without a fault and leaves no trace.
#[derive(Clone, Copy)]
struct Entry {
    read: u64,
    write: u64,
    exec: u64,
    frame: FrameId,
}

const EMPTY: Entry = Entry { read: NO_PAGE, write: NO_PAGE, exec: NO_PAGE, frame: FrameId::ZERO };

/// A direct-mapped translation cache.
pub(crate) struct Tlb {
    entries: Box<[Entry; ENTRIES]>,
}

impl Default for Tlb {
    fn default() -> Self {
        let entries = vec![EMPTY; ENTRIES].into_boxed_slice();
        Self { entries: entries.try_into().unwrap_or_else(|_| Box::new([EMPTY; ENTRIES])) }
    }
}

impl Clone for Tlb {
    /// Makes an empty one: it only remembers.
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Tlb {
    fn index(page: u64) -> usize {
        page as usize % ENTRIES
    }

    /// Returns the frame of a page that may be read.
    #[inline]
    pub(crate) fn read(&self, page: u64) -> Option<FrameId> {
        let entry = &self.entries[Self::index(page)];
        (entry.read == page).then_some(entry.frame)
    }

    /// Returns the frame of a page that may be written and is dirty already.
    #[inline]
    pub(crate) fn write(&self, page: u64) -> Option<FrameId> {
        let entry = &self.entries[Self::index(page)];
        (entry.write == page).then_some(entry.frame)
    }

    /// Returns the frame of a page that may be executed.
    #[inline]
    pub(crate) fn exec(&self, page: u64) -> Option<FrameId> {
        let entry = &self.entries[Self::index(page)];
        (entry.exec == page).then_some(entry.frame)
    }

    /// Remembers a page after an access was allowed.
    pub(crate) fn remember(&mut self, page: u64, frame: FrameId, access: Access) {
        let entry = &mut self.entries[Self::index(page)];
        let same = entry.frame == frame && [entry.read, entry.write, entry.exec].contains(&page);
        if !same {
            *entry = Entry { frame, ..EMPTY };
        }
        match access {
            Access::Read => entry.read = page,
            Access::Write => entry.write = page,
            Access::Exec => entry.exec = page,
        }
    }

    /// Forgets a page.
    pub(crate) fn forget(&mut self, page: u64) {
        self.entries[Self::index(page)] = EMPTY;
    }

    /// Forgets the pages of a range.
    pub(crate) fn forget_range(&mut self, range: AddrRange) {
        if range.pages() >= ENTRIES as u64 / 4 {
            self.flush();
        } else {
            pages_of(range).for_each(|page| self.forget(page));
        }
    }

    /// Forgets all pages.
    pub(crate) fn flush(&mut self) {
        self.entries.fill(EMPTY);
    }
}
