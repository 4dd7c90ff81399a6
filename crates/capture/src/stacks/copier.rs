//! Copying what unwinding needs of a thread that waits at a memory call.

use std::fs::File;
use std::os::unix::fs::FileExt;

use abi::{Tid, VirtAddr};
use foldhash::HashMap as QuickMap;
use recording::{StackId, TimeNs};
use stacks::Registers;
use sys::resident::Resident;

use super::copy::{BYTES, BYTES_ABOVE, BYTES_MAX, BYTES_UNKNOWN, RawFault, RawStack, StackCopies};
use super::second;

/// What may be copied beyond the first 16 KiB, in each second and at most at once: a small share of the program's time.
const DEEP_BYTES_PER_SECOND: u64 = 64 << 20;
const DEEP_BYTES_MAX: u64 = 64 << 20;
/// How often a thread is asked for that is not quite asleep yet.
const TRIES: usize = 24;
/// Threads whose files are held open.
const OPEN_MAX: usize = 256;

/// Copies stacks of threads that wait.
#[derive(Debug, Default)]
pub(crate) struct Copier {
    waiting: StackCopies,
    open: QuickMap<Tid, Open>,
    purse: Purse,
}

/// What is held open of a thread.
#[derive(Debug)]
struct Open {
    /// Its `/proc/TID/syscall`.
    syscall: File,
    memory: Resident,
}

/// What may still be spent on deep stacks.
#[derive(Debug, Default)]
struct Purse {
    spent_bytes: u64,
    since: TimeNs,
}

impl Purse {
    /// Tells whether anything is left.
    fn is_open(&mut self, now: TimeNs) -> bool {
        let passed = now.0.saturating_sub(self.since.0);
        let back = u128::from(passed) * u128::from(DEEP_BYTES_PER_SECOND) / 1_000_000_000;
        if back > 0 {
            self.spent_bytes = self.spent_bytes.saturating_sub(u64::try_from(back).unwrap_or(u64::MAX));
            self.since = now;
        }
        self.spent_bytes < DEEP_BYTES_MAX
    }

    fn take(&mut self, bytes: u64) {
        self.spent_bytes += bytes;
    }
}

impl Copier {
    /// Makes one that hands its copies over here.
    pub(crate) fn new(waiting: StackCopies) -> Self {
        Self { waiting, open: QuickMap::default(), purse: Purse::default() }
    }

    /// Copies the stack of a thread that waits in the kernel; its call will be an event of this time.
    pub(crate) fn copy(&mut self, tid: Tid, time: TimeNs) {
        let raw = self.raw(tid, time);
        self.waiting.put(tid, time, raw);
    }

    /// Copies the stack of a thread that a signal has stopped at a fault; returns the number by which the fault names it.
    pub(crate) fn copy_at_fault(&mut self, tid: Tid) -> Option<StackId> {
        let raw = self.raw(tid, TimeNs(0))?;
        Some(self.waiting.with(|shared| shared.put_fault(RawFault { tid, raw, chain: [].into() })))
    }

    /// A thread begins, and stands before its first instruction: its chains will end where its stack pointer is now. A
    /// copy of another one has that one's chains.
    pub(crate) fn begins(&mut self, tid: Tid, copy_of: Option<Tid>) {
        // Its number may have been another thread's, and its memory is new.
        self.open.remove(&tid);
        let own = if copy_of.is_none() { self.ip_and_sp(tid).map(|(_, sp)| sp) } else { None };
        self.waiting.with(|shared| {
            let first = own.or_else(|| shared.first.get(&copy_of?).copied());
            match first {
                Some(first) => shared.first.insert(tid, first),
                None => shared.first.remove(&tid),
            };
        });
    }

    fn raw(&mut self, tid: Tid, time: TimeNs) -> Option<RawStack> {
        let (ip, sp) = self.ip_and_sp(tid)?;
        let mut bytes = self.waiting.spare();
        let read = self.read(tid, sp, bytes.room(BYTES)).unwrap_or(0);
        bytes.truncate(read);
        let mut raw = RawStack { registers: Registers::from_ip_sp(ip, sp), sp, bytes, second: None };
        // Less than was asked for may be all, or end at a page of a large frame that was never touched.
        let mut wanted = self.waiting.wanted(tid, sp, raw.place());
        if wanted > BYTES_UNKNOWN && !self.purse.is_open(time) {
            wanted = BYTES_UNKNOWN;
        }
        if wanted > read {
            let above = VirtAddr(sp.0.wrapping_add(read as u64));
            let more = self.read(tid, above, &mut raw.bytes.room(wanted)[read..]).unwrap_or(0);
            raw.bytes.truncate(read + more);
            self.purse.take(raw.bytes.len().saturating_sub(BYTES_UNKNOWN) as u64);
        }
        raw.second = self.interrupted(tid, &raw);
        if raw.bytes.is_empty() { None } else { Some(raw) }
    }

    /// What a handler on a stack of its own has interrupted.
    fn interrupted(&self, tid: Tid, raw: &RawStack) -> Option<(VirtAddr, Vec<u8>)> {
        let first = self.waiting.with(|shared| shared.first.get(&tid).copied());
        let above = |from: VirtAddr| first.and_then(|first| first.0.checked_sub(from.0));
        if above(raw.sp).is_some_and(|rest| rest <= BYTES_MAX as u64) {
            return None;
        }
        let start = second::interrupted(raw.sp, &raw.bytes)?;
        let wanted = above(start).map_or(u64::MAX, |rest| rest.saturating_add(BYTES_ABOVE));
        let mut bytes = vec![0; usize::try_from(wanted).unwrap_or(usize::MAX).min(BYTES_UNKNOWN)];
        let read = self.read(tid, start, &mut bytes)?;
        bytes.truncate(read);
        Some((start, bytes))
    }

    /// The only registers that the kernel tells of a thread that waits.
    fn ip_and_sp(&mut self, tid: Tid) -> Option<(VirtAddr, VirtAddr)> {
        if let Some(found) = self.open.get(&tid).and_then(|open| look(&open.syscall)) {
            return Some(found);
        }
        // Not seen before, or another thread has its number now.
        if self.open.len() == OPEN_MAX {
            self.open.clear();
        }
        let syscall = File::open(format!("/proc/{tid}/syscall")).ok()?;
        let found = look(&syscall);
        self.open.insert(tid, Open { syscall, memory: Resident::of(tid) });
        found
    }

    /// Reads a thread's memory and brings nothing into it; returns how many bytes there are.
    fn read(&self, tid: Tid, addr: VirtAddr, buffer: &mut [u8]) -> Option<usize> {
        self.open.get(&tid)?.memory.read(addr, buffer).ok()
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
    fn deep_stacks_cost_a_share_of_the_time() {
        let mut purse = Purse::default();
        let mut taken = |at| {
            let mut fits = |_: &u64| purse.is_open(TimeNs(at)).then(|| purse.take(1 << 20)).is_some();
            (0..1000).filter(|no| fits(no)).count()
        };
        assert_eq!(taken(0), 64);
        assert_eq!(taken(1_000_000_000 / 8), 8);
        assert_eq!(taken(60_000_000_000), 64);
    }
}
