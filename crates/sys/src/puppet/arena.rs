//! The memory that driver and puppet share.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::AtomicU32;

use super::layout::{ARENA_BYTES, SEAT_BYTES};
use crate::os_error::{OsError, OsResult};

/// A shared mapping of the arena in the driver.
pub(super) struct Arena {
    base: *mut u8,
}

// SAFETY: the mapping belongs to no thread; all access goes through raw copies and atomics.
unsafe impl Send for Arena {}

impl Arena {
    pub(super) fn map(file: BorrowedFd<'_>) -> OsResult<Self> {
        // SAFETY: a new mapping at a place of the kernel's choice disturbs no other memory.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                ARENA_BYTES as usize,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(OsError::last("mmap(arena)"));
        }
        Ok(Self { base: base.cast() })
    }

    /// Returns a place in the arena from which `bytes` bytes may be accessed.
    fn at(&self, seat: usize, offset: usize, bytes: usize) -> *mut u8 {
        let end = offset.checked_add(bytes);
        assert!(end.is_some_and(|end| end <= SEAT_BYTES as usize), "outside the seat");
        let from = seat * SEAT_BYTES as usize + offset;
        assert!(from + bytes <= ARENA_BYTES as usize, "outside the arena");
        // SAFETY: the offset lies inside the mapping, as just asserted.
        unsafe { self.base.add(from) }
    }

    /// Returns a word that both sides change atomically.
    pub(super) fn word(&self, seat: usize, offset: usize) -> &AtomicU32 {
        debug_assert!(offset.is_multiple_of(4));
        // SAFETY: the place is mapped for as long as `self` lives, aligned, and only used atomically.
        unsafe { AtomicU32::from_ptr(self.at(seat, offset, 4).cast()) }
    }

    pub(super) fn write(&self, seat: usize, offset: usize, bytes: &[u8]) {
        let to = self.at(seat, offset, bytes.len());
        // SAFETY: `to` is good for `bytes.len()` bytes; the source is ordinary memory elsewhere.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) }
    }

    pub(super) fn read(&self, seat: usize, offset: usize, into: &mut [u8]) {
        let from = self.at(seat, offset, into.len());
        // SAFETY: `from` is good for `into.len()` bytes; the target is ordinary memory elsewhere.
        unsafe { std::ptr::copy_nonoverlapping(from, into.as_mut_ptr(), into.len()) }
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `map` and nothing borrows from it any more.
        unsafe { libc::munmap(self.base.cast(), ARENA_BYTES as usize) };
    }
}
