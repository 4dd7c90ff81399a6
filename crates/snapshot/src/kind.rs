//! The kinds of memory, and the groups they are shown in.

/// What a range of memory is: the leaves of the taxonomy.
///
/// Not told apart, and so counted as [`Kind::Anonymous`]: stacks for signal handlers without a guard, and arenas of
/// allocators that neither name their memory nor have a shape that is known here.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// Code of a program or library.
    Text,
    /// Its constants and tables.
    ReadOnlyData,
    /// Its data made read-only after relocation.
    Relro,
    /// Its variables with a value in the file.
    Data,
    /// Its variables that begin as zero.
    Bss,
    /// The `brk` heap.
    Heap,
    /// The main thread's stack.
    MainStack,
    /// A further thread's stack.
    ThreadStack,
    /// The forbidden range below a thread's stack.
    StackGuard,
    /// A stack for signal handlers.
    SignalStack,
    /// An allocator's arena.
    Arena,
    /// A block so large that malloc gave it a mapping of its own.
    LargeBlock,
    /// Code made at run time.
    JitCode,
    /// Address space held and not usable (`PROT_NONE`).
    Reservation,
    /// Other private memory of no file.
    Anonymous,
    /// A file mapped for oneself: writes are copied.
    PrivateFile,
    /// A file mapped together with others: writes reach it.
    SharedFile,
    /// A System V segment.
    SysvShm,
    /// POSIX shared memory, a memfd, a file of `/dev/shm`.
    MemoryFile,
    /// Shared memory of no name.
    SharedAnonymous,
    /// The kernel's code for the program.
    Vdso,
    /// The data of that code.
    Vvar,
    /// The legacy page of system calls.
    Vsyscall,
    /// A device's memory or a ring shared with the kernel.
    Device,
}

/// The groups that kinds are shown in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Group {
    /// Known from the executable files.
    Static,
    /// The heap.
    Heap,
    /// The stacks.
    Stacks,
    /// Private memory of no file.
    Anonymous,
    /// Files.
    Files,
    /// Memory shared between processes.
    SharedMemory,
    /// What the kernel and devices provide.
    Kernel,
}

/// The attributes of a range.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Nature {
    /// When its size and place were known.
    pub origin: Origin,
    /// Where its contents come from.
    pub backing: Backing,
    /// Who sees its writes.
    pub sharing: Sharing,
}

/// When size and place of a range were known.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Origin {
    /// Before the run, from the executable files.
    Static,
    /// Only at run time.
    Dynamic,
}

/// Where the contents of a range come from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Backing {
    /// A file.
    File,
    /// No file: it began as zeros.
    Anonymous,
}

/// Who sees the writes to a range.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Sharing {
    /// This process alone.
    Private,
    /// Everyone who maps it.
    Shared,
}

impl Kind {
    /// Every kind, in the order of showing.
    pub const ALL: [Self; 24] = [
        Self::Text,
        Self::ReadOnlyData,
        Self::Relro,
        Self::Data,
        Self::Bss,
        Self::Heap,
        Self::MainStack,
        Self::ThreadStack,
        Self::StackGuard,
        Self::SignalStack,
        Self::Arena,
        Self::LargeBlock,
        Self::JitCode,
        Self::Reservation,
        Self::Anonymous,
        Self::PrivateFile,
        Self::SharedFile,
        Self::SysvShm,
        Self::MemoryFile,
        Self::SharedAnonymous,
        Self::Vdso,
        Self::Vvar,
        Self::Vsyscall,
        Self::Device,
    ];

    /// The group it is shown in.
    pub const fn group(self) -> Group {
        match self {
            Self::Text | Self::ReadOnlyData | Self::Relro | Self::Data | Self::Bss => Group::Static,
            Self::Heap => Group::Heap,
            Self::MainStack | Self::ThreadStack | Self::StackGuard | Self::SignalStack => Group::Stacks,
            Self::Arena | Self::LargeBlock | Self::JitCode | Self::Reservation | Self::Anonymous => {
                Group::Anonymous
            }
            Self::PrivateFile | Self::SharedFile => Group::Files,
            Self::SysvShm | Self::MemoryFile | Self::SharedAnonymous => Group::SharedMemory,
            Self::Vdso | Self::Vvar | Self::Vsyscall | Self::Device => Group::Kernel,
        }
    }

    /// Its name, for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::ReadOnlyData => "read-only data",
            Self::Relro => "RELRO",
            Self::Data => "data",
            Self::Bss => "bss",
            Self::Heap => "heap",
            Self::MainStack => "main stack",
            Self::ThreadStack => "thread stacks",
            Self::StackGuard => "stack guards",
            Self::SignalStack => "signal stacks",
            Self::Arena => "allocator arenas",
            Self::LargeBlock => "large blocks",
            Self::JitCode => "JIT code",
            Self::Reservation => "reservations",
            Self::Anonymous => "other anonymous",
            Self::PrivateFile => "private files",
            Self::SharedFile => "shared files",
            Self::SysvShm => "System V segments",
            Self::MemoryFile => "memfd, POSIX, tmpfs",
            Self::SharedAnonymous => "shared anonymous",
            Self::Vdso => "vdso",
            Self::Vvar => "vvar",
            Self::Vsyscall => "vsyscall",
            Self::Device => "devices and rings",
        }
    }

    /// Its name, for programs: stable, lower case, no blanks.
    pub const fn slug(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::ReadOnlyData => "rodata",
            Self::Relro => "relro",
            Self::Data => "data",
            Self::Bss => "bss",
            Self::Heap => "heap",
            Self::MainStack => "main_stack",
            Self::ThreadStack => "thread_stack",
            Self::StackGuard => "stack_guard",
            Self::SignalStack => "signal_stack",
            Self::Arena => "arena",
            Self::LargeBlock => "malloc_block",
            Self::JitCode => "jit_code",
            Self::Reservation => "reservation",
            Self::Anonymous => "anonymous",
            Self::PrivateFile => "private_file",
            Self::SharedFile => "shared_file",
            Self::SysvShm => "sysv_shm",
            Self::MemoryFile => "memory_file",
            Self::SharedAnonymous => "shared_anonymous",
            Self::Vdso => "vdso",
            Self::Vvar => "vvar",
            Self::Vsyscall => "vsyscall",
            Self::Device => "device",
        }
    }

    /// When size and place of such memory are known.
    pub fn origin(self) -> Origin {
        if self.group() == Group::Static { Origin::Static } else { Origin::Dynamic }
    }
}

impl Group {
    /// Every group, in the order of showing.
    pub const ALL: [Self; 7] = [
        Self::Static,
        Self::Heap,
        Self::Stacks,
        Self::Anonymous,
        Self::Files,
        Self::SharedMemory,
        Self::Kernel,
    ];

    /// Its name, for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Static => "static",
            Self::Heap => "heap",
            Self::Stacks => "stacks",
            Self::Anonymous => "anonymous",
            Self::Files => "files",
            Self::SharedMemory => "shared memory",
            Self::Kernel => "kernel-provided",
        }
    }

    /// Its name, for programs.
    pub const fn slug(self) -> &'static str {
        match self {
            Self::Static => "static",
            Self::Heap => "heap",
            Self::Stacks => "stacks",
            Self::Anonymous => "anonymous",
            Self::Files => "files",
            Self::SharedMemory => "shared_memory",
            Self::Kernel => "kernel",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn all_kinds_stand_in_group_order_with_names_of_their_own() {
        assert!(Kind::ALL.is_sorted());
        assert!(Kind::ALL.map(Kind::group).is_sorted());
        assert_eq!(Kind::ALL.map(Kind::name).into_iter().collect::<HashSet<_>>().len(), Kind::ALL.len());
        assert_eq!(Kind::ALL.map(Kind::slug).into_iter().collect::<HashSet<_>>().len(), Kind::ALL.len());
    }
}
