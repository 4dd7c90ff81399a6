//! The flags of a mapping, as the kernel keeps them.

use abi::Prot;

use crate::access::Access;

/// `VM_*`: the flags of a mapping, with the kernel's bit values (`include/linux/mm.h`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct VmFlags(pub u64);

macro_rules! vm_flags {
    ($( $(#[$meta:meta])* $name:ident = $bit:expr, $code:literal; )*) => {
        impl VmFlags {
            $( $(#[$meta])* pub const $name: Self = Self(1 << $bit); )*

            /// Every single flag with its two letters in smaps' `VmFlags` line (empty: it has none there).
            pub const NAMED: &'static [(Self, &'static str, &'static str)] =
                &[ $( (Self::$name, stringify!($name), $code) ),* ];
        }
    };
}

vm_flags! {
    /// Readable.
    READ = 0, "rd";
    /// Writable.
    WRITE = 1, "wr";
    /// Executable.
    EXEC = 2, "ex";
    /// Shared, and open for writing.
    SHARED = 3, "sh";
    /// May be made readable.
    MAYREAD = 4, "mr";
    /// May be made writable.
    MAYWRITE = 5, "mw";
    /// May be made executable.
    MAYEXEC = 6, "me";
    /// Shared: what maps prints as `s`.
    MAYSHARE = 7, "ms";
    /// A stack that grows downwards.
    GROWSDOWN = 8, "gd";
    /// Registered with userfaultfd for missing pages.
    UFFD_MISSING = 9, "um";
    /// Page frames without `struct page`.
    PFNMAP = 10, "pf";
    /// Guard markers were put somewhere in it (Linux 6.18.44; later than 6.18.35).
    MAYBE_GUARD = 11, "gu";
    /// Registered with userfaultfd for write protection.
    UFFD_WP = 12, "uw";
    /// Locked.
    LOCKED = 13, "lo";
    /// Memory of a device.
    IO = 14, "io";
    /// Expect sequential reads.
    SEQ_READ = 15, "sr";
    /// Expect random reads.
    RAND_READ = 16, "rr";
    /// Not copied by fork.
    DONTCOPY = 17, "dc";
    /// Not grown by mremap.
    DONTEXPAND = 18, "de";
    /// Lock pages when they are faulted in.
    LOCKONFAULT = 19, "lf";
    /// Charged against the commit limit.
    ACCOUNT = 20, "ac";
    /// Not charged.
    NORESERVE = 21, "nr";
    /// Huge pages of hugetlbfs.
    HUGETLB = 22, "ht";
    /// Synchronous faults of a DAX file.
    SYNC = 23, "sf";
    /// Zero pages in children.
    WIPEONFORK = 25, "wf";
    /// Not in core dumps.
    DONTDUMP = 26, "dd";
    /// Written since the last clear.
    SOFTDIRTY = 27, "sd";
    /// Both kinds of page frames.
    MIXEDMAP = 28, "mm";
    /// Prefers huge pages.
    HUGEPAGE = 29, "hg";
    /// Avoids huge pages.
    NOHUGEPAGE = 30, "nh";
    /// Equal pages may be merged.
    MERGEABLE = 31, "mg";
    /// The first bit of the protection key.
    PKEY_BIT0 = 32, "";
    /// The second bit of the protection key.
    PKEY_BIT1 = 33, "";
    /// The third bit of the protection key.
    PKEY_BIT2 = 34, "";
    /// The fourth bit of the protection key.
    PKEY_BIT3 = 35, "";
    /// A shadow stack.
    SHADOW_STACK = 37, "ss";
    /// Registered with userfaultfd for minor faults.
    UFFD_MINOR = 38, "ui";
    /// The kernel may drop pages.
    DROPPABLE = 40, "dp";
    /// Sealed by mseal.
    SEALED = 42, "sl";
}

impl VmFlags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// What a program may do with the pages.
    pub const ACCESS: Self = Self(7);
    /// What it may be allowed to do.
    pub const MAY_ALL: Self = Self(7 << 4);
    /// Kinds that never merge (`VM_SPECIAL`).
    pub const SPECIAL: Self = Self(Self::IO.0 | Self::DONTEXPAND.0 | Self::PFNMAP.0 | Self::MIXEDMAP.0);
    /// Both lock flags (`VM_LOCKED_MASK`).
    pub const LOCKED_MASK: Self = Self(Self::LOCKED.0 | Self::LOCKONFAULT.0);
    /// The flags that keep a gap below the mapping (`VM_STARTGAP_FLAGS`).
    pub const STARTGAP: Self = Self(Self::GROWSDOWN.0 | Self::SHADOW_STACK.0);
    /// The registrations with userfaultfd (`__VM_UFFD_FLAGS`).
    pub const UFFD: Self = Self(Self::UFFD_MISSING.0 | Self::UFFD_WP.0 | Self::UFFD_MINOR.0);
    /// The flags that keep no mappings apart, and that what they merge into has from then on (`VM_STICKY`).
    pub const STICKY: Self = Self(Self::SOFTDIRTY.0 | Self::MAYBE_GUARD.0);
    /// The protection key.
    pub const PKEY: Self = Self(0xf << 32);
    /// Heap and stack before their own flags: readable, writable, all allowed.
    pub const DATA_DEFAULT: Self = Self(Self::READ.0 | Self::WRITE.0 | Self::MAY_ALL.0);

    /// Tells whether every bit of `other` is set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Tells whether at least one bit of `other` is set.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Returns those of them that stay with what their mapping merges into.
    pub(crate) const fn sticky(self) -> Self {
        Self(self.0 & Self::STICKY.0)
    }

    /// Returns the bits of both.
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns these bits without those of `other`.
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Returns the access flags for a protection: bits that mean nothing are dropped.
    ///
    /// Linux: `include/linux/mman.h: calc_vm_prot_bits`.
    pub const fn of_prot(prot: Prot) -> Self {
        Self(prot.0 & 7)
    }

    /// Returns the protection that maps prints.
    pub const fn prot(self) -> Prot {
        Prot(self.0 & 7)
    }

    /// Guesses the flags of a mapping of which only its line in maps is known.
    pub fn of_maps_line(prot: Prot, shared: bool) -> Self {
        let mut flags = Self::of_prot(prot).with(Self::MAY_ALL);
        if shared {
            flags = flags.with(Self::MAYSHARE).with(Self::SHARED);
        } else if flags.contains(Self::WRITE) {
            flags = flags.with(Self::ACCOUNT);
        }
        flags
    }

    /// Tells whether any access is allowed (`vma_is_accessible`).
    pub const fn is_accessible(self) -> bool {
        self.intersects(Self::ACCESS)
    }

    /// Returns the protection key if a thread with these rights (PKRU) may not do this: instructions are always fetched.
    ///
    /// Linux: `arch/x86/include/asm/mmu_context.h: arch_vma_access_permitted`.
    pub(crate) fn key_refused(self, key_rights: u32, access: Access) -> Option<u8> {
        const NO_ACCESS: u32 = 1;
        const NO_WRITE: u32 = 2;
        let key = ((self.0 & Self::PKEY.0) >> 32) as u8;
        let refused = match access {
            Access::Exec => 0,
            Access::Read => NO_ACCESS,
            Access::Write => NO_ACCESS | NO_WRITE,
        };
        ((key_rights >> (2 * key)) & refused != 0).then_some(key)
    }

    /// Counts as code (`mm/vma.h: is_exec_mapping`).
    pub const fn is_exec_mapping(self) -> bool {
        self.0 & (Self::EXEC.0 | Self::WRITE.0 | Self::GROWSDOWN.0) == Self::EXEC.0
    }

    /// Counts as stack (`mm/vma.h: is_stack_mapping`).
    pub const fn is_stack_mapping(self) -> bool {
        self.intersects(Self::STARTGAP)
    }

    /// Counts as data (`mm/vma.h: is_data_mapping`).
    pub const fn is_data_mapping(self) -> bool {
        self.0 & (Self::WRITE.0 | Self::SHARED.0 | Self::GROWSDOWN.0) == Self::WRITE.0
    }
}

impl core::ops::BitOr for VmFlags {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        self.with(other)
    }
}

impl core::fmt::Debug for VmFlags {
    /// Writes the letters of smaps: `rd wr mr mw me ac`.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let mut separator = "";
        for (flag, name, code) in Self::NAMED {
            if self.contains(*flag) {
                write!(f, "{separator}{}", if code.is_empty() { name } else { code })?;
                separator = " ";
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_accounting_are_exclusive() {
        let stack = VmFlags::DATA_DEFAULT | VmFlags::GROWSDOWN;
        assert!(stack.is_stack_mapping() && !stack.is_data_mapping() && !stack.is_exec_mapping());
        let jit = VmFlags::DATA_DEFAULT | VmFlags::EXEC;
        assert!(jit.is_data_mapping() && !jit.is_exec_mapping());
        let shared = VmFlags::DATA_DEFAULT | VmFlags::SHARED;
        assert!(!shared.is_data_mapping());
    }
}
