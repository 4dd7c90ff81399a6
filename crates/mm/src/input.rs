//! What the kernel reads at a call besides its registers, and what a call answers.

use alloc::sync::Arc;

use abi::{AddrRange, Errno, Rlimit, VirtAddr};

use crate::file::MapFile;
use crate::flags::VmFlags;
use crate::why::Why;

/// What the kernel reads besides the registers. The default is what an ordinary call needs: nothing.
#[derive(Clone, Debug, Default)]
pub struct Input {
    /// The descriptor's open file.
    pub file: FileInput,
    /// The new limit of `setrlimit` and `prlimit64`.
    pub rlimit: Option<Rlimit>,
    /// The name given to a range; `None` takes it away.
    pub name: Option<Arc<[u8]>>,
    /// The ranges of `process_madvise`, or the range of a userfaultfd call.
    pub ranges: Arc<[AddrRange]>,
    /// The System V segment behind `shmat`'s identifier; `None`: there is none.
    pub segment: Option<Arc<MapFile>>,
    /// The nodes of `mbind`, one bit each.
    pub nodes: u64,
    /// Where the kernel put the mapping, for the placements that are inputs: `MAP_32BIT`'s random start,
    /// special files.
    pub placed: Option<VirtAddr>,
    /// The flags of a special file's mapping after the call.
    pub special_flags: Option<VmFlags>,
    /// The words of a structure the call reads.
    pub words: Arc<[u64]>,
    /// The kernel's answer, used only by calls whose answer depends on what is not modelled.
    pub observed: Option<Result<u64, Errno>>,
    /// What is known of the pool of huge pages.
    pub huge_pool: HugePool,
    /// What the caller may do.
    pub caps: Caps,
    /// `Committed_AS` in pages, an input in mode 2.
    pub committed: Option<u64>,
    /// Whether memory behind a pointer argument can be read and written.
    pub pointers: Pointers,
    /// The userfaultfd behind the descriptor; `None`: it is none.
    pub uffd: Option<Uffd>,
    /// The process that the call is for, where it names one.
    pub target: Target,
}

/// A userfaultfd.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Uffd {
    /// Which one.
    pub id: u64,
    /// Its features, as `UFFDIO_API` agreed on them.
    pub features: u64,
    /// Whether `UFFDIO_API` was done.
    pub ready: bool,
}

impl Uffd {
    /// `UFFD_FEATURE_EVENT_FORK`: registrations follow into children.
    pub const EVENT_FORK: u64 = 1 << 1;
    /// `UFFD_FEATURE_EVENT_REMAP`: registrations follow `mremap`.
    pub const EVENT_REMAP: u64 = 1 << 2;
    /// `UFFD_FEATURE_SIGBUS`: a fault raises `SIGBUS` instead of a message.
    pub const SIGBUS: u64 = 1 << 7;
    /// `UFFD_FEATURE_WP_UNPOPULATED`: pages of anonymous memory that are missing can be write-protected.
    pub const WP_UNPOPULATED: u64 = 1 << 13;
    /// `UFFD_FEATURE_WP_ASYNC`: write protection without messages, for any mapping.
    pub const WP_ASYNC: u64 = 1 << 15;

    /// Tells whether it has a feature.
    pub const fn has(self, feature: u64) -> bool {
        self.features & feature != 0
    }
}

/// What is known of the pool that hugetlbfs takes its pages of 2 MiB from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum HugePool {
    /// Nothing but what the kernel's answer shows; without one it is empty.
    #[default]
    Observed,
    /// It has a page wherever one is wanted.
    Stocked,
}

/// The process that a number or a process descriptor means.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Target {
    /// The caller.
    #[default]
    Itself,
    /// Another process, which the caller may access.
    Other,
    /// None, or one that the caller may not access: the errno says why.
    Refused(Errno),
}

/// The open file behind a descriptor argument.
#[derive(Clone, Debug, Default)]
pub enum FileInput {
    /// The descriptor is not open (or opened with `O_PATH`).
    #[default]
    Bad,
    /// The open file.
    Open(Arc<MapFile>),
}

/// Whether the memory behind a call's pointers is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Pointers {
    /// It is.
    #[default]
    Good,
    /// It is not: the kernel answers `EFAULT` when it gets there.
    Bad,
}

/// The privileges that memory calls ask for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Caps {
    /// `CAP_IPC_LOCK`.
    pub ipc_lock: bool,
    /// `CAP_SYS_ADMIN`.
    pub sys_admin: bool,
    /// `CAP_SYS_RAWIO`.
    pub sys_rawio: bool,
    /// `CAP_SYS_RESOURCE`.
    pub sys_resource: bool,
    /// `CAP_SYS_NICE`.
    pub sys_nice: bool,
}

impl Caps {
    /// All of them: root.
    pub const ALL: Self =
        Self { ipc_lock: true, sys_admin: true, sys_rawio: true, sys_resource: true, sys_nice: true };
}

/// A call's answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// The return value or errno.
    pub result: Result<u64, Errno>,
    /// Why.
    pub why: Why,
    /// How far the answer is the twin's own.
    pub basis: Basis,
}

/// How far an answer is the twin's own.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Basis {
    /// It follows from rules.
    #[default]
    Predicted,
    /// It was taken from [`Input::observed`], [`Input::placed`] or [`Input::special_flags`]. Where the one needed was
    /// not given, the result means nothing.
    TakenOver,
    /// The twin has no rules for this call: nothing was changed, the result means nothing.
    NotModelled,
}
