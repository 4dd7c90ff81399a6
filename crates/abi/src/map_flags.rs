//! The flags argument of `mmap`.

use crate::bits::bits;

bits! {
    /// `MAP_*`: the kind of a new mapping and how it is placed. The low four bits are its [`MapType`].
    MapFlags: u64 {
        /// Writes are seen by every mapping of the same object.
        SHARED = 0x1 => "MAP_SHARED",
        /// Writes are copied and stay private.
        PRIVATE = 0x2 => "MAP_PRIVATE",
        /// Place exactly here, unmapping what is there.
        FIXED = 0x10 => "MAP_FIXED",
        /// No file.
        ANONYMOUS = 0x20 => "MAP_ANONYMOUS",
        /// Place in the first 2 GiB (x86-64).
        MAP_32BIT = 0x40 => "MAP_32BIT",
        /// Place above 4 GiB (x86-64).
        ABOVE4G = 0x80 => "MAP_ABOVE4G",
        /// A stack that grows downwards on demand.
        GROWSDOWN = 0x100 => "MAP_GROWSDOWN",
        /// Ignored.
        DENYWRITE = 0x800 => "MAP_DENYWRITE",
        /// Ignored.
        EXECUTABLE = 0x1000 => "MAP_EXECUTABLE",
        /// Lock the pages.
        LOCKED = 0x2000 => "MAP_LOCKED",
        /// Do not account the mapping against the commit limit.
        NORESERVE = 0x4000 => "MAP_NORESERVE",
        /// Fault the pages in at once.
        POPULATE = 0x8000 => "MAP_POPULATE",
        /// With `MAP_POPULATE`: only what needs no waiting.
        NONBLOCK = 0x1_0000 => "MAP_NONBLOCK",
        /// Ignored; a hint that this is a stack.
        STACK = 0x2_0000 => "MAP_STACK",
        /// Huge pages of hugetlbfs; the size in bits 26..32.
        HUGETLB = 0x4_0000 => "MAP_HUGETLB",
        /// Synchronous faults of a DAX file; only with `MAP_SHARED_VALIDATE`.
        SYNC = 0x8_0000 => "MAP_SYNC",
        /// As `MAP_FIXED`, but `EEXIST` where something is mapped.
        FIXED_NOREPLACE = 0x10_0000 => "MAP_FIXED_NOREPLACE",
        /// For memory of unknown content; nothing in this kernel's usual build.
        UNINITIALIZED = 0x400_0000 => "MAP_UNINITIALIZED",
    }
}

/// The low four bits of [`MapFlags`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MapType {
    /// `MAP_SHARED`.
    Shared,
    /// `MAP_PRIVATE`.
    Private,
    /// `MAP_SHARED_VALIDATE`: shared, and unknown flags are refused.
    SharedValidate,
    /// `MAP_DROPPABLE`: private anonymous memory the kernel may drop.
    Droppable,
    /// Any other value, which the kernel refuses with `EINVAL`.
    Invalid(u8),
}

impl MapFlags {
    /// The mask of the type bits.
    pub const TYPE_MASK: Self = Self(0xf);
    /// `MAP_SHARED_VALIDATE` (a type, not a bit).
    pub const SHARED_VALIDATE: Self = Self(0x3);
    /// `MAP_DROPPABLE` (a type, not a bit).
    pub const DROPPABLE: Self = Self(0x8);
    /// How far the log2 of the huge page size is shifted.
    pub const HUGE_SHIFT: u32 = 26;

    /// The type in the low four bits.
    pub const fn map_type(self) -> MapType {
        match self.0 & Self::TYPE_MASK.0 {
            1 => MapType::Shared,
            2 => MapType::Private,
            3 => MapType::SharedValidate,
            8 => MapType::Droppable,
            other => MapType::Invalid(other as u8),
        }
    }

    /// log2 of the huge page size asked for, 0 for the default.
    pub const fn huge_size_log2(self) -> u32 {
        ((self.0 >> Self::HUGE_SHIFT) & 0x3f) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_told_apart() {
        assert_eq!(MapFlags(0x22).map_type(), MapType::Private);
        assert_eq!(MapFlags(0x03).map_type(), MapType::SharedValidate);
        assert_eq!(MapFlags(0x28).map_type(), MapType::Droppable);
        assert_eq!(MapFlags(0x20).map_type(), MapType::Invalid(0));
    }
}
