//! Files without a name that can be sealed.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::os_error::{OsError, OsResult};

/// Makes a memfd that can be sealed.
///
/// # Errors
/// If the system refuses one.
pub fn sealable_memfd(name: &CStr) -> OsResult<OwnedFd> {
    memfd(name, libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING)
}

/// Makes a memfd whose pages are huge pages of the pool, of the usual size.
///
/// # Errors
/// If the system refuses one.
pub fn huge_memfd(name: &CStr) -> OsResult<OwnedFd> {
    memfd(name, libc::MFD_CLOEXEC | libc::MFD_HUGETLB)
}

fn memfd(name: &CStr, flags: u32) -> OsResult<OwnedFd> {
    // SAFETY: the name is a C string; the call touches no other memory.
    let fd = unsafe { libc::memfd_create(name.as_ptr(), flags) };
    if fd < 0 {
        return Err(OsError::last("memfd_create"));
    }
    // SAFETY: the descriptor is new and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Adds `F_SEAL_*` to a memfd.
///
/// # Errors
/// If it may not be sealed so.
pub fn add_seals(fd: BorrowedFd<'_>, seals: u32) -> OsResult<()> {
    // SAFETY: the call changes an attribute of the file only.
    match unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_ADD_SEALS, seals) } {
        0 => Ok(()),
        _ => Err(OsError::last("fcntl(F_ADD_SEALS)")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn a_sealed_file_does_not_grow() {
        let file = std::fs::File::from(sealable_memfd(c"vmatlas-test").expect("a memfd"));
        file.set_len(10).expect("not sealed yet");
        add_seals(file.as_fd(), libc::F_SEAL_GROW as u32).expect("a seal");
        assert!(file.set_len(20).is_err());
    }
}
