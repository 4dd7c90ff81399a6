//! `/proc/PID/pagemap`: one word per page.

/// The word of one page (`fs/proc/task_mmu.c`, `Documentation/admin-guide/mm/pagemap.rst`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct PagemapEntry(pub u64);

impl PagemapEntry {
    const fn bit(self, bit: u32) -> bool {
        self.0 >> bit & 1 == 1
    }

    /// Tells whether the page is in memory.
    pub const fn is_present(self) -> bool {
        self.bit(63)
    }

    /// Tells whether the page is in swap (or under migration).
    pub const fn is_swapped(self) -> bool {
        self.bit(62)
    }

    /// Tells whether the page is of a file or of shared memory.
    pub const fn is_file(self) -> bool {
        self.bit(61)
    }

    /// Tells whether the page is a guard marker.
    pub const fn is_guard(self) -> bool {
        self.bit(58)
    }

    /// Tells whether the page is write-protected by userfaultfd.
    pub const fn is_uffd_protected(self) -> bool {
        self.bit(57)
    }

    /// Tells whether only this memory maps the page.
    pub const fn is_exclusive(self) -> bool {
        self.bit(56)
    }

    /// Tells whether the page was written since the bits were cleared (`CONFIG_MEM_SOFT_DIRTY`).
    pub const fn is_soft_dirty(self) -> bool {
        self.bit(55)
    }

    /// The frame's number; 0 also where the reader lacks `CAP_SYS_ADMIN`. `None` if not in memory.
    pub const fn frame(self) -> Option<u64> {
        if self.is_present() { Some(self.0 & ((1 << 55) - 1)) } else { None }
    }
}

/// What the word of a page says, part by part.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct PagemapFacts {
    /// The page is in memory, in this frame; 0 where the reader may not know it.
    pub frame: Option<u64>,
    /// Or it is in swap: the type and offset there, as one word of 55 bits.
    pub swap: Option<u64>,
    /// It is of a file or of shared memory.
    pub file: bool,
    /// It is a guard marker.
    pub guard: bool,
    /// It is write-protected by userfaultfd.
    pub uffd_protected: bool,
    /// Only this memory maps it.
    pub exclusive: bool,
    /// It was written since the bits were cleared.
    pub soft_dirty: bool,
}

impl PagemapFacts {
    /// Returns the word that says this.
    pub const fn entry(self) -> PagemapEntry {
        let Self { frame, swap, file, guard, uffd_protected, exclusive, soft_dirty } = self;
        let number = match (frame, swap) {
            (Some(frame), _) => frame | 1 << 63,
            (None, Some(swap)) => swap | 1 << 62,
            (None, None) => 0,
        };
        PagemapEntry(
            number & (0b11 << 62 | NUMBER)
                | (file as u64) << 61
                | (guard as u64) << 58
                | (uffd_protected as u64) << 57
                | (exclusive as u64) << 56
                | (soft_dirty as u64) << 55,
        )
    }
}

/// The bits of a word that hold a frame's number or a place in swap.
const NUMBER: u64 = (1 << 55) - 1;

impl From<PagemapEntry> for PagemapFacts {
    fn from(entry: PagemapEntry) -> Self {
        Self {
            frame: entry.frame(),
            swap: entry.is_swapped().then_some(entry.0 & NUMBER),
            file: entry.is_file(),
            guard: entry.is_guard(),
            uffd_protected: entry.is_uffd_protected(),
            exclusive: entry.is_exclusive(),
            soft_dirty: entry.is_soft_dirty(),
        }
    }
}

/// Appends the words of pages, as a read of `/proc/PID/pagemap` gives them.
pub fn write_pagemap(entries: impl IntoIterator<Item = PagemapEntry>, out: &mut Vec<u8>) {
    out.extend(entries.into_iter().flat_map(|entry| entry.0.to_ne_bytes()));
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek, SeekFrom};

    use super::*;
    use crate::maps;

    #[test]
    fn our_own_pages_are_printed_as_the_kernel_prints_them() {
        let text = std::fs::read("/proc/self/maps").expect("a Linux machine");
        let mut pagemap = std::fs::File::open("/proc/self/pagemap").expect("a pagemap");
        let mut present = 0;
        for row in maps(&text).map(|row| row.expect("the kernel's text")) {
            if row.name == b"[vsyscall]" || row.range.len() > 64 << 20 {
                continue;
            }
            pagemap.seek(SeekFrom::Start(row.range.start.0 / 4096 * 8)).expect("a place in it");
            let mut bytes = vec![0; (row.range.len() / 4096 * 8) as usize];
            if pagemap.read_exact(&mut bytes).is_err() {
                continue;
            }
            let words = bytes.as_chunks().0.iter().map(|word| PagemapEntry(u64::from_ne_bytes(*word)));
            let facts: Vec<_> = words.map(PagemapFacts::from).collect();
            present += facts.iter().filter(|page| page.frame.is_some()).count();
            let mut printed = Vec::new();
            write_pagemap(facts.into_iter().map(PagemapFacts::entry), &mut printed);
            assert!(printed == bytes, "{}", row.range);
        }
        assert!(present > 5);
    }

    #[test]
    fn bits_stand_where_the_kernel_puts_them() {
        let entry = PagemapEntry(0xa180_0000_0001_2345);
        assert!(entry.is_present() && entry.is_file() && entry.is_exclusive() && entry.is_soft_dirty());
        assert!(!entry.is_swapped() && !entry.is_guard());
        assert_eq!(entry.frame(), Some(0x12345));
        assert_eq!(PagemapEntry(0x12345).frame(), None);
    }
}
