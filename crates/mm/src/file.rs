//! What a mapping is backed by.

use alloc::sync::Arc;

use abi::FileId;

use crate::driver::Driver;

/// The identity of a file's memory: what truncation, seals and shared pages belong to (the kernel's inode).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum ObjectId {
    /// A file with a place in a file system.
    File(FileId),
    /// A nameless object of the twin's own: shared anonymous memory.
    Nameless(u64),
}

/// The identity of an open file description (the kernel's `struct file`): only mappings of the same one merge.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum DescriptionId {
    /// Known and told by the caller.
    Known(u64),
    /// The nameless description of shared anonymous memory, one for each such mapping.
    Nameless(u64),
    /// Not known: taken as one for each file.
    Unknown(FileId),
    /// That of a file which no mapping keeps ([`FileKind::Overlay`]).
    NeverMapped,
}

/// An open file as a mapping sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MapFile {
    /// The file.
    pub object: ObjectId,
    /// The open file description.
    pub description: DescriptionId,
    /// What it is.
    pub kind: FileKind,
    /// How it was opened.
    pub mode: OpenMode,
    /// Its size in bytes when it was mapped.
    pub bytes: u64,
    /// `F_SEAL_*` of a memfd.
    pub seals: u32,
    /// Whether its file system is mounted `noexec`.
    pub noexec: bool,
}

impl MapFile {
    /// Returns the file that a new mapping is compared with its neighbours by: while it is made, a mapping of overlayfs
    /// has overlayfs's own file, and afterwards the one behind it.
    ///
    /// Linux: `fs/backing-file.c: backing_file_mmap`, which `mm/vma.c: __mmap_region` comes to after it tried to merge.
    pub(crate) fn while_mapped_anew(self: &Arc<Self>) -> Arc<Self> {
        match self.kind {
            FileKind::Overlay => {
                Arc::new(Self { description: DescriptionId::NeverMapped, ..Self::clone(self) })
            }
            _ => Arc::clone(self),
        }
    }

    /// Returns a regular file that is open for reading and writing.
    pub fn regular(file: FileId, bytes: u64) -> Self {
        Self {
            object: ObjectId::File(file),
            description: DescriptionId::Unknown(file),
            kind: FileKind::Regular,
            mode: OpenMode { read: true, write: true, append_only: false },
            bytes,
            seals: 0,
            noexec: false,
        }
    }
}

/// What kind of file, as far as mapping it differs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FileKind {
    /// A regular file of a file system that places large mappings for huge pages (ext4, xfs).
    Regular,
    /// The same of one that does not know `MAP_SYNC` (btrfs, erofs).
    RegularHuge,
    /// A file of FUSE, which places mappings in the same way and may refuse shared ones.
    Fuse,
    /// A regular file of any other file system.
    RegularOther,
    /// A file of overlayfs: its mappings show it, and have the file of another file system behind it.
    Overlay,
    /// tmpfs, memfd, POSIX shared memory, shared anonymous memory.
    Shmem,
    /// A System V segment.
    SysV,
    /// hugetlbfs with pages of 2 MiB.
    Hugetlb,
    /// hugetlbfs with pages of 1 GiB.
    HugetlbGib,
    /// A System V segment of huge pages (`SHM_HUGETLB`).
    SysVHuge,
    /// `/dev/zero`.
    ZeroDevice,
    /// The ring of an AIO context.
    AioRing,
    /// A device, ring or other special file, with what is known of its driver.
    Special(Driver),
    /// A file that can't be mapped.
    Unmappable,
}

impl FileKind {
    /// Tells whether it is a System V segment.
    pub const fn is_segment(self) -> bool {
        matches!(self, Self::SysV | Self::SysVHuge)
    }

    /// Returns the page size of a hugetlbfs file in bytes.
    pub const fn huge_page_bytes(self) -> Option<u64> {
        match self {
            Self::Hugetlb | Self::SysVHuge => Some(2 << 20),
            Self::HugetlbGib => Some(1 << 30),
            _ => None,
        }
    }
}

/// How a file was opened.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct OpenMode {
    /// For reading.
    pub read: bool,
    /// For writing.
    pub write: bool,
    /// The file itself may only be appended to (`chattr +a`).
    pub append_only: bool,
}

/// `F_SEAL_WRITE`.
pub(crate) const SEAL_WRITE: u32 = 0x8;
/// `F_SEAL_FUTURE_WRITE`.
pub(crate) const SEAL_FUTURE_WRITE: u32 = 0x10;

/// What a mapping is backed by.
#[derive(Clone, Debug)]
pub enum Backing {
    /// Nothing: private anonymous memory.
    Anonymous,
    /// An open file, also that of shared anonymous memory.
    File(Arc<MapFile>),
    /// Pages of the kernel (vdso, vvar, uprobes); the number tells them apart. It is as wide as the pointer above, that a
    /// mapping is copied in whole words.
    Kernel(usize),
}

impl Backing {
    /// Tells whether two mappings have the same `vm_file`: the same open file description, or none.
    pub fn same_file(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Anonymous, Self::Anonymous) => true,
            (Self::Kernel(a), Self::Kernel(b)) => a == b,
            (Self::File(a), Self::File(b)) => Arc::ptr_eq(a, b) || a.description == b.description,
            _ => false,
        }
    }

    /// Returns the open file.
    pub fn file(&self) -> Option<&Arc<MapFile>> {
        match self {
            Self::File(file) => Some(file),
            _ => None,
        }
    }

    /// Returns the kind of the open file.
    pub fn file_kind(&self) -> Option<FileKind> {
        self.file().map(|file| file.kind)
    }

    /// Tells whether a merge may delete such a mapping: its operations have no `close`.
    ///
    /// Linux: `mm/vma.c: can_merge_remove_vma`.
    pub fn may_be_deleted(&self) -> bool {
        !matches!(
            self.file_kind(),
            Some(
                FileKind::SysV
                    | FileKind::SysVHuge
                    | FileKind::Hugetlb
                    | FileKind::HugetlbGib
                    | FileKind::Special(_)
            )
        )
    }
}
