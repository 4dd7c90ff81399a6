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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_stand_where_the_kernel_puts_them() {
        let entry = PagemapEntry(0xa180_0000_0001_2345);
        assert!(entry.is_present() && entry.is_file() && entry.is_exclusive() && entry.is_soft_dirty());
        assert!(!entry.is_swapped() && !entry.is_guard());
        assert_eq!(entry.frame(), Some(0x12345));
        assert_eq!(PagemapEntry(0x12345).frame(), None);
    }
}
