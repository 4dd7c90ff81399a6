//! Descriptors of another thread, which need not be its process's: copies of them, and whether two stand for the same open
//! file.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use abi::{Errno, Fd, Pid, Tid};

use crate::os_error::{OsError, OsResult};

/// `KCMP_FILE`.
const KCMP_FILE: libc::c_long = 0;

/// `PIDFD_THREAD`: from Linux 6.9 on.
const PIDFD_THREAD: libc::c_int = libc::O_EXCL;

/// Copies a descriptor of a process's thread that this one may trace: both then stand for the same open file description.
///
/// # Errors
/// `EBADF` where it is not open, `EPERM` or `ESRCH` where the thread can't be traced or is gone, `EINVAL` where the kernel
/// tells only of a process's first thread, of which the descriptor is another.
pub fn copy_of(pid: Pid, tid: Tid, fd: Fd) -> OsResult<OwnedFd> {
    match pidfd(tid, PIDFD_THREAD) {
        Ok(thread) => copy(&thread, fd),
        Err(refused) if refused.errno == Errno::EINVAL => {
            // Mostly the threads of a process share their descriptors.
            let of_first = copy(&pidfd(Tid(pid.0), 0)?, fd)?;
            if is_same_file(&of_first, tid, fd)? { Ok(of_first) } else { Err(refused) }
        }
        Err(error) => Err(error),
    }
}

fn copy(pidfd: &OwnedFd, fd: Fd) -> OsResult<OwnedFd> {
    // SAFETY: an open pidfd and plain numbers.
    let copy = unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), fd.0, 0) };
    owned("pidfd_getfd", copy)
}

fn pidfd(tid: Tid, flags: libc::c_int) -> OsResult<OwnedFd> {
    // SAFETY: plain numbers; the kernel checks them.
    owned("pidfd_open", unsafe { libc::syscall(libc::SYS_pidfd_open, tid.0, flags) })
}

/// Tells whether a descriptor of ours and one of another thread stand for the same open file description.
///
/// # Errors
/// `EBADF` where the other is not open, `EPERM` or `ESRCH` as [`copy_of`].
pub fn is_same_file(ours: &OwnedFd, tid: Tid, fd: Fd) -> OsResult<bool> {
    let own = std::process::id();
    // SAFETY: plain numbers; the kernel checks them.
    let order = unsafe { libc::syscall(libc::SYS_kcmp, own, tid.0, KCMP_FILE, ours.as_raw_fd(), fd.0) };
    if order < 0 { Err(OsError::last("kcmp")) } else { Ok(order == 0) }
}

fn owned(call: &'static str, raw: libc::c_long) -> OsResult<OwnedFd> {
    let raw = i32::try_from(raw).unwrap_or(-1);
    if raw < 0 {
        return Err(OsError::last(call));
    }
    // SAFETY: the kernel has just made this descriptor, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn a_second_open_is_another_description() {
        let me = Tid(std::process::id().cast_signed());
        let [a, b] = [(); 2].map(|()| File::open("/proc/self/maps").expect("our own"));
        let fd = |file: &File| Fd(file.as_raw_fd());
        let copy = match copy_of(Pid(me.0), me, fd(&a)) {
            Ok(copy) => copy,
            Err(error) => return println!("SKIPPED: a_second_open_is_another_description, {error}"),
        };
        assert_eq!(is_same_file(&copy, me, fd(&a)), Ok(true));
        assert_eq!(is_same_file(&copy, me, fd(&b)), Ok(false));
        assert_eq!(copy_of(Pid(me.0), me, Fd(-1)).map_err(|error| error.errno).err(), Some(Errno::EBADF));
    }
}
