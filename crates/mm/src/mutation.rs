//! Single rules of the twin changed on purpose: a test that can't tell a mutant from the twin proves nothing.

use crate::flags::VmFlags;
use crate::profile::Profile;
use crate::why::MergeBar;

/// One rule changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Mutation {
    /// Mappings merge whatever their anon_vmas are.
    NoAnonVma,
    /// A merge ignores that an anon_vma came through a fork.
    ForkIgnored,
    /// The charge against the commit limit does not count in merging.
    AccountIgnored,
    /// The page offsets need not continue.
    OffsetIgnored,
    /// A merge ignores that the open files differ.
    FileIgnored,
    /// A merge ignores that the NUMA policies differ.
    PolicyIgnored,
    /// A merge ignores that the userfaultfds differ.
    UserfaultfdIgnored,
    /// A merge ignores that the names differ.
    NameIgnored,
    /// A free range is not checked against the guard gap of the stack above.
    StackGapIgnored,
    /// A hint is rounded up instead of down.
    HintRoundedUp,
    /// Large anonymous mappings are not placed for huge pages.
    NoHugeAlignment,
    /// A length of 0 is not refused.
    ZeroLengthAllowed,
    /// The count of mappings is refused one too early.
    MapCountOffByOne,
    /// `mmap` checks the descriptor after the length.
    ErrnoOrderSwapped,
    /// `mprotect` changes nothing where a part of the range is refused.
    ProtectAtomic,
    /// `RLIMIT_DATA` does not count private writable mappings.
    DataLimitIgnored,
    /// A stack grows up to the mapping below.
    GrowthGapIgnored,
    /// `brk` may end right below the next mapping.
    BrkGapIgnored,
    /// Touched memory takes the page offset of the place it moves to.
    RemapOffsetReset,
    /// `MREMAP_DONTUNMAP` leaves the source its anon_vma.
    DontunmapKeepsAnonVma,
    /// `MREMAP_DONTUNMAP` leaves the source locked.
    DontunmapKeepsLock,
    /// `mlock` counts pages that are locked already.
    LockCountsTwice,
    /// Guard markers give no anon_vma.
    GuardsNoAnonVma,
    /// Advice ends at the first hole.
    AdviceEndsAtHole,
    /// `mseal` seals what there is of a range with holes.
    SealOverHoles,
    /// A write to the shared zero page writes the shared zero page.
    ZeroPageKept,
    /// Fork leaves both sides the right to write.
    ForkKeepsWrite,
    /// A page that another process holds too is written without a copy.
    ReuseShared,
    /// A write to a private mapping of a file writes the page cache.
    PrivateWritesFile,
    /// The tail of the last page is written back too.
    TailWritten,
    /// `SIGBUS` comes one page late.
    BusOnePageLate,
    /// A huge page that another process holds too is written without a copy.
    HugeReuseShared,
    /// A huge page is mapped where nobody asked for one.
    HugeUnasked,
    /// The pages of zeroes of a huge page that is split for good stay pages of their own.
    HugeKeepsZeroes,
    /// A huge page is not split where a mapping's edge comes to lie in it.
    HugeEdgeIgnored,
    /// Pages are not joined where the first of them is missing.
    CollapseWantsFirst,
    /// A page marked as broken is a missing one.
    PoisonIgnored,
    /// A page that a userfaultfd waits for comes without it.
    MissingUntold,
    /// A child keeps a userfaultfd's write protection without being registered.
    ProtectionForks,
    /// A file's pages that are dropped come back without a userfaultfd's write protection.
    ProtectionDropped,
}

impl Mutation {
    /// Every mutation.
    pub const ALL: &'static [Self] = &[
        Self::NoAnonVma,
        Self::ForkIgnored,
        Self::AccountIgnored,
        Self::OffsetIgnored,
        Self::FileIgnored,
        Self::PolicyIgnored,
        Self::UserfaultfdIgnored,
        Self::NameIgnored,
        Self::StackGapIgnored,
        Self::HintRoundedUp,
        Self::NoHugeAlignment,
        Self::ZeroLengthAllowed,
        Self::MapCountOffByOne,
        Self::ErrnoOrderSwapped,
        Self::ProtectAtomic,
        Self::DataLimitIgnored,
        Self::GrowthGapIgnored,
        Self::BrkGapIgnored,
        Self::RemapOffsetReset,
        Self::DontunmapKeepsAnonVma,
        Self::DontunmapKeepsLock,
        Self::LockCountsTwice,
        Self::GuardsNoAnonVma,
        Self::AdviceEndsAtHole,
        Self::SealOverHoles,
        Self::ZeroPageKept,
        Self::ForkKeepsWrite,
        Self::ReuseShared,
        Self::PrivateWritesFile,
        Self::TailWritten,
        Self::BusOnePageLate,
        Self::HugeReuseShared,
        Self::HugeUnasked,
        Self::HugeKeepsZeroes,
        Self::HugeEdgeIgnored,
        Self::CollapseWantsFirst,
        Self::PoisonIgnored,
        Self::MissingUntold,
        Self::ProtectionForks,
        Self::ProtectionDropped,
    ];

    /// Tells where a changed rule shows.
    pub const fn shows_in(self) -> Shown {
        match self {
            Self::ZeroPageKept
            | Self::ForkKeepsWrite
            | Self::ReuseShared
            | Self::PrivateWritesFile
            | Self::BusOnePageLate
            | Self::HugeReuseShared
            | Self::HugeUnasked
            | Self::HugeKeepsZeroes
            | Self::HugeEdgeIgnored
            | Self::CollapseWantsFirst
            | Self::PoisonIgnored
            | Self::MissingUntold
            | Self::ProtectionForks
            | Self::ProtectionDropped => Shown::Pages,
            Self::TailWritten => Shown::Disk,
            Self::NameIgnored => Shown::OtherKernels,
            _ => Shown::Map,
        }
    }
}

/// Where a changed rule shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shown {
    /// In the map, or in what calls answer.
    Map,
    /// In pages and what is in them.
    Pages,
    /// Only in the file that pages are written back to.
    Disk,
    /// Only on a kernel with an option that none here was built with.
    OtherKernels,
}

impl Profile {
    /// Tells whether a changed rule lets two mappings merge although this rule stops them.
    pub(crate) fn waives(&self, bar: MergeBar) -> bool {
        match bar {
            MergeBar::AnonVma | MergeBar::SidesDiffer => self.mutated(Mutation::NoAnonVma),
            MergeBar::ForkChild => self.mutated(Mutation::ForkIgnored),
            MergeBar::Flags(flags) => flags == VmFlags::ACCOUNT && self.mutated(Mutation::AccountIgnored),
            MergeBar::Offset => self.mutated(Mutation::OffsetIgnored),
            MergeBar::File => self.mutated(Mutation::FileIgnored),
            MergeBar::Policy => self.mutated(Mutation::PolicyIgnored),
            MergeBar::Userfaultfd => self.mutated(Mutation::UserfaultfdIgnored),
            MergeBar::Name => self.mutated(Mutation::NameIgnored),
            _ => false,
        }
    }

    /// Tells whether a rule is changed; never without the feature `mutants`.
    #[cfg(not(feature = "mutants"))]
    #[inline(always)]
    pub(crate) const fn mutated(&self, _mutation: Mutation) -> bool {
        false
    }

    /// Tells whether a rule is changed.
    #[cfg(feature = "mutants")]
    pub(crate) fn mutated(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }
}
