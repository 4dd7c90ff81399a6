//! Waiting for several descriptors at once.

use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
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
/// # Errors
/// If there are too many of them.
pub fn poll<const N: usize>(fds: [Option<BorrowedFd<'_>>; N], timeout: Duration) -> OsResult<[Ready; N]> {
    let mut set = PollSet::default();
    fds.iter().for_each(|fd| set.add(fd.map(|fd| fd.as_raw_fd())));
    set.wait(timeout)?;
    Ok(std::array::from_fn(|at| set.ready(at)))
}

/// Descriptors that are waited for again and again, by place.
#[derive(Clone, Default)]
pub struct PollSet(Vec<libc::pollfd>);

impl PollSet {
    /// Adds a descriptor; `None` and those that are closed later are never ready for reading.
    pub fn add(&mut self, fd: Option<RawFd>) {
        self.0.push(libc::pollfd { fd: fd.unwrap_or(-1), events: libc::POLLIN, revents: 0 });
    }

    /// Waits until something can be read from one of them, or time is up, or a signal came in.
    ///
    /// `poll` and not `epoll`: only its wake-up keeps the wish of a seccomp listener to wake on the same processor
    /// (`fs/select.c: pollwake`).
    ///
    /// # Errors
    /// If there are too many of them.
    pub fn wait(&mut self, timeout: Duration) -> OsResult<()> {
        let timeout = libc::timespec {
            tv_sec: timeout.as_secs() as libc::time_t,
            tv_nsec: timeout.subsec_nanos().into(),
        };
        let (set, count) = (self.0.as_mut_ptr(), self.0.len() as libc::nfds_t);
        // SAFETY: `set` has `count` entries; the timeout lives; no mask is given.
        let result = unsafe { libc::ppoll(set, count, &raw const timeout, std::ptr::null()) };
        if result >= 0 {
            return Ok(());
        }
        self.0.iter_mut().for_each(|entry| entry.revents = 0);
        let error = OsError::last("ppoll");
        if error.errno == Errno(libc::EINTR as u16) { Ok(()) } else { Err(error) }
    }

    /// What the last wait found at a place.
    pub fn ready(&self, at: usize) -> Ready {
        let revents = self.0.get(at).map_or(0, |entry| entry.revents);
        Ready {
            readable: revents & libc::POLLIN != 0,
            hung_up: revents & (libc::POLLHUP | libc::POLLERR | libc::POLLNVAL) != 0,
        }
    }

    /// Drops those that are closed, from a place on: each would end every wait at once.
    pub fn drop_closed_from(&mut self, first: usize) {
        let mut at = 0;
        self.0.retain(|entry| {
            at += 1;
            at <= first || entry.revents & !libc::POLLIN == 0
        });
    }

    /// Whether something can be read from one of them, from a place on.
    pub fn any_readable_from(&self, first: usize) -> bool {
        self.0.iter().skip(first).any(|entry| entry.revents & libc::POLLIN != 0)
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;
    use crate::socket::Socket;

    #[test]
    fn what_is_ready_is_told_by_place() {
        let (a, b) = Socket::pair().expect("sockets");
        let none = poll([Some(b.as_fd()), None], Duration::ZERO).expect("two");
        assert_eq!(none, [Ready::default(); 2]);
        a.send(b"x", None).expect("an open end");
        let ready = poll([None, Some(b.as_fd())], Duration::from_secs(9)).expect("two");
        assert_eq!(ready, [Ready::default(), Ready { readable: true, hung_up: false }]);
        drop(a);
        b.receive().expect("a message");
        let ready = poll([Some(b.as_fd())], Duration::from_secs(9)).expect("one");
        assert!(ready[0].hung_up);
    }
}
