//! The events of a recording: what capture writes and what timeline reads, in the order they happened.

use std::sync::Arc;

use abi::{AddrRange, Call, Errno, FileId, FileOff, Pid, Prot, Rlimit, Tid, VirtAddr};

/// Nanoseconds of `CLOCK_MONOTONIC` since the recording began.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct TimeNs(pub u64);

/// One memory (the kernel's `mm_struct`) of a recording, numbered from 0 in order of appearance.
///
/// Threads and `vfork` children share their creator's; `exec` always makes a new one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct MmId(pub u32);

/// A call chain stored once in the recording, numbered from 0 in order of appearance.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct StackId(pub u32);

/// Bytes of a name or path: not always UTF-8, shared where it repeats.
pub type Bytes = Arc<[u8]>;

/// Something that happened.
#[derive(Clone, PartialEq, Debug)]
pub struct Event {
    /// When.
    pub time: TimeNs,
    /// The thread that did it or to which it happened.
    pub tid: Tid,
    /// The memory that thread had.
    pub mm: MmId,
    /// What.
    pub body: Body,
}

/// What happened.
#[derive(Clone, PartialEq, Debug)]
pub enum Body {
    /// A thread entered a memory call.
    Call(CallEvent),
    /// The kernel said that it mapped, grew or re-protected a range (perf's mmap record, under the lock).
    Mapped(MappedEvent),
    /// A page fault.
    Fault(FaultEvent),
    /// A thread made a process or a thread.
    Spawn(SpawnEvent),
    /// A process executed a program; the event carries the *new* memory's id.
    Exec(ExecEvent),
    /// A thread or (if it is the last) a process ended.
    Exit {
        /// How.
        status: ExitStatus,
        /// Whether no thread of the process is left.
        last_thread: bool,
    },
    /// A process was stopped by a signal (job control).
    Stopped {
        /// The signal's number.
        signal: i32,
    },
    /// A stopped process went on.
    Continued,
    /// A thread was named (`comm`).
    ThreadName(Bytes),
    /// From here on the kernel's own state is read, for the memory's next checkpoint, while its threads run on: what
    /// changes from here to there may be in it or not.
    Reading,
    /// What of the memory's huge pages holds only zeros; told before its checkpoint.
    HugeZeros(HugeZeros),
    /// The kernel's own state at this moment.
    Checkpoint(Box<Checkpoint>),
    /// A call that may have changed memory and is not understood.
    Unmodelled(UnmodelledEvent),
    /// Events that happened and are not in the recording.
    Lost {
        /// Which.
        source: LossSource,
        /// How many.
        count: u64,
    },
    /// From here on one fault in `period` is recorded (1: every one; 0: none).
    FaultPeriod {
        /// The period.
        period: u32,
    },
    /// An executable or library was seen for the first time.
    Object(ObjectEvent),
    /// A call chain, numbered by its order: the n-th of these is `StackId(n)`. Innermost address first.
    Stack(Arc<[VirtAddr]>),
    /// A limit in force (at exec, and after it was set from outside).
    Limit {
        /// Which.
        resource: abi::Resource,
        /// The limit.
        limit: Rlimit,
    },
}

/// A memory call.
#[derive(Clone, PartialEq, Debug)]
pub struct CallEvent {
    /// The call with its arguments.
    pub call: Call,
    /// What it answered, if that was seen.
    pub result: CallResult,
    /// What the kernel reads through the call's pointers and descriptors.
    pub input: CallInput,
    /// Who called.
    pub stack: Option<StackId>,
}

/// What a call answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CallResult {
    /// The raw return value, seen.
    Seen(i64),
    /// Not seen: the twin predicts it, later events and checkpoints confirm it.
    Unseen,
}

/// What the kernel reads at a call besides its registers.
#[derive(Clone, PartialEq, Debug, Default)]
pub enum CallInput {
    /// Nothing, or nothing that matters.
    #[default]
    None,
    /// The open file behind a descriptor.
    File(Box<FileRef>),
    /// The descriptor is not open.
    BadFd,
    /// The limit to be set, and for which process (0: the caller).
    Rlimit {
        /// The process.
        pid: Pid,
        /// The new limit.
        limit: Rlimit,
    },
    /// The name given to a range (`PR_SET_VMA_ANON_NAME`); `None` takes the name away.
    Name(Option<Bytes>),
    /// The ranges of a vector call, and whose memory they are in.
    Ranges {
        /// The memory, if it is in this recording.
        target: Option<MmId>,
        /// The ranges.
        ranges: Arc<[AddrRange]>,
    },
    /// The words of a structure, as the call defines it.
    Words(Arc<[u64]>),
    /// The System V segment to be attached.
    Segment {
        /// The segment's key.
        key: i32,
        /// Its size in bytes.
        bytes: u64,
    },
    /// There is no process as the call names it, or the caller may not access it: the errno that the kernel will answer.
    Refused(Errno),
    /// The memory the call reads could not be read (the kernel will answer `EFAULT`).
    Unreadable,
}

/// An open file description as a mapping sees it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct FileRef {
    /// The path as the kernel prints it (`/proc/PID/fd/N`), " (deleted)" and all.
    pub path: Bytes,
    /// Device and inode.
    pub id: FileId,
    /// Size in bytes at the call.
    pub bytes: u64,
    /// What it is.
    pub kind: FileKind,
    /// How it was opened.
    pub mode: OpenMode,
    /// The identity of the open file description (the kernel's `struct file`), 0 where it is not known.
    pub description: u64,
    /// `F_GET_SEALS` of a memfd, 0 otherwise.
    pub seals: u32,
    /// Whether its file system is mounted `noexec`, or holds no programs by its nature.
    pub noexec: bool,
    /// Whether it may only be appended to (`chattr +a`); since format 1.4.
    pub append_only: bool,
}

/// What kind of file, as far as mapping it differs. Those behind [`Other`](Self::Other) are told since format 1.4.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FileKind {
    /// A regular file of a disk file system with THP-aware placement (ext4, xfs).
    Regular,
    /// A regular file of any other file system.
    RegularOther,
    /// tmpfs, memfd, POSIX shared memory.
    Shmem,
    /// hugetlbfs, with pages of 2 MiB where the size is told.
    Hugetlb,
    /// A character or block device.
    Device,
    /// Anything else: perf and io_uring rings, directories, pipes.
    Other,
    /// A file of overlayfs: its mappings show it and have another behind it.
    Overlay,
    /// A regular file of a file system with THP-aware placement that does not know `MAP_SYNC` (btrfs, erofs).
    RegularHuge,
    /// A file of FUSE.
    Fuse,
    /// A file of proc, tracefs and the like: the file itself knows whether it can be mapped.
    KernelFile,
    /// The same of sysfs or cgroup, whose files are all asked.
    Kernfs,
    /// hugetlbfs with pages of 1 GiB.
    HugetlbGib,
    /// The device 1:5, wherever it lies.
    ZeroDevice,
    /// A socket.
    Socket,
    /// A BPF arena, which by its name is a BPF map as any other.
    BpfArena,
    /// The ring of the kernel's tracing (`trace_pipe_raw`).
    TraceBuffer,
}

impl FileKind {
    /// All of them. Their numbers, the places here, are part of the format: new ones are added at the end.
    pub(crate) const ALL: [Self; 16] = [
        Self::Regular,
        Self::RegularOther,
        Self::Shmem,
        Self::Hugetlb,
        Self::Device,
        Self::Other,
        Self::Overlay,
        Self::RegularHuge,
        Self::Fuse,
        Self::KernelFile,
        Self::Kernfs,
        Self::HugetlbGib,
        Self::ZeroDevice,
        Self::Socket,
        Self::BpfArena,
        Self::TraceBuffer,
    ];

    /// What readers of format 1.3 take it for: one of the first six.
    pub(crate) const fn plain(self) -> Self {
        match self {
            Self::Regular | Self::RegularHuge => Self::Regular,
            Self::RegularOther
            | Self::Overlay
            | Self::Fuse
            | Self::KernelFile
            | Self::Kernfs
            | Self::TraceBuffer => Self::RegularOther,
            Self::Shmem => Self::Shmem,
            Self::Hugetlb | Self::HugetlbGib => Self::Hugetlb,
            Self::Device | Self::ZeroDevice => Self::Device,
            Self::Other | Self::Socket | Self::BpfArena => Self::Other,
        }
    }
}

/// How a file was opened, as far as mapping it differs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct OpenMode {
    /// For reading.
    pub read: bool,
    /// For writing.
    pub write: bool,
    /// `O_APPEND`.
    pub append: bool,
    /// `O_PATH`: not open for mapping at all.
    pub path_only: bool,
}

/// The kernel's word on a range, given while it held the address space's lock.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MappedEvent {
    /// The whole mapping after any merge.
    pub range: AddrRange,
    /// Its protection.
    pub prot: Prot,
    /// Whether it is shared.
    pub shared: bool,
    /// Offset into the file (for anonymous memory: the kernel's linear index, in bytes).
    pub offset: FileOff,
    /// The file, zeros for anonymous memory.
    pub file: FileId,
    /// The kernel's name for it (`//anon`, a path, `[stack]`).
    pub name: Bytes,
}

/// A page fault, as the kernel's software event tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FaultEvent {
    /// The address touched.
    pub addr: VirtAddr,
    /// The instruction that touched it.
    pub ip: VirtAddr,
    /// In which mode.
    pub mode: FaultMode,
    /// How memory was accessed.
    pub access: FaultAccess,
    /// Who touched it.
    pub stack: Option<StackId>,
}

/// How memory was accessed. The kernel's software event does not say; a tracepoint does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum FaultAccess {
    /// It was not told.
    #[default]
    Unknown,
    /// Read.
    Read,
    /// Written.
    Write,
    /// An instruction was fetched.
    Exec,
}

/// The mode a fault was taken in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultMode {
    /// The program's own instruction.
    User,
    /// The kernel on the program's behalf.
    Kernel,
}

/// A new thread or process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SpawnEvent {
    /// The new thread.
    pub child: Tid,
    /// Its process.
    pub child_pid: Pid,
    /// Its memory: a new id for a copy, the parent's where it is shared.
    pub child_mm: MmId,
    /// How.
    pub kind: SpawnKind,
}

/// What a new thread shares with its maker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SpawnKind {
    /// A process with a copy of the memory.
    Fork,
    /// A process that borrows the memory until it executes or ends.
    Vfork,
    /// A thread of the same process.
    Thread,
    /// Another process that shares the memory for good (`CLONE_VM` alone).
    SharedMemory,
}

/// A program was executed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExecEvent {
    /// The process.
    pub pid: Pid,
    /// The thread id the caller had before (it becomes the leader's).
    pub former_tid: Tid,
    /// The memory it had before.
    pub former_mm: MmId,
    /// The executable's path.
    pub path: Bytes,
    /// The command line, empty if it is left out of the recording.
    pub argv: Arc<[Bytes]>,
    /// The auxiliary vector: (type, value) pairs.
    pub auxv: Arc<[(u64, u64)]>,
    /// The heap's start (`start_brk`), where it was readable.
    pub start_brk: Option<VirtAddr>,
    /// The first stack address (`start_stack`), where it was readable.
    pub start_stack: Option<VirtAddr>,
    /// Ends of code and data: `start_code, end_code, start_data, end_data`, where they were readable.
    pub segments: Option<[VirtAddr; 4]>,
    /// The `personality` in force.
    pub personality: u64,
    /// Whether this recording can't follow the program's calls (32-bit).
    pub foreign_arch: bool,
}

/// How a thread or process ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExitStatus {
    /// By `exit` with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// The kernel's own state of one memory at one moment.
#[derive(Clone, PartialEq, Debug)]
pub struct Checkpoint {
    /// Why it was taken.
    pub reason: Reason,
    /// The lines of `/proc/PID/maps`.
    pub maps: Arc<[MapRow]>,
    /// Which pages are there, ascending and disjoint; `None` where they were not read.
    pub pages: Option<Arc<[PageRun]>>,
    /// The kernel's own sums.
    pub counters: Counters,
    /// Threads that may have been inside a memory call (let go, not yet seen again): their last call may
    /// or may not be in `maps`.
    pub in_flight: Arc<[Tid]>,
}

/// What a look at some of a memory's anonymous huge pages found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HugeZeros {
    /// How much of them was looked at, in bytes.
    pub looked_at: u64,
    /// Of that, pages of 4 KiB that hold only zeros, in bytes.
    pub zeros: u64,
}

/// Why a checkpoint was taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// Just after exec, before the program's first instruction.
    Exec,
    /// Just after a fork, in the child, before its first instruction.
    Fork,
    /// The process is about to end.
    Exit,
    /// The interval has passed.
    Interval,
    /// Resident memory has grown by a tenth.
    Growth,
    /// A call that the recorder does not understand has passed.
    Unmodelled,
    /// The recording ends while the process lives.
    End,
}

/// A line of `/proc/PID/maps`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct MapRow {
    /// Where.
    pub range: AddrRange,
    /// The protection.
    pub prot: Prot,
    /// `s` rather than `p`: may be shared.
    pub shared: bool,
    /// Offset into the file, in bytes.
    pub offset: FileOff,
    /// The file, zeros for none.
    pub file: FileId,
    /// The name column as printed (escapes and all), empty for none.
    pub name: Bytes,
}

/// A run of pages in the same state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageRun {
    /// The pages.
    pub range: AddrRange,
    /// Their state.
    pub state: PageState,
}

/// The state bits of a page as PAGEMAP_SCAN or pagemap tell them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct PageState(pub u8);

impl PageState {
    /// In memory.
    pub const PRESENT: Self = Self(1);
    /// In swap.
    pub const SWAPPED: Self = Self(2);
    /// A page of a file or of shared memory.
    pub const FILE: Self = Self(4);
    /// The shared zero page.
    pub const ZERO: Self = Self(8);
    /// Part of a huge page.
    pub const HUGE: Self = Self(16);
    /// Mapped by this memory alone (only where pagemap was read).
    pub const EXCLUSIVE: Self = Self(32);
    /// A guard marker.
    pub const GUARD: Self = Self(64);

    /// Tells whether every bit of `other` is set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Returns the bits of both.
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// The kernel's own sums for one memory, in bytes (from `/proc/PID/status`; 0 where it has none).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// `VmSize`.
    pub vm_size: u64,
    /// `RssAnon`.
    pub rss_anon: u64,
    /// `RssFile`.
    pub rss_file: u64,
    /// `RssShmem`.
    pub rss_shmem: u64,
    /// `VmHWM`.
    pub rss_peak: u64,
    /// `VmSwap`.
    pub swap: u64,
    /// `VmData`.
    pub data: u64,
    /// `VmStk`.
    pub stack: u64,
    /// `VmLck`.
    pub locked: u64,
    /// `VmPTE`.
    pub page_tables: u64,
    /// Minor faults so far (`/proc/PID/stat`), a count.
    pub minor_faults: u64,
    /// Major faults so far, a count.
    pub major_faults: u64,
}

/// A call that is not understood.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnmodelledEvent {
    /// Why.
    pub why: UnmodelledWhy,
    /// The system call's number in its own architecture.
    pub nr: u32,
    /// Its arguments.
    pub args: [u64; 6],
}

/// Why a call is not understood.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum UnmodelledWhy {
    /// A 32-bit (i386) call.
    I386,
    /// An x32 call.
    X32,
    /// The program installed a seccomp filter of its own, which may answer calls first.
    OwnFilter,
}

/// Where events were lost.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum LossSource {
    /// Page faults (a ring overflowed).
    Faults,
    /// The kernel's mapping records (a ring overflowed).
    Mapped,
    /// Memory calls.
    Calls,
    /// Checkpoints that could not be read.
    Checkpoints,
}

/// An executable or library.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ObjectEvent {
    /// The file.
    pub file: FileId,
    /// Its path.
    pub path: Bytes,
    /// Its GNU build id, empty where it has none.
    pub build_id: Bytes,
    /// Its program headers and the sections' ranges by file offset: the raw table as read, so that the static
    /// part can be told without the file. Empty where it could not be read.
    pub segments: Arc<[Segment]>,
}

/// A program header of an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment {
    /// `p_type`.
    pub kind: u32,
    /// `p_flags`.
    pub flags: u32,
    /// `p_offset`.
    pub offset: u64,
    /// `p_vaddr`.
    pub vaddr: u64,
    /// `p_filesz`.
    pub file_bytes: u64,
    /// `p_memsz`.
    pub memory_bytes: u64,
    /// `p_align`.
    pub align: u64,
}
