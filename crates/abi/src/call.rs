//! The typed memory system call, declared together with its number: the one table *raw call ⇄ [`Call`]*.
//!
//! A row says the call's variant, its C name, its numbers by architecture, when it concerns memory, and its
//! arguments in order. The enum, the decoder, the encoder and the text form all come from the row.

use core::fmt;

use crate::table::{Row, When};
use crate::{
    Advice, ArchPrctlOp, Fd, MapFlags, MlockFlags, MlockallFlags, MsyncFlags, PrctlOp, Prot, RemapFlags,
    Resource, ShmFlags, VirtAddr,
};

/// An argument register read as its type, and back.
trait Arg: Copy {
    fn from_raw(raw: u64) -> Self;
    fn to_raw(self) -> u64;
    fn write(self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

impl Arg for u64 {
    fn from_raw(raw: u64) -> Self {
        raw
    }
    fn to_raw(self) -> u64 {
        self
    }
    fn write(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self > 0xffff_ffff_ffff { write!(f, "{self:#x}") } else { write!(f, "{self}") }
    }
}

/// Arguments the kernel reads as 32 bits: the upper half of the register is dropped.
macro_rules! int_args {
    ($($name:ty: $inner:ty),* $(,)?) => {
        $(impl Arg for $name {
            fn from_raw(raw: u64) -> Self {
                Self(raw as $inner)
            }
            fn to_raw(self) -> u64 {
                self.0 as i64 as u64
            }
            fn write(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self, f)
            }
        })*
    };
}
int_args!(Fd: i32, Advice: i32, PrctlOp: i32, ArchPrctlOp: i32);

macro_rules! word_args {
    ($($name:ty),* $(,)?) => {
        $(impl Arg for $name {
            fn from_raw(raw: u64) -> Self {
                Self(raw)
            }
            fn to_raw(self) -> u64 {
                self.0
            }
            fn write(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self, f)
            }
        })*
    };
}
word_args!(VirtAddr, Prot, MapFlags, RemapFlags, MsyncFlags, MlockFlags, MlockallFlags, ShmFlags);

impl Arg for Resource {
    fn from_raw(raw: u64) -> Self {
        Self(raw as u32)
    }
    fn to_raw(self) -> u64 {
        u64::from(self.0)
    }
    fn write(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::DATA => "RLIMIT_DATA",
            Self::STACK => "RLIMIT_STACK",
            Self::MEMLOCK => "RLIMIT_MEMLOCK",
            Self::AS => "RLIMIT_AS",
            Self(other) => return write!(f, "{other}"),
        };
        f.write_str(name)
    }
}

impl Arg for i32 {
    fn from_raw(raw: u64) -> Self {
        raw as Self
    }
    fn to_raw(self) -> u64 {
        i64::from(self) as u64
    }
    fn write(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

macro_rules! calls {
    ($(
        $(#[$meta:meta])*
        $variant:ident $name:literal x86_64 $nr:literal i386 $nr32:expr, $when:expr;
        ( $( $arg:ident : $ty:ty ),* );
    )*) => {
        /// A memory system call with its arguments as the program passed them: nothing is validated.
        ///
        /// Arguments that the kernel reads as `int` have lost the upper half of their register; all others
        /// are whole words.
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "the arguments are named as in the manual pages")]
        pub enum Call {
            $( $(#[$meta])* $variant { $( $arg: $ty ),* }, )*
        }

        /// Every memory system call, in the order of [`Call`]'s variants.
        pub const ROWS: &[Row] = &[ $(
            Row {
                name: $name,
                x86_64: $nr,
                i386: $nr32,
                when: $when,
                args: &[ $( stringify!($arg) ),* ],
            }
        ),* ];

        impl Call {
            /// Reads a raw x86-64 system call; `None` if it is no memory call (by number, or by the
            /// argument that decides it: [`When`]).
            pub fn decode_x86_64(nr: u32, args: [u64; 6]) -> Option<Self> {
                match nr {
                    $( $nr if $when.holds(args) => {
                        #[allow(unused_mut, unused_variables, reason = "calls without arguments")]
                        let mut words = args.into_iter();
                        Some(Self::$variant { $( $arg: <$ty as Arg>::from_raw(words.next()?) ),* })
                    } )*
                    _ => None,
                }
            }

            /// The raw x86-64 number and argument registers; unused registers are 0.
            pub fn encode_x86_64(self) -> (u32, [u64; 6]) {
                match self {
                    $( Self::$variant { $( $arg ),* } => {
                        let mut args = [0; 6];
                        #[allow(unused_mut, unused_variables, reason = "calls without arguments")]
                        let mut slots = args.iter_mut();
                        $( if let Some(slot) = slots.next() { *slot = Arg::to_raw($arg); } )*
                        ($nr, args)
                    } )*
                }
            }

            /// The C name of the call.
            pub const fn name(self) -> &'static str {
                match self {
                    $( Self::$variant { .. } => $name, )*
                }
            }
        }

        impl fmt::Display for Call {
            /// Writes the call as C would: `munmap(0x7f0000000000, 4096)`.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())?;
                f.write_str("(")?;
                match *self {
                    $( Self::$variant { $( $arg ),* } => {
                        let mut _separator = "";
                        $( f.write_str(_separator)?; Arg::write($arg, f)?; _separator = ", "; )*
                    } )*
                }
                f.write_str(")")
            }
        }
    };
}

/// `prctl` operations that change memory.
const PRCTLS: &[u32] = &[
    PrctlOp::SET_MM.0 as u32,
    PrctlOp::SET_THP_DISABLE.0 as u32,
    PrctlOp::SET_MDWE.0 as u32,
    PrctlOp::SET_MEMORY_MERGE.0 as u32,
    PrctlOp::SET_VMA.0 as u32,
];

/// `arch_prctl` operations that map memory or steer placement.
const ARCH_PRCTLS: &[u32] = &[
    ArchPrctlOp::MAP_VDSO_X32.0 as u32,
    ArchPrctlOp::MAP_VDSO_32.0 as u32,
    ArchPrctlOp::MAP_VDSO_64.0 as u32,
    ArchPrctlOp::ENABLE_TAGGED_ADDR.0 as u32,
    ArchPrctlOp::SHSTK_ENABLE.0 as u32,
    ArchPrctlOp::SHSTK_DISABLE.0 as u32,
];

/// The limits that change what memory calls answer.
const LIMITS: &[u32] = &[Resource::DATA.0, Resource::STACK.0, Resource::MEMLOCK.0, Resource::AS.0];

calls! {
    /// Maps a file or anonymous memory.
    Mmap "mmap" x86_64 9 i386 Some(192), When::Always;
    (addr: VirtAddr, len: u64, prot: Prot, flags: MapFlags, fd: Fd, offset: u64);
    /// Unmaps a range.
    Munmap "munmap" x86_64 11 i386 Some(91), When::Always;
    (addr: VirtAddr, len: u64);
    /// Grows, shrinks or moves a mapping.
    Mremap "mremap" x86_64 25 i386 Some(163), When::Always;
    (addr: VirtAddr, old_len: u64, new_len: u64, flags: RemapFlags, new_addr: VirtAddr);
    /// Changes the protection of a range.
    Mprotect "mprotect" x86_64 10 i386 Some(125), When::Always;
    (addr: VirtAddr, len: u64, prot: Prot);
    /// Changes the protection and the protection key of a range.
    PkeyMprotect "pkey_mprotect" x86_64 329 i386 Some(380), When::Always;
    (addr: VirtAddr, len: u64, prot: Prot, pkey: i32);
    /// Allocates a protection key.
    PkeyAlloc "pkey_alloc" x86_64 330 i386 Some(381), When::Always;
    (flags: u64, access_rights: u64);
    /// Frees a protection key.
    PkeyFree "pkey_free" x86_64 331 i386 Some(382), When::Always;
    (pkey: i32);
    /// Moves the end of the heap.
    Brk "brk" x86_64 12 i386 Some(45), When::Always;
    (addr: VirtAddr);
    /// Advises the kernel on a range.
    Madvise "madvise" x86_64 28 i386 Some(219), When::Always;
    (addr: VirtAddr, len: u64, advice: Advice);
    /// Advises the kernel on ranges of another process.
    ProcessMadvise "process_madvise" x86_64 440 i386 Some(440), When::Always;
    (pidfd: Fd, iovec: VirtAddr, count: u64, advice: Advice, flags: u64);
    /// Frees the memory of a dying process.
    ProcessMrelease "process_mrelease" x86_64 448 i386 Some(448), When::Always;
    (pidfd: Fd, flags: u64);
    /// Locks a range.
    Mlock "mlock" x86_64 149 i386 Some(150), When::Always;
    (addr: VirtAddr, len: u64);
    /// Locks a range, with flags.
    Mlock2 "mlock2" x86_64 325 i386 Some(376), When::Always;
    (addr: VirtAddr, len: u64, flags: MlockFlags);
    /// Unlocks a range.
    Munlock "munlock" x86_64 150 i386 Some(151), When::Always;
    (addr: VirtAddr, len: u64);
    /// Locks everything.
    Mlockall "mlockall" x86_64 151 i386 Some(152), When::Always;
    (flags: MlockallFlags);
    /// Unlocks everything.
    Munlockall "munlockall" x86_64 152 i386 Some(153), When::Always;
    ();
    /// Writes shared file pages back.
    Msync "msync" x86_64 26 i386 Some(144), When::Always;
    (addr: VirtAddr, len: u64, flags: MsyncFlags);
    /// Tells which pages are in memory.
    Mincore "mincore" x86_64 27 i386 Some(218), When::Always;
    (addr: VirtAddr, len: u64, vec: VirtAddr);
    /// Seals mappings against change.
    Mseal "mseal" x86_64 462 i386 Some(462), When::Always;
    (addr: VirtAddr, len: u64, flags: u64);
    /// Maps file pages in another order.
    RemapFilePages "remap_file_pages" x86_64 216 i386 Some(257), When::Always;
    (addr: VirtAddr, size: u64, prot: Prot, pgoff: u64, flags: MapFlags);
    /// Attaches a System V segment.
    Shmat "shmat" x86_64 30 i386 Some(397), When::Always;
    (id: i32, addr: VirtAddr, flags: ShmFlags);
    /// Detaches a System V segment.
    Shmdt "shmdt" x86_64 67 i386 Some(398), When::Always;
    (addr: VirtAddr);
    /// Sets the NUMA policy of a range.
    Mbind "mbind" x86_64 237 i386 Some(274), When::Always;
    (addr: VirtAddr, len: u64, mode: u64, nodemask: VirtAddr, maxnode: u64, flags: u64);
    /// Sets the home node of a range's policy.
    SetMempolicyHomeNode "set_mempolicy_home_node" x86_64 450 i386 Some(450), When::Always;
    (addr: VirtAddr, len: u64, home_node: u64, flags: u64);
    /// Makes a userfaultfd.
    Userfaultfd "userfaultfd" x86_64 323 i386 Some(374), When::Always;
    (flags: u64);
    /// Any `UFFDIO_*`: registers, unregisters, fills ranges.
    UffdIoctl "ioctl" x86_64 16 i386 Some(54), When::Masked { arg: 1, mask: 0xff00, value: 0xaa00 };
    (fd: Fd, request: u64, arg: VirtAddr);
    /// Makes an AIO context, which maps its ring.
    IoSetup "io_setup" x86_64 206 i386 Some(245), When::Always;
    (events: u64, ctx: VirtAddr);
    /// Destroys an AIO context, which unmaps its ring.
    IoDestroy "io_destroy" x86_64 207 i386 Some(246), When::Always;
    (ctx: VirtAddr);
    /// Maps a shadow stack.
    MapShadowStack "map_shadow_stack" x86_64 453 i386 Some(453), When::Always;
    (addr: VirtAddr, size: u64, flags: u64);
    /// Sets the execution domain; some bits steer memory.
    Personality "personality" x86_64 135 i386 Some(136), When::Always;
    (persona: u64);
    /// Architecture's operations, where they map or steer memory.
    ArchPrctl "arch_prctl" x86_64 158 i386 Some(384), When::In { arg: 0, values: ARCH_PRCTLS };
    (op: ArchPrctlOp, arg: u64);
    /// Process operations, where they change memory.
    Prctl "prctl" x86_64 157 i386 Some(172), When::In { arg: 0, values: PRCTLS };
    (op: PrctlOp, arg2: u64, arg3: u64, arg4: u64, arg5: u64);
    /// Sets a limit.
    Setrlimit "setrlimit" x86_64 160 i386 Some(75), When::In { arg: 0, values: LIMITS };
    (resource: Resource, limit: VirtAddr);
    /// Sets or reads a limit of any process; a memory call where it sets one.
    Prlimit64 "prlimit64" x86_64 302 i386 Some(340), When::InAndSet { arg: 1, values: LIMITS, set: 2 };
    (pid: i32, resource: Resource, new_limit: VirtAddr, old_limit: VirtAddr);
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    extern crate alloc;

    use alloc::string::ToString;

    use super::*;

    #[test]
    fn every_row_round_trips() {
        for row in ROWS {
            let mut args = [0; 6];
            for (at, slot) in args.iter_mut().enumerate().take(row.args.len()) {
                *slot = 0x1000 + at as u64;
            }
            match row.when {
                When::Always => {}
                When::In { arg, values } => args[arg] = u64::from(values[0]),
                When::InAndSet { arg, values, set } => {
                    args[arg] = u64::from(values[0]);
                    args[set] = 1;
                }
                When::Masked { arg, value, .. } => args[arg] = u64::from(value),
            }
            let call = Call::decode_x86_64(row.x86_64, args).expect(row.name);
            assert_eq!(call.encode_x86_64(), (row.x86_64, args), "{}", row.name);
            assert_eq!(call.name(), row.name);
        }
    }

    #[test]
    fn the_text_form_is_c() {
        let call = Call::decode_x86_64(9, [0, 65536, 3, 0x22, u64::MAX, 0]).expect("mmap");
        let text = "mmap(0x0, 65536, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)";
        assert_eq!(call.to_string(), text);
        assert_eq!(Call::Munlockall {}.to_string(), "munlockall()");
    }

    #[test]
    fn reading_a_limit_is_no_memory_call() {
        assert_eq!(Call::decode_x86_64(302, [0, 9, 0, 0x1000, 0, 0]), None);
        assert_eq!(Call::decode_x86_64(157, [15, 0, 0, 0, 0, 0]), None);
    }
}
