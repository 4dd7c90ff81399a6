//! One entry of a page table.

use core::fmt;

use super::frames::FrameId;

/// What stands in a page table for one page. What maps a huge page stands there for each of its pages, all with the same
/// bits.
///
/// ```text
/// 63      62     61     60     59       58     57        56       31 .. 0
/// present write  dirty  young  swapped  huge   poisoned  uffd-wp  frame
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Pte(u64);

impl Pte {
    /// Nothing was ever there.
    pub(crate) const NONE: Self = Self(0);
    const PRESENT: u64 = 1 << 63;
    const WRITE: u64 = 1 << 62;
    const DIRTY: u64 = 1 << 61;
    const YOUNG: u64 = 1 << 60;
    const SWAPPED: u64 = 1 << 59;
    const HUGE: u64 = 1 << 58;
    /// Nothing is there, and an access raises `SIGBUS`. Linux: `PTE_MARKER_POISONED`.
    pub(crate) const POISONED: Self = Self(1 << 57);
    const UFFD_WP: u64 = 1 << 56;
    /// Nothing is there, and what comes is write-protected by userfaultfd. Linux: `PTE_MARKER_UFFD_WP`.
    pub(crate) const UFFD_WP_MARK: Self = Self(Self::UFFD_WP);

    /// Makes a present entry, accessed just now.
    pub(crate) const fn of(frame: FrameId) -> Self {
        Self(Self::PRESENT | Self::YOUNG | frame.0 as u64)
    }

    /// Makes the entry of a page that was swapped out; the frame holds what swap holds.
    pub(crate) const fn swapped(frame: FrameId) -> Self {
        Self(Self::SWAPPED | frame.0 as u64)
    }

    pub(crate) const fn frame(self) -> FrameId {
        FrameId(self.0 as u32)
    }

    pub(crate) const fn is_none(self) -> bool {
        self.0 == 0
    }

    pub(crate) const fn is_present(self) -> bool {
        self.0 & Self::PRESENT != 0
    }

    pub(crate) const fn is_swapped(self) -> bool {
        self.0 & Self::SWAPPED != 0
    }

    /// Tells whether it is the mark of a broken page.
    pub(crate) const fn is_poisoned(self) -> bool {
        self.0 & Self::POISONED.0 != 0
    }

    /// Tells whether a userfaultfd keeps it from being written.
    pub(crate) const fn is_uffd_wp(self) -> bool {
        self.0 & Self::UFFD_WP != 0
    }

    /// Tells whether it is a mark and no page, neither here nor in swap.
    pub(crate) const fn is_mark(self) -> bool {
        !self.is_none() && self.0 & (Self::PRESENT | Self::SWAPPED) == 0
    }

    pub(crate) const fn is_writable(self) -> bool {
        self.0 & Self::WRITE != 0
    }

    pub(crate) const fn is_dirty(self) -> bool {
        self.0 & Self::DIRTY != 0
    }

    pub(crate) const fn is_young(self) -> bool {
        self.0 & Self::YOUNG != 0
    }

    /// Tells whether it is a part of what maps a huge page.
    pub(crate) const fn is_huge(self) -> bool {
        self.0 & Self::HUGE != 0
    }

    /// Tells whether it is the shared zero page.
    pub(crate) const fn is_zero_page(self) -> bool {
        self.is_present() && self.frame().0 == FrameId::ZERO.0
    }

    /// Tells whether two entries differ at most in the frame.
    pub(crate) const fn same_bits(self, other: Self) -> bool {
        (self.0 ^ other.0) >> 32 == 0
    }

    pub(crate) const fn huge(self) -> Self {
        Self(self.0 | Self::HUGE)
    }

    pub(crate) const fn small(self) -> Self {
        Self(self.0 & !Self::HUGE)
    }

    pub(crate) const fn writable(self) -> Self {
        Self(self.0 | Self::WRITE)
    }

    pub(crate) const fn protected(self) -> Self {
        Self(self.0 & !Self::WRITE)
    }

    /// Makes a userfaultfd keep it from being written.
    pub(crate) const fn uffd_wp(self) -> Self {
        Self(self.0 & !Self::WRITE | Self::UFFD_WP)
    }

    pub(crate) const fn without_uffd_wp(self) -> Self {
        Self(self.0 & !Self::UFFD_WP)
    }

    pub(crate) const fn dirty(self) -> Self {
        Self(self.0 | Self::DIRTY)
    }

    pub(crate) const fn clean(self) -> Self {
        Self(self.0 & !Self::DIRTY)
    }

    pub(crate) const fn young(self) -> Self {
        Self(self.0 | Self::YOUNG)
    }

    pub(crate) const fn old(self) -> Self {
        Self(self.0 & !Self::YOUNG)
    }
}

impl fmt::Debug for Pte {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (bit, letter) in [
            (Self::PRESENT, 'p'),
            (Self::WRITE, 'w'),
            (Self::DIRTY, 'd'),
            (Self::YOUNG, 'y'),
            (Self::SWAPPED, 's'),
            (Self::HUGE, 'h'),
            (Self::POISONED.0, '!'),
            (Self::UFFD_WP, 'u'),
        ] {
            if self.0 & bit != 0 {
                write!(f, "{letter}")?;
            }
        }
        write!(f, ":{}", self.frame().0)
    }
}
