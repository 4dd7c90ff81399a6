//! System V segments of huge pages.

use std::ptr::{NonNull, null, null_mut};

use crate::{OsError, OsResult, check};

/// A segment of huge pages of the usual size, which nobody else finds by a key. Whoever knows its number may attach it; it
/// lives as long as this value, and as long as others are attached.
#[derive(Debug)]
pub struct HugeSegment {
    id: i32,
    /// Where it is mapped without access: nobody reads or writes there.
    at: NonNull<libc::c_void>,
}

// SAFETY: what is mapped is never accessed, and unmapping it is not a matter of the thread.
unsafe impl Send for HugeSegment {}

impl HugeSegment {
    /// Makes one of so many bytes.
    ///
    /// # Errors
    /// If the pool has not so many pages, or the caller may not have them.
    pub fn new(bytes: usize) -> OsResult<Self> {
        let flags = libc::IPC_CREAT | libc::SHM_HUGETLB | 0o700;
        // SAFETY: takes numbers.
        let made = unsafe { libc::shmget(libc::IPC_PRIVATE, bytes, flags) };
        let id = check("shmget", made.into())? as i32;
        // SAFETY: the kernel chooses a place where nothing is.
        let at = unsafe { libc::shmat(id, null(), libc::SHM_RDONLY) };
        let attached = if at.addr() == usize::MAX { Err(OsError::last("shmat")) } else { Ok(at) };
        // SAFETY: IPC_RMID takes no structure. The segment goes with its last attachment.
        unsafe { libc::shmctl(id, libc::IPC_RMID, null_mut()) };
        let at = NonNull::new(attached?).ok_or(OsError::last("shmat"))?;
        Ok(Self { id, at })
    }

    /// Returns its number.
    pub fn id(&self) -> i32 {
        self.id
    }
}

impl Drop for HugeSegment {
    fn drop(&mut self) {
        // SAFETY: this value's own attachment, to which no reference was given out.
        unsafe { libc::shmdt(self.at.as_ptr()) };
    }
}
