//! What `std` does not tell of files.

use std::ffi::CStr;
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::{OsResult, check};

/// The file system of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileSystem {
    /// Its magic number (`statfs`).
    pub magic: u64,
    /// Whether it is mounted `noexec`.
    pub noexec: bool,
    /// The bytes of its blocks.
    pub block_bytes: u64,
}

/// The file system of the file at a path.
pub fn file_system(path: &CStr) -> OsResult<FileSystem> {
    // The kernel's `struct statfs` of x86-64 is 15 words: type and block size first, the mount's flags at place 10.
    let mut words = [0u64; 15];
    // SAFETY: `path` ends with a zero byte, `words` has the structure's size.
    check("statfs", unsafe { libc::syscall(libc::SYS_statfs, path.as_ptr(), words.as_mut_ptr()) })?;
    let noexec = words[10] & libc::ST_NOEXEC != 0;
    Ok(FileSystem { magic: words[0], noexec, block_bytes: words[1] })
}

/// The seals of a file in memory; 0 for any other.
pub fn seals(fd: &impl AsRawFd) -> u32 {
    // SAFETY: takes numbers.
    let seals = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GET_SEALS) };
    seals.max(0) as u32
}

/// Makes a file in memory.
pub fn memory_file(name: &CStr) -> OsResult<OwnedFd> {
    // SAFETY: `name` ends with a zero byte.
    let fd = check("memfd_create", unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC) }.into())?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// A System V segment's key and size.
pub fn segment(id: i32) -> OsResult<(i32, u64)> {
    // SAFETY: a structure of integers.
    let mut state: libc::shmid_ds = unsafe { mem::zeroed() };
    // SAFETY: `state` lives.
    check("shmctl(IPC_STAT)", unsafe { libc::shmctl(id, libc::IPC_STAT, &raw mut state) }.into())?;
    Ok((state.shm_perm.__key, state.shm_segsz as u64))
}
