//! Copying what unwinding needs of a thread that waits at a memory call.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};

use abi::{Tid, VirtAddr};
use recording::TimeNs;
use stacks::Registers;

/// Stack copied at a call; all of it only where more than the first part is known or not yet known to be needed.
const BYTES: usize = 2 << 10;
const BYTES_MAX: usize = 16 << 10;
/// Places of which is known how much they need.
const PLACES_MAX: usize = 1 << 16;
/// How often a thread is asked for that is not quite asleep yet.
const TRIES: usize = 24;
/// Copies that may wait for being unwound (64 MiB); beyond, calls go without a chain.
const WAITING_MAX: usize = 32 << 10;
/// Files of threads held open.
const FILES_MAX: usize = 512;

/// What was copied at one call.
#[derive(Debug)]
pub(crate) struct RawStack {
    pub(crate) registers: Registers,
    pub(crate) sp: VirtAddr,
    pub(crate) bytes: Vec<u8>,
}

/// Copies on their way from the tracer to the thread that unwinds.
#[derive(Clone, Debug, Default)]
pub struct StackCopies(Arc<Mutex<Shared>>);

#[derive(Debug, Default)]
struct Shared {
    raw: HashMap<(Tid, TimeNs), RawStack>,
    /// How much of the stack the chains from a place have needed at most.
    needed: HashMap<[u64; 2], usize>,
    missed: u64,
}

impl StackCopies {
    fn with<T>(&self, work: impl FnOnce(&mut Shared) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Hands a copy over: it belongs to the call of this thread at this time.
    pub(crate) fn put(&self, tid: Tid, time: TimeNs, raw: Option<RawStack>) {
        self.with(|shared| match raw {
            Some(raw) if shared.raw.len() < WAITING_MAX => {
                shared.raw.insert((tid, time), raw);
            }
            _ => shared.missed += 1,
        });
    }

    /// Takes the copy that belongs to a call.
    pub(crate) fn take(&self, tid: Tid, time: TimeNs) -> Option<RawStack> {
        self.with(|shared| shared.raw.remove(&(tid, time)))
    }

    /// The chain of a copy needed so much of it; `None`: more than there was.
    pub(crate) fn was_needed(&self, raw: &RawStack, bytes: Option<usize>) {
        let place = raw.place();
        self.with(|shared| {
            if shared.needed.len() == PLACES_MAX {
                shared.needed.clear();
            }
            let needed = shared.needed.entry(place).or_insert(0);
            *needed = (*needed).max(bytes.unwrap_or(BYTES_MAX));
        });
    }

    /// Calls of which nothing was copied.
    pub(crate) fn missed(&self) -> u64 {
        self.with(|shared| shared.missed)
    }

    fn is_shallow(&self, place: [u64; 2]) -> bool {
        self.with(|shared| shared.needed.get(&place).is_some_and(|bytes| *bytes <= BYTES))
    }
}

impl RawStack {
    /// Where the call was made from: the instruction, and the word on top of the stack, which is most often the address
    /// its function returns to.
    fn place(&self) -> [u64; 2] {
        let top = self.bytes.first_chunk().map_or(0, |word| u64::from_le_bytes(*word));
        [self.registers.ip.0, top]
    }
}

/// Copies stacks of threads that wait.
#[derive(Debug, Default)]
pub(crate) struct Copier {
    waiting: StackCopies,
    /// `/proc/TID/syscall` of threads.
    files: HashMap<Tid, File>,
}

impl Copier {
    /// Makes one that hands its copies over here.
    pub(crate) fn new(waiting: StackCopies) -> Self {
        Self { waiting, files: HashMap::new() }
    }

    /// Copies the stack of a thread that waits in the kernel; its call will be an event of this time.
    pub(crate) fn copy(&mut self, tid: Tid, time: TimeNs) {
        let raw = self.raw(tid);
        self.waiting.put(tid, time, raw);
    }

    fn raw(&mut self, tid: Tid) -> Option<RawStack> {
        let (ip, sp) = self.ip_and_sp(tid)?;
        let mut bytes = vec![0; BYTES];
        let read = sys::memory::read(tid, sp, &mut bytes).ok()?;
        bytes.truncate(read);
        let mut raw = RawStack { registers: Registers::from_ip_sp(ip, sp), sp, bytes };
        if read == BYTES && !self.waiting.is_shallow(raw.place()) {
            let mut more = vec![0; BYTES_MAX - BYTES];
            let above = VirtAddr(sp.0.wrapping_add(BYTES as u64));
            let read = sys::memory::read(tid, above, &mut more).unwrap_or(0);
            raw.bytes.extend_from_slice(&more[..read]);
        }
        Some(raw)
    }

    /// The only registers that the kernel tells of a thread that waits.
    fn ip_and_sp(&mut self, tid: Tid) -> Option<(VirtAddr, VirtAddr)> {
        if let Some(found) = self.files.get(&tid).and_then(look) {
            return Some(found);
        }
        // Not seen before, or another thread has its number now.
        if self.files.len() == FILES_MAX {
            self.files.clear();
        }
        let file = File::open(format!("/proc/{tid}/syscall")).ok()?;
        let found = look(&file);
        self.files.insert(tid, file);
        found
    }
}

/// Reads a thread's `/proc/TID/syscall`. A thread whose call has just arrived may still be on its way to sleep, on
/// another processor: then it is "running" for a moment.
fn look(file: &File) -> Option<(VirtAddr, VirtAddr)> {
    let mut text = [0; 256];
    for _ in 0..TRIES {
        let read = file.read_at(&mut text, 0).ok()?;
        if let Some(found) = parse(&text[..read]) {
            return Some(found);
        }
        std::thread::yield_now();
    }
    None
}

/// Reads the last two words of `/proc/TID/syscall`: stack pointer and instruction pointer.
fn parse(text: &[u8]) -> Option<(VirtAddr, VirtAddr)> {
    let text = std::str::from_utf8(text).ok()?.trim_end();
    let mut words = text.rsplit(' ');
    let mut number = || u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok().map(VirtAddr);
    let (ip, sp) = (number()?, number()?);
    Some((ip, sp))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_two_words_are_read() {
        let text = b"9 0x0 0x1000 0x3 0x22 0xffffffffffffffff 0x0 0x7ffe354ab488 0x7f9f1b452503\n";
        assert_eq!(parse(text), Some((VirtAddr(0x7f9f_1b45_2503), VirtAddr(0x7ffe_354a_b488))));
        assert_eq!(parse(b"running\n"), None);
        assert_eq!(parse(b""), None);
    }

    #[test]
    fn a_copy_belongs_to_one_call() {
        let waiting = StackCopies::default();
        let raw = || RawStack {
            registers: Registers::from_ip_sp(VirtAddr(1), VirtAddr(2)),
            sp: VirtAddr(2),
            bytes: vec![7; 16],
        };
        waiting.put(Tid(1), TimeNs(5), Some(raw()));
        waiting.put(Tid(1), TimeNs(6), None);
        assert!(waiting.take(Tid(1), TimeNs(6)).is_none());
        assert!(waiting.take(Tid(1), TimeNs(5)).is_some());
        assert!(waiting.take(Tid(1), TimeNs(5)).is_none());
        assert_eq!(waiting.missed(), 1);
        assert!(!waiting.is_shallow(raw().place()), "not known yet");
        waiting.was_needed(&raw(), Some(500));
        assert!(waiting.is_shallow(raw().place()));
        waiting.was_needed(&raw(), None);
        waiting.was_needed(&raw(), Some(500));
        assert!(!waiting.is_shallow(raw().place()));
    }
}
