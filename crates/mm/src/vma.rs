//! One mapping.

use alloc::sync::Arc;

use abi::{AddrRange, PAGE_SHIFT, PageOff, VirtAddr};

use crate::anon_vma::AnonChain;
use crate::file::{Backing, FileKind};
use crate::flags::VmFlags;
use crate::input::Uffd;
use crate::profile::Profile;
use crate::set::Entry;

/// One mapping (the kernel's `vm_area_struct`): pages with the same backing and flags.
///
/// It is one cache line, that a call which finds it far off waits once.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub struct Vma {
    /// Linux: `vm_start`, `vm_end`. Invariant: page-aligned, not empty.
    pub range: AddrRange,
    /// Linux: `vm_pgoff`. For anonymous memory the page number of its first address when it was made.
    pub pgoff: PageOff,
    /// Linux: `vm_flags`.
    pub flags: VmFlags,
    /// Linux: `vm_file`, `vm_ops`.
    pub backing: Backing,
    /// Linux: `anon_vma`, `anon_vma_chain`: what decides merging beside the flags.
    pub anon: Option<AnonChain>,
    /// Attributes that few mappings have.
    pub extra: Option<Arc<Extra>>,
}

const _: () = assert!(size_of::<Option<Vma>>() == 64, "a mapping is one cache line");

/// Attributes that few mappings have.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Extra {
    /// Linux: `anon_name`.
    pub name: Option<Arc<[u8]>>,
    /// Linux: `vm_policy`.
    pub policy: Option<Policy>,
    /// Linux: `vm_userfaultfd_ctx`: which userfaultfd.
    pub uffd: Option<Uffd>,
}

/// A NUMA policy of a range, as far as two can be told apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy {
    /// `MPOL_*` with its mode flags.
    pub mode: u64,
    /// The nodes in force, one bit each.
    pub nodes: u64,
    /// The nodes asked for, where the mode's flags keep them (`MPOL_F_STATIC_NODES`, `MPOL_F_RELATIVE_NODES`).
    pub asked_nodes: Option<u64>,
    /// The home node (`set_mempolicy_home_node`).
    pub home_node: Option<u64>,
}

impl Extra {
    /// Returns changed attributes; `None` where none is left.
    pub(crate) fn changed(old: Option<&Arc<Self>>, change: impl FnOnce(&mut Self)) -> Option<Arc<Self>> {
        let mut extra = old.map_or_else(Self::default, |old| Self::clone(old));
        change(&mut extra);
        let Self { name, policy, uffd } = &extra;
        let nothing = name.is_none() && policy.is_none() && uffd.is_none();
        if nothing { None } else { Some(Arc::new(extra)) }
    }
}

impl Entry for Vma {
    fn range(&self) -> AddrRange {
        self.range
    }
}

impl Vma {
    /// Returns its first address.
    pub fn start(&self) -> VirtAddr {
        self.range.start
    }

    /// Tells whether it may be split at an address: not pages of the kernel, huge pages only between two, and
    /// other mappings as their driver says.
    ///
    /// Linux: `mm/vma.c: __split_vma` (`may_split`).
    pub fn may_split(&self, at: VirtAddr) -> bool {
        match &self.backing {
            Backing::Kernel(_) => false,
            Backing::File(file) => match file.kind {
                FileKind::Special(driver) => driver.may_split(),
                kind => kind.huge_page_bytes().is_none_or(|bytes| at.0.is_multiple_of(bytes)),
            },
            Backing::Anonymous => true,
        }
    }

    /// Returns the number of pages.
    pub fn pages(&self) -> u64 {
        self.range.pages()
    }

    /// Tells whether it is private anonymous memory (`vma_is_anonymous`): also a private `/dev/zero`.
    pub fn is_anonymous(&self) -> bool {
        match &self.backing {
            Backing::Anonymous => true,
            Backing::File(file) => file.kind == FileKind::ZeroDevice && !self.flags.contains(VmFlags::SHARED),
            Backing::Kernel(_) => false,
        }
    }

    /// Tells whether it is huge pages of hugetlbfs.
    pub fn is_hugetlb(&self) -> bool {
        self.flags.contains(VmFlags::HUGETLB)
    }

    /// Returns the size of its pages in bytes, where they are of hugetlbfs.
    pub fn huge_page_bytes(&self) -> Option<u64> {
        self.backing.file_kind().and_then(FileKind::huge_page_bytes)
    }

    /// Returns the page offset of an address inside or just past it.
    pub fn pgoff_at(&self, addr: VirtAddr) -> PageOff {
        PageOff(self.pgoff.0.wrapping_add((addr.0 - self.range.start.0) >> PAGE_SHIFT))
    }

    /// Returns the lowest address that a new mapping below must keep clear of.
    ///
    /// Linux: `include/linux/mm.h: vm_start_gap`.
    pub fn start_gap(&self, profile: &Profile) -> VirtAddr {
        let gap = if self.flags.contains(VmFlags::GROWSDOWN) {
            profile.guard_bytes()
        } else if self.flags.contains(VmFlags::SHADOW_STACK) {
            profile.page_size
        } else {
            0
        };
        VirtAddr(self.range.start.0.saturating_sub(gap))
    }

    /// Tells whether `mlock` has an effect on it (`vma_supports_mlock`).
    pub fn supports_mlock(&self) -> bool {
        !self.flags.intersects(VmFlags::SPECIAL.with(VmFlags::DROPPABLE)) && !self.is_hugetlb()
    }

    /// Returns the name given to it.
    pub fn name(&self) -> Option<&Arc<[u8]>> {
        self.extra.as_ref().and_then(|extra| extra.name.as_ref())
    }

    /// Returns its NUMA policy.
    pub fn policy(&self) -> Option<&Policy> {
        self.extra.as_ref().and_then(|extra| extra.policy.as_ref())
    }

    /// Returns the userfaultfd it is registered with.
    pub fn uffd(&self) -> Option<u64> {
        self.extra.as_ref().and_then(|extra| extra.uffd).map(|uffd| uffd.id)
    }
}
