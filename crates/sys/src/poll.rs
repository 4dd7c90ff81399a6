//! Waiting for several descriptors at once.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use abi::Errno;

use crate::{OsError, OsResult};

/// What is ready at a descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ready {
    /// Something can be read.
    pub readable: bool,
    /// The other end is closed.
    pub hung_up: bool,
}

/// Waits until something can be read from one of the descriptors, or time is up, or a signal came in.
///
/// `poll` and not `epoll`: only its wake-up keeps the wish of a seccomp listener to wake on the same processor
/// (`fs/select.c: pollwake`).
pub fn poll(fds: &[Option<BorrowedFd<'_>>], timeout: Duration) -> OsResult<Vec<Ready>> {
    let mut set: Vec<libc::pollfd> = fds
        .iter()
        .map(|fd| libc::pollfd { fd: fd.map_or(-1, |fd| fd.as_raw_fd()), events: libc::POLLIN, revents: 0 })
        .collect();
    let timeout =
        libc::timespec { tv_sec: timeout.as_secs() as libc::time_t, tv_nsec: timeout.subsec_nanos().into() };
    // SAFETY: `set` has that many entries; the timeout lives; no mask is given.
    let result =
        unsafe { libc::ppoll(set.as_mut_ptr(), set.len() as u64, &raw const timeout, std::ptr::null()) };
    if result < 0 {
        let error = OsError::last("ppoll");
        let is_signal = error.errno == Errno(libc::EINTR as u16);
        return if is_signal { Ok(vec![Ready::default(); fds.len()]) } else { Err(error) };
    }
    let ready = |entry: libc::pollfd| Ready {
        readable: entry.revents & libc::POLLIN != 0,
        hung_up: entry.revents & (libc::POLLHUP | libc::POLLERR | libc::POLLNVAL) != 0,
    };
    Ok(set.into_iter().map(ready).collect())
}
