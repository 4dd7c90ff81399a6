//! Why a range is of its kind.

use std::fmt;

/// The rule that chose a kind.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Rule {
    /// It lies inside a segment of a loaded object.
    Segment,
    /// It lies inside a segment of a loaded object, but is memory of no file.
    SegmentCopied,
    /// It is the zeros that follow an object's last file page: joined to the object.
    BssTail,
    /// The object maps it without any right between two segments.
    BetweenSegments,
    /// The file is mapped executable and its headers are not known: told by the protection.
    ObjectByProtection,
    /// It lies between `start_brk` and `brk`.
    BrkBounds,
    /// Inferred: it follows the program's image, where the kernel puts the heap. A core file names no heap.
    HeapAfterProgram,
    /// The kernel names it `[heap]`.
    HeapName,
    /// The kernel names it `[stack]`.
    StackName,
    /// It holds the address where exec left the stack pointer.
    StackStart,
    /// It was mapped with `MAP_STACK`, and a thread was started on it.
    StackCall,
    /// It was mapped with `MAP_STACK`; no living thread runs on it.
    StackKept,
    /// A thread's stack pointer points into it.
    StackPointer,
    /// It forbids access at the low end of a thread's stack.
    GuardBelowStack,
    /// The program or its library named it so (`PR_SET_VMA_ANON_NAME`).
    AnonName,
    /// It is in glibc's ring of arenas.
    GlibcArena,
    /// It begins with glibc's header of a block with a mapping of its own.
    GlibcBlock,
    /// Inferred: few pages above a page without rights: as Rust's runtime makes stacks for signal handlers.
    SignalStackShape,
    /// Inferred: size and alignment as this allocator takes memory, and the process has it.
    AllocatorShape(&'static str),
    /// Inferred: memory from a multiple of 64 MiB on, and a reservation to the next: glibc's shape of an arena.
    GlibcArenaShape,
    /// Inferred: the part of such an arena that is not in use yet.
    GlibcArenaRest,
    /// Private memory of no file that may be executed.
    ExecutableAnonymous,
    /// Private memory of no file without any right.
    NoRights,
    /// Private memory of no file, and no other rule applies.
    PlainAnonymous,
    /// A file, mapped private, of which no part is executable.
    FileMappedPrivate,
    /// A file, mapped shared.
    FileMappedShared,
    /// The kernel's name for System V segments.
    SysvName,
    /// A path of memory-backed files (`/memfd:`, `/dev/shm/`).
    MemoryFilePath,
    /// The kernel's name for shared memory of no file.
    SharedAnonymousName,
    /// The kernel names it so.
    KernelName,
    /// A path of devices or of the kernel's rings.
    DevicePath,
}

impl Rule {
    /// Tells whether the kind is a good guess rather than known.
    pub const fn is_inferred(self) -> bool {
        matches!(
            self,
            Self::GlibcArenaShape
                | Self::GlibcArenaRest
                | Self::ObjectByProtection
                | Self::HeapAfterProgram
                | Self::SignalStackShape
                | Self::AllocatorShape(_)
        )
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AllocatorShape(name) => {
                return write!(
                    f,
                    "inferred: size and alignment as {name} takes memory, and the process has {name}"
                );
            }
            Self::SignalStackShape => "inferred: few pages above a guard page, as stacks for signal handlers",
            Self::Segment => "inside a segment of a loaded object",
            Self::SegmentCopied => "inside a segment of a loaded object, though not mapped from its file",
            Self::BssTail => "the zeros after an object's last file page",
            Self::BetweenSegments => "mapped without rights between two segments of an object",
            Self::ObjectByProtection => "inferred: an executable file's mapping, by its protection",
            Self::BrkBounds => "between start_brk and brk",
            Self::HeapAfterProgram => "inferred: follows the program's image, as the heap does",
            Self::HeapName => "the kernel names it [heap]",
            Self::StackName => "the kernel names it [stack]",
            Self::StackStart => "holds the address where exec left the stack pointer",
            Self::StackCall => "mapped with MAP_STACK for a thread that was then started",
            Self::StackKept => "mapped with MAP_STACK, no living thread runs on it",
            Self::StackPointer => "a thread's stack pointer points into it",
            Self::GuardBelowStack => "without rights, at the low end of a thread's stack",
            Self::AnonName => "named so by the program (PR_SET_VMA_ANON_NAME)",
            Self::GlibcArena => "in the ring of glibc's arenas",
            Self::GlibcBlock => "begins with glibc's header of a block with a mapping of its own",
            Self::GlibcArenaShape => "inferred: has the shape of a glibc arena (64 MiB, aligned)",
            Self::GlibcArenaRest => "inferred: the unused rest of a glibc arena (64 MiB, aligned)",
            Self::ExecutableAnonymous => "private, of no file, executable",
            Self::NoRights => "private, of no file, without any right",
            Self::PlainAnonymous => "private, of no file; no other rule applies",
            Self::FileMappedPrivate => "a file mapped private, no part of it executable",
            Self::FileMappedShared => "a file mapped shared",
            Self::SysvName => "the kernel's name for System V segments",
            Self::MemoryFilePath => "a path of memory-backed files",
            Self::SharedAnonymousName => "the kernel's name for shared memory of no file",
            Self::KernelName => "the kernel names it so",
            Self::DevicePath => "a path of devices or kernel rings",
        })
    }
}
