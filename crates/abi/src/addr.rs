//! Addresses, half-open address ranges and file offsets, each its own type.

use core::fmt;

/// log2 of the base page size of the one pinned profile (x86-64, 4 KiB).
pub const PAGE_SHIFT: u32 = 12;
/// The base page size in bytes of the one pinned profile.
pub const PAGE_SIZE: u64 = 1 << PAGE_SHIFT;

/// An address of a process's memory. Any value may occur: programs pass what they like.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct VirtAddr(pub u64);

impl VirtAddr {
    /// Address zero: "no hint" to `mmap`.
    pub const NULL: Self = Self(0);

    /// Tells whether the address is a multiple of the page size.
    pub const fn is_page_aligned(self) -> bool {
        self.0.is_multiple_of(PAGE_SIZE)
    }

    /// Rounds down to a page boundary.
    pub const fn page_down(self) -> Self {
        Self(self.0 & !(PAGE_SIZE - 1))
    }

    /// Rounds up to a page boundary, wrapping to 0 past the last page (the kernel's `PAGE_ALIGN`).
    pub const fn page_up_wrapping(self) -> Self {
        Self(self.0.wrapping_add(PAGE_SIZE - 1) & !(PAGE_SIZE - 1))
    }

    /// The address `bytes` further, `None` past the end of the 64-bit space.
    pub const fn checked_add(self, bytes: u64) -> Option<Self> {
        match self.0.checked_add(bytes) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }
}

impl fmt::Display for VirtAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Debug for VirtAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::LowerHex for VirtAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::LowerHex::fmt(&self.0, f)
    }
}

/// A half-open range of addresses, `start..end`, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct AddrRange {
    /// The first address.
    pub start: VirtAddr,
    /// The address just past the last one.
    pub end: VirtAddr,
}

impl AddrRange {
    /// Makes the range `start..end`.
    ///
    /// # Preconditions
    /// `start <= end`.
    pub const fn new(start: VirtAddr, end: VirtAddr) -> Self {
        debug_assert!(start.0 <= end.0);
        Self { start, end }
    }

    /// Makes a range from its first address and length, `None` if it would pass the end of the space.
    pub const fn from_len(start: VirtAddr, bytes: u64) -> Option<Self> {
        match start.checked_add(bytes) {
            Some(end) => Some(Self { start, end }),
            None => None,
        }
    }

    /// The length in bytes.
    pub const fn len(self) -> u64 {
        self.end.0 - self.start.0
    }

    /// The length in whole pages.
    pub const fn pages(self) -> u64 {
        self.len() >> PAGE_SHIFT
    }

    /// Tells whether the range holds no address.
    pub const fn is_empty(self) -> bool {
        self.start.0 >= self.end.0
    }

    /// Tells whether `addr` lies inside.
    pub const fn contains(self, addr: VirtAddr) -> bool {
        self.start.0 <= addr.0 && addr.0 < self.end.0
    }

    /// Tells whether `other` lies wholly inside.
    pub const fn covers(self, other: Self) -> bool {
        self.start.0 <= other.start.0 && other.end.0 <= self.end.0
    }

    /// Tells whether both share at least one address.
    pub const fn overlaps(self, other: Self) -> bool {
        self.start.0 < other.end.0 && other.start.0 < self.end.0
    }

    /// The common part, `None` where there is none.
    pub fn intersection(self, other: Self) -> Option<Self> {
        let start = self.start.max(other.start);
        let end = self.end.min(other.end);
        (start < end).then_some(Self { start, end })
    }
}

impl fmt::Display for AddrRange {
    /// Writes `7f00-8f00` as `/proc/PID/maps` does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}", self.start.0, self.end.0)
    }
}

impl fmt::Debug for AddrRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An offset into a file, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Debug)]
pub struct FileOff(pub u64);

/// An offset into a file (or an anonymous object), in pages: the kernel's `vm_pgoff`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Debug)]
pub struct PageOff(pub u64);

impl PageOff {
    /// The same offset in bytes, wrapping as the kernel's shift does.
    pub const fn bytes(self) -> FileOff {
        FileOff(self.0 << PAGE_SHIFT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_up_wraps_past_the_last_page() {
        assert_eq!(VirtAddr(u64::MAX).page_up_wrapping(), VirtAddr(0));
        assert_eq!(VirtAddr(1).page_up_wrapping(), VirtAddr(PAGE_SIZE));
    }

    #[test]
    fn touching_ranges_do_not_overlap() {
        let a = AddrRange::new(VirtAddr(0x1000), VirtAddr(0x2000));
        let b = AddrRange::new(VirtAddr(0x2000), VirtAddr(0x3000));
        assert!(!a.overlaps(b));
        assert_eq!(a.intersection(b), None);
    }
}
