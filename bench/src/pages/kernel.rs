//! The kernel's side: the same faults and the same fork, in this process.

use std::ptr;

use abi::PAGE_SIZE;
use anyhow::{Result, ensure};

use super::{FAULTS, FORKED, ROUNDS, cpu_ns};
use crate::clock::median;

/// Medians, in nanoseconds.
pub struct Faults {
    pub demand_zero: f64,
    pub copy_on_write: f64,
    pub fork: f64,
}

/// Anonymous pages of this process.
struct Memory {
    start: *mut u8,
    pages: u64,
}

impl Memory {
    fn map(pages: u64) -> Result<Self> {
        let (len, prot) = ((pages * PAGE_SIZE) as usize, libc::PROT_READ | libc::PROT_WRITE);
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: no address is given: the kernel takes a free one.
        let start = unsafe { libc::mmap(ptr::null_mut(), len, prot, flags, -1, 0) };
        ensure!(start != libc::MAP_FAILED, "mapping {len} bytes: {}", std::io::Error::last_os_error());
        // SAFETY: advice on the mapping just made; small pages, as the twin's.
        unsafe { libc::madvise(start, len, libc::MADV_NOHUGEPAGE) };
        Ok(Self { start: start.cast(), pages })
    }

    fn touch(&self, pages: u64) {
        for page in 0..pages.min(self.pages) {
            // SAFETY: the page lies in the mapping, which may be written and which nothing else uses.
            unsafe { self.start.add((page * PAGE_SIZE) as usize).write_volatile(1) };
        }
    }

    fn drop_pages(&self) {
        // SAFETY: nothing refers to what is in the mapping.
        unsafe { libc::madvise(self.start.cast(), (self.pages * PAGE_SIZE) as usize, libc::MADV_DONTNEED) };
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own.
        unsafe { libc::munmap(self.start.cast(), (self.pages * PAGE_SIZE) as usize) };
    }
}

/// Forks a child that waits until a pipe closes, and returns how long the call took. Returns what `then` returns, which
/// runs while the child lives.
fn fork<T>(then: impl FnOnce() -> T) -> Result<(f64, T)> {
    let mut pipe = [0; 2];
    // SAFETY: an array of two descriptors.
    ensure!(unsafe { libc::pipe(pipe.as_mut_ptr()) } == 0, "a pipe: {}", std::io::Error::last_os_error());
    let begin = cpu_ns();
    // SAFETY: the child calls nothing but close, read and _exit.
    let child = unsafe { libc::fork() };
    let nanoseconds = cpu_ns() - begin;
    if child == 0 {
        let mut byte = 0_u8;
        // SAFETY: the descriptors are open, and the byte is there to be written.
        unsafe {
            libc::close(pipe[1]);
            libc::read(pipe[0], ptr::from_mut(&mut byte).cast(), 1);
            libc::_exit(0);
        }
    }
    let result = then();
    // SAFETY: descriptors and child are this function's own.
    unsafe {
        libc::close(pipe[0]);
        libc::close(pipe[1]);
        libc::waitpid(child, ptr::null_mut(), 0);
    }
    ensure!(child > 0, "fork: {}", std::io::Error::last_os_error());
    Ok((nanoseconds, result))
}

/// Measures faults and fork.
pub fn faults() -> Result<Faults> {
    let memory = Memory::map(FAULTS)?;
    let touched = || {
        let begin = cpu_ns();
        memory.touch(FAULTS);
        (cpu_ns() - begin) / FAULTS as f64
    };
    let (mut zero, mut copy, mut whole) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        memory.drop_pages();
        zero.push(touched());
        copy.push(fork(touched)?.1);
    }
    let large = Memory::map(FORKED)?;
    large.touch(FORKED);
    for _ in 0..ROUNDS {
        whole.push(fork(|| ())?.0);
    }
    Ok(Faults { demand_zero: median(&mut zero), copy_on_write: median(&mut copy), fork: median(&mut whole) })
}
