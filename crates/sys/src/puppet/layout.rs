//! Where things lie in the puppet: the constants that its machine code and its driver share.

/// Where the arena (the memory that driver and puppet share) is mapped in the puppet.
pub(super) const ARENA: u64 = 0x1000_0000;
/// The bytes of one seat: what one process of the tree has to itself in the arena.
pub(super) const SEAT_BYTES: u64 = 1 << 20;
/// How many processes a tree may have at one time, the origin included.
pub const SEATS: usize = 8;
/// The bytes of the arena.
pub(super) const ARENA_BYTES: u64 = SEAT_BYTES * SEATS as u64;
/// Where the program of the puppet is mapped.
pub(super) const TEXT: u64 = 0x3000_0000;
/// Where its machine code begins in its file and page.
pub(super) const CODE_AT: u64 = 0x200;
/// The functions of the C library that a puppet can call.
pub(super) const FUNCTIONS: [&str; 2] = ["malloc", "free"];
/// The descriptor of the arena in the puppet.
pub(super) const ARENA_FD: i32 = 500;
/// The descriptor of the first of the given files in the puppet; the others follow.
pub const FIRST_FILE_FD: i32 = 501;
/// The descriptor that the program of the puppet is executed from.
pub(super) const PROGRAM_FD: i32 = 499;
/// Descriptors from here on are free for use between fork and exec.
pub(super) const SPARE_FD: i32 = 600;

/// Offset in a seat: how many steps are there to be done.
pub(super) const READY: usize = 0;
/// Offset in a seat: how many steps are done.
pub(super) const DONE: usize = 4;
/// Offset in a seat: not 0 while the puppet sleeps on `READY`.
pub(super) const SLEEPS: usize = 8;
/// Offset in a seat: at which count of done steps the bell is to ring.
pub(super) const RING_AT: usize = 12;
/// Offset in a seat: the bell that the driver sleeps on.
pub(super) const BELL: usize = 16;
/// Offset in a seat: not 0 while a thread sits there; the kernel clears it when the thread ends.
pub(super) const SEATED: usize = 20;
/// Offset in a seat: not 0 while a function of the C library runs.
pub(super) const IN_LIBRARY: usize = 24;
/// Offset in a seat: eight open descriptors of text files, by slot.
pub(super) const SLOTS: usize = 64;
/// Offset in a seat: a word that fetched instructions may write to.
pub(super) const SCRATCH: usize = 256;
/// Offset in a seat: the stack that signals are delivered on.
pub(super) const SIGNAL_STACK: usize = 0x1000;
/// The bytes of that stack.
pub(super) const SIGNAL_STACK_BYTES: usize = 0x4000;
/// Offset in a seat: the top of a stack for the flags register.
pub(super) const STACK_TOP: usize = 0x5fc0;
/// Offset in a seat: the ring of steps.
pub(super) const STEPS: usize = 0x6000;
/// How many steps the ring holds; a power of two.
pub const RING: usize = 1024;
/// log2 of the bytes of a step.
pub(super) const STEP_SHIFT: usize = 7;
/// Offset in a seat: the calls that the C library made during the last step: how many, then each with its number, its
/// six arguments and its answer.
pub(super) const LOG: usize = STEPS + (RING << STEP_SHIFT);
/// How many calls there is room for.
pub(super) const LOG_MAX: usize = 127;
/// The bytes of a call in the log.
pub(super) const LOG_ENTRY: usize = 64;
/// Offset in a seat: the lowest byte of the stack that the C library's functions run on.
pub(super) const LIBRARY_STACK: usize = LOG + (LOG_MAX + 1) * LOG_ENTRY;
/// Offset in a seat: the top of that stack.
pub(super) const LIBRARY_STACK_TOP: usize = LIBRARY_STACK + 0x6000;
/// Offset in a seat: free for what steps point to and answer.
pub const DATA: usize = LIBRARY_STACK_TOP;

/// Offset in a step: its kind.
pub(super) const STEP_KIND: usize = 0;
/// Offset in a step: its six arguments.
pub(super) const STEP_ARGS: usize = 8;
/// Offset in a step: the number of the system call.
pub(super) const STEP_NR: usize = 56;
/// Offset in a step: the raw result.
pub(super) const STEP_RESULT: usize = 64;
/// Offset in a step: the signal it raised, 0 for none.
pub(super) const STEP_SIGNAL: usize = 72;
/// Offset in a step: that signal's code.
pub(super) const STEP_CODE: usize = 76;
/// Offset in a step: that signal's address.
pub(super) const STEP_ADDR: usize = 80;

/// A raw system call.
pub(super) const KIND_SYSCALL: u32 = 0;
/// A load of one byte.
pub(super) const KIND_LOAD: u32 = 1;
/// A store of one byte.
pub(super) const KIND_STORE: u32 = 2;
/// One instruction fetched and executed.
pub(super) const KIND_FETCH: u32 = 3;
/// A fork; the child takes another seat.
pub(super) const KIND_FORK: u32 = 4;
/// Opens a text file into a slot.
pub(super) const KIND_OPEN: u32 = 5;
/// Reads a slot's file to its end, or as much as there is room for, from an offset on.
pub(super) const KIND_READ: u32 = 6;
/// A load of eight bytes.
pub(super) const KIND_LOAD_WORD: u32 = 7;
/// A store of eight bytes.
pub(super) const KIND_STORE_WORD: u32 = 8;
/// Loads whole pages and leaves a hash of each.
pub(super) const KIND_HASH: u32 = 9;
/// A thread of the same memory; it takes another seat.
pub(super) const KIND_THREAD: u32 = 10;
/// A raw system call whose first argument is the descriptor in a slot.
pub(super) const KIND_SLOT_SYSCALL: u32 = 11;
/// A function of the C library, whose system calls are written down.
pub(super) const KIND_LIBRARY: u32 = 12;

/// What the hash of a page begins with.
pub(super) const HASH_SEED: u64 = 0xcbf2_9ce4_8422_2325;
/// What it is multiplied by, after each word was xored to it.
pub(super) const HASH_FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
/// By how many bits it is turned then.
pub(super) const HASH_TURN: u32 = 29;

const _: () = assert!(LIBRARY_STACK_TOP.is_multiple_of(16) && SEAT_BYTES.is_power_of_two());
const _: () = assert!(DATA < SEAT_BYTES as usize && RING.is_power_of_two());
