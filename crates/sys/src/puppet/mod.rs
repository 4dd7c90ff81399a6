//! A process that does what it is told: system calls, loads, stores, fetches, forks, one step after another.
//!
//! ```text
//! driver                 arena (shared memory)              puppet
//! push, publish   ──►    steps, ready  ──────────────────►  does them
//! wait, answer    ◄──    done, results, bell  ◄───────────  writes results
//! ```
//!
//! The puppet is an executable of its own with next to nothing mapped, so that all of its memory but the arena and
//! one page of code is a world to experiment with. A fault is an answer: it is caught on a stack in the arena. Each
//! process of a fork tree has a *seat* in the arena; seat 0 is the origin's.

mod arena;
mod code;
mod image;
mod layout;
mod start;

#[cfg(test)]
mod tests;

use std::os::fd::AsFd;
use std::process::Child;
use std::sync::atomic::{AtomicU32, Ordering, fence};
use std::time::{Duration, Instant};

use abi::{AddrRange, Errno, Pid, VirtAddr};

use self::arena::Arena;
pub use self::image::Library;
use self::layout::{
    ARENA, ARENA_BYTES, BELL, CODE_AT, DONE, HASH_FACTOR, HASH_SEED, HASH_TURN, KIND_FETCH, KIND_FORK,
    KIND_HASH, KIND_LIBRARY, KIND_LOAD, KIND_LOAD_WORD, KIND_OPEN, KIND_READ, KIND_SLOT_SYSCALL, KIND_STORE,
    KIND_STORE_WORD, KIND_SYSCALL, KIND_THREAD, LOG, LOG_ENTRY, LOG_MAX, READY, RING_AT, SEAT_BYTES, SEATED,
    SIGNAL_STACK, SIGNAL_STACK_BYTES, SLEEPS, STEP_ADDR, STEP_ARGS, STEP_CODE, STEP_KIND, STEP_NR,
    STEP_RESULT, STEP_SHIFT, STEP_SIGNAL, STEPS, TEXT,
};
pub use self::layout::{DATA, FIRST_FILE_FD, RING, SEATS};
pub use self::start::{Setup, may_have};
use crate::os_error::{OsError, OsResult};

/// One thing to do, as the puppet understands it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RawStep {
    /// Makes a system call.
    Syscall {
        /// Its number.
        nr: u32,
        /// Its arguments.
        args: [u64; 6],
    },
    /// Loads a byte.
    Load(VirtAddr),
    /// Stores a byte.
    Store(VirtAddr, u8),
    /// Fetches and executes one instruction.
    Fetch(VirtAddr),
    /// Forks; the child sits down on the seat.
    Fork(usize),
    /// Opens the file whose name stands at the address, for reading, into one of eight slots.
    Open(VirtAddr, usize),
    /// Reads a slot's file into memory.
    Read {
        /// The slot.
        slot: usize,
        /// Where to.
        buffer: VirtAddr,
        /// At most so many bytes.
        bytes: u64,
        /// From where on.
        offset: u64,
    },
    /// Loads eight bytes.
    LoadWord(VirtAddr),
    /// Stores eight bytes.
    StoreWord(VirtAddr, u64),
    /// Loads whole pages and leaves a word for each, its hash: [`hash_page`].
    Hash {
        /// The first page.
        addr: VirtAddr,
        /// How many pages.
        pages: u64,
        /// Where their hashes go.
        into: VirtAddr,
    },
    /// Makes a thread; it sits down on the seat.
    Thread(usize),
    /// Calls a function of the C library, whose system calls are written down: [`Puppet::library_calls`].
    Library {
        /// Its address.
        function: VirtAddr,
        /// Its argument.
        argument: u64,
    },
    /// Makes a system call on the file in a slot, which takes the place of the first argument.
    SlotSyscall {
        /// The slot.
        slot: usize,
        /// Its number.
        nr: u32,
        /// Its other arguments.
        args: [u64; 5],
    },
}

/// A function of the C library.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Function {
    /// `malloc`.
    Malloc,
    /// `free`.
    Free,
}

/// A system call that the C library made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LibraryCall {
    /// Its number.
    pub nr: u32,
    /// Its arguments.
    pub args: [u64; 6],
    /// What it returned.
    pub result: Result<u64, Errno>,
}

/// What became of a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RawAnswer {
    /// The return value of a call, the byte loaded, the bytes read.
    pub result: i64,
    /// The signal raised, 0 for none.
    pub signal: i32,
    /// Its `si_code`.
    pub code: i32,
    /// Its `si_addr`.
    pub addr: VirtAddr,
}

/// A process under command, and its children.
pub struct Puppet {
    arena: Arena,
    child: Child,
    pushed: [u32; SEATS],
}

impl Puppet {
    /// Starts one.
    ///
    /// # Errors
    /// If the system refuses memory, a memfd that can be executed, or a process.
    pub fn start(setup: &Setup<'_>) -> OsResult<Self> {
        let memory = start::memfd(c"vmatlas-arena", libc::MFD_NOEXEC_SEAL)?;
        // SAFETY: the call changes the size of a file that is ours.
        if unsafe { libc::ftruncate(std::os::fd::AsRawFd::as_raw_fd(&memory), ARENA_BYTES as i64) } != 0 {
            return Err(OsError::last("ftruncate(arena)"));
        }
        let arena = Arena::map(memory.as_fd())?;
        let child = start::start(setup, memory.as_fd())?;
        Ok(Self { arena, child, pushed: [0; SEATS] })
    }

    /// Returns the process id of the origin.
    pub fn pid(&self) -> Pid {
        Pid(self.child.id() as i32)
    }

    /// Returns the memory that the puppet needs to live: the arena and its code.
    pub fn vital() -> [AddrRange; 2] {
        let range = |start, bytes| AddrRange { start: VirtAddr(start), end: VirtAddr(start + bytes) };
        [range(ARENA, ARENA_BYTES), range(TEXT, abi::PAGE_SIZE)]
    }

    /// Returns the address in the puppet of a place in a seat.
    pub fn address(seat: usize, offset: usize) -> VirtAddr {
        VirtAddr(ARENA + seat as u64 * SEAT_BYTES + offset as u64)
    }

    /// Returns the descriptor of the arena's file in the puppet.
    pub fn arena_fd() -> u64 {
        layout::ARENA_FD as u64
    }

    /// Returns where a place in a seat stands in the arena's file.
    pub fn arena_offset(seat: usize, offset: usize) -> u64 {
        seat as u64 * SEAT_BYTES + offset as u64
    }

    /// Returns where a program that is linked with the C library holds the address of a function.
    pub fn function_at(function: Function) -> VirtAddr {
        VirtAddr(TEXT + abi::PAGE_SIZE + image::FUNCTIONS_AT + 8 * function as u64)
    }

    /// Returns the bytes of a seat.
    pub fn seat_bytes() -> usize {
        SEAT_BYTES as usize
    }

    /// Returns the `struct sigaction` that catches faults, as `rt_sigaction` reads it.
    pub fn sigaction() -> [u64; 4] {
        let code = TEXT + CODE_AT;
        let flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER | 0x0400_0000; // SA_RESTORER
        [code + code::handler() as u64, flags as u64, code + code::restorer() as u64, 0]
    }

    /// Returns the `stack_t` of a seat, as `sigaltstack` reads it.
    pub fn signal_stack(seat: usize) -> [u64; 3] {
        [Self::address(seat, SIGNAL_STACK).0, 0, SIGNAL_STACK_BYTES as u64]
    }

    /// Makes a seat ready for a new process.
    pub fn clear(&mut self, seat: usize) {
        self.pushed[seat] = 0;
        for word in [READY, DONE, SLEEPS, RING_AT, BELL] {
            self.arena.word(seat, word).store(0, Ordering::SeqCst);
        }
    }

    /// Returns how many steps were pushed to a seat.
    pub fn pushed(&self, seat: usize) -> u32 {
        self.pushed[seat]
    }

    /// Returns how many steps of a seat are done.
    pub fn done(&self, seat: usize) -> u32 {
        self.arena.word(seat, DONE).load(Ordering::Acquire)
    }

    /// Adds a step to a seat's ring and returns its number; it is not done before [`Puppet::publish`].
    ///
    /// # Preconditions
    /// Fewer than [`RING`] steps are waiting for their answers to be read.
    pub fn push(&mut self, seat: usize, step: RawStep) -> u32 {
        let number = self.pushed[seat];
        debug_assert!((number.wrapping_sub(self.done(seat)) as usize) < RING, "the ring is full");
        self.arena.write(seat, place(number), &encode(step));
        self.pushed[seat] = number.wrapping_add(1);
        number
    }

    /// Lets the puppet do everything pushed to a seat.
    pub fn publish(&mut self, seat: usize) {
        let ready = self.arena.word(seat, READY);
        ready.store(self.pushed[seat], Ordering::SeqCst);
        fence(Ordering::SeqCst);
        if self.arena.word(seat, SLEEPS).load(Ordering::SeqCst) != 0 {
            // SAFETY: the call reads nothing but the address of a word that stays mapped.
            unsafe { libc::syscall(libc::SYS_futex, ready.as_ptr(), libc::FUTEX_WAKE, 1) };
        }
    }

    /// Waits until `count` steps of a seat are done; `false` if they were not within the time.
    pub fn wait(&self, seat: usize, count: u32, time: Duration) -> bool {
        self.arena.word(seat, RING_AT).store(count, Ordering::SeqCst);
        let bell = self.arena.word(seat, BELL);
        let since = Instant::now();
        loop {
            let heard = bell.load(Ordering::SeqCst);
            fence(Ordering::SeqCst);
            if self.done(seat).wrapping_sub(count) as i32 >= 0 {
                return true;
            }
            let Some(left) = time.checked_sub(since.elapsed()) else { return false };
            futex_wait(bell, heard, left);
        }
    }

    /// Returns the answer to a step that is done.
    pub fn answer(&self, seat: usize, number: u32) -> RawAnswer {
        let mut bytes = [0; 24];
        self.arena.read(seat, place(number) + STEP_RESULT, &mut bytes);
        let long = |at: usize| i64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        let word = |at: usize| i32::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        RawAnswer {
            result: long(0),
            signal: word(STEP_SIGNAL - STEP_RESULT),
            code: word(STEP_CODE - STEP_RESULT),
            addr: VirtAddr(long(STEP_ADDR - STEP_RESULT) as u64),
        }
    }

    /// Returns the system calls that the C library made during the last such step of a seat, in their order; `None` if
    /// the kernel does not hand calls over, or they were too many.
    pub fn library_calls(&self, seat: usize) -> Option<Vec<LibraryCall>> {
        let long = |at: usize| {
            let mut bytes = [0; 8];
            self.arena.read(seat, at, &mut bytes);
            u64::from_le_bytes(bytes)
        };
        let count = usize::try_from(long(LOG)).ok().filter(|count| *count <= LOG_MAX)?;
        let entry = |number: usize| {
            let at = LOG + (number + 1) * LOG_ENTRY;
            let args = std::array::from_fn(|arg| long(at + 8 + 8 * arg));
            LibraryCall { nr: long(at) as u32, args, result: Errno::from_raw(long(at + 56) as i64) }
        };
        Some((0..count).map(entry).collect())
    }

    /// Says that a thread is about to sit down on a seat, before it is made.
    pub fn seat_thread(&mut self, seat: usize) {
        self.arena.word(seat, SEATED).store(1, Ordering::SeqCst);
    }

    /// Waits until the thread of a seat has ended; `false` if it did not within the time.
    pub fn wait_for_thread(&self, seat: usize, time: Duration) -> bool {
        let seated = self.arena.word(seat, SEATED);
        let since = Instant::now();
        while seated.load(Ordering::SeqCst) != 0 {
            let Some(left) = time.checked_sub(since.elapsed()) else { return false };
            futex_wait(seated, 1, left);
        }
        true
    }

    /// Writes into a seat's free part (from [`DATA`] on) and returns the address there.
    pub fn write(&mut self, seat: usize, offset: usize, bytes: &[u8]) -> VirtAddr {
        debug_assert!(offset >= DATA);
        self.arena.write(seat, offset, bytes);
        Self::address(seat, offset)
    }

    /// Reads from a seat.
    pub fn read(&self, seat: usize, offset: usize, into: &mut [u8]) {
        self.arena.read(seat, offset, into);
    }

    /// Tells whether the origin is still running.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends the origin and every process of its group.
    pub fn kill(&mut self) {
        // SAFETY: the call sends a signal to the process group that this value made.
        unsafe { libc::kill(-self.pid().0, libc::SIGKILL) };
        let _gone = self.child.wait();
    }
}

impl Drop for Puppet {
    fn drop(&mut self) {
        if self.is_alive() {
            self.kill();
        }
    }
}

/// Sleeps while the word has this value, for no longer than the time.
fn futex_wait(word: &AtomicU32, value: u32, time: Duration) {
    let limit =
        libc::timespec { tv_sec: time.as_secs() as libc::time_t, tv_nsec: time.subsec_nanos().into() };
    // SAFETY: the call reads a word that stays mapped and one local structure.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAIT, value, &raw const limit) };
}

/// Returns the hash of a page as [`RawStep::Hash`] computes it: two pages that differ in one word never have the same.
pub fn hash_page(page: &[u8]) -> u64 {
    let words = page.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word));
    words.fold(HASH_SEED, |hash, word| (hash ^ word).wrapping_mul(HASH_FACTOR).rotate_left(HASH_TURN))
}

fn place(number: u32) -> usize {
    STEPS + ((number as usize % RING) << STEP_SHIFT)
}

fn encode(step: RawStep) -> [u8; 96] {
    let (kind, nr, args) = match step {
        RawStep::Syscall { nr, args } => (KIND_SYSCALL, nr, args),
        RawStep::Load(addr) => (KIND_LOAD, 0, [addr.0, 0, 0, 0, 0, 0]),
        RawStep::Store(addr, byte) => (KIND_STORE, 0, [addr.0, byte.into(), 0, 0, 0, 0]),
        RawStep::Fetch(addr) => (KIND_FETCH, 0, [addr.0, 0, 0, 0, 0, 0]),
        RawStep::Fork(seat) => (KIND_FORK, 0, [Puppet::address(seat, 0).0, 0, 0, 0, 0, 0]),
        RawStep::Open(path, slot) => (KIND_OPEN, 0, [path.0, slot as u64, 0, 0, 0, 0]),
        RawStep::Read { slot, buffer, bytes, offset } => {
            (KIND_READ, 0, [slot as u64, buffer.0, bytes, offset, 0, 0])
        }
        RawStep::LoadWord(addr) => (KIND_LOAD_WORD, 0, [addr.0, 0, 0, 0, 0, 0]),
        RawStep::StoreWord(addr, word) => (KIND_STORE_WORD, 0, [addr.0, word, 0, 0, 0, 0]),
        RawStep::Hash { addr, pages, into } => (KIND_HASH, 0, [addr.0, pages, into.0, 0, 0, 0]),
        RawStep::Thread(seat) => (KIND_THREAD, 0, [Puppet::address(seat, 0).0, 0, 0, 0, 0, 0]),
        RawStep::Library { function, argument } => (KIND_LIBRARY, 0, [function.0, argument, 0, 0, 0, 0]),
        RawStep::SlotSyscall { slot, nr, args: [a, b, c, d, e] } => {
            (KIND_SLOT_SYSCALL, nr, [slot as u64, a, b, c, d, e])
        }
    };
    let mut bytes = [0; 96];
    bytes[STEP_KIND..STEP_KIND + 4].copy_from_slice(&kind.to_le_bytes());
    for (at, arg) in args.iter().enumerate() {
        bytes[STEP_ARGS + 8 * at..][..8].copy_from_slice(&arg.to_le_bytes());
    }
    bytes[STEP_NR..STEP_NR + 4].copy_from_slice(&nr.to_le_bytes());
    bytes
}
