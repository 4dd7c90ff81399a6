//! A pair of sockets between two of our own processes, over which messages and descriptors go.

use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use crate::{OsResult, check};

/// The longest message.
pub const MESSAGE_BYTES_MAX: usize = 4096;

/// One end of a pair.
#[derive(Debug)]
pub struct Socket(OwnedFd);

/// A message as it came in.
#[derive(Debug)]
pub struct Message {
    /// Its bytes; none at all when the other end is closed.
    pub bytes: Vec<u8>,
    /// The descriptor sent with it.
    pub fd: Option<OwnedFd>,
}

/// Room for one descriptor's control message, aligned as the kernel wants.
#[repr(C, align(8))]
struct Control([u8; 32]);

impl Socket {
    /// Makes a pair; messages keep their borders, neither end outlives an exec.
    pub fn pair() -> OsResult<(Self, Self)> {
        let mut fds = [0; 2];
        let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
        // SAFETY: `fds` has room for the two descriptors.
        check("socketpair", unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, fds.as_mut_ptr()) }.into())?;
        // SAFETY: the kernel has just made these descriptors for us.
        Ok(unsafe { (Self(OwnedFd::from_raw_fd(fds[0])), Self(OwnedFd::from_raw_fd(fds[1]))) })
    }

    /// Sends a message, with a descriptor if there is one. The other end may be gone: that is an error, no signal.
    pub fn send(&self, bytes: &[u8], fd: Option<BorrowedFd<'_>>) -> OsResult<()> {
        let mut iov = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
        let mut control = Control([0; 32]);
        // SAFETY: a structure of integers and pointers; all zeros is a value.
        let mut header: libc::msghdr = unsafe { mem::zeroed() };
        header.msg_iov = &raw mut iov;
        header.msg_iovlen = 1;
        if let Some(fd) = fd {
            header.msg_control = control.0.as_mut_ptr().cast();
            // SAFETY: `header` points to room for one descriptor, so that the first control message is there, and
            // has that room.
            unsafe {
                header.msg_controllen = libc::CMSG_SPACE(size_of::<RawFd>() as u32) as usize;
                let first = libc::CMSG_FIRSTHDR(&raw const header);
                (*first).cmsg_level = libc::SOL_SOCKET;
                (*first).cmsg_type = libc::SCM_RIGHTS;
                (*first).cmsg_len = libc::CMSG_LEN(size_of::<RawFd>() as u32) as usize;
                libc::CMSG_DATA(first).cast::<RawFd>().write_unaligned(fd.as_raw_fd());
            }
        }
        // SAFETY: all that `header` points to lives through the call.
        let sent = unsafe { libc::sendmsg(self.0.as_raw_fd(), &raw const header, libc::MSG_NOSIGNAL) };
        check("sendmsg", sent as i64).map(drop)
    }

    /// Takes the next message, waiting for one.
    pub fn receive(&self) -> OsResult<Message> {
        let mut bytes = vec![0; MESSAGE_BYTES_MAX];
        let mut iov = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
        let mut control = Control([0; 32]);
        // SAFETY: a structure of integers and pointers; all zeros is a value.
        let mut header: libc::msghdr = unsafe { mem::zeroed() };
        header.msg_iov = &raw mut iov;
        header.msg_iovlen = 1;
        header.msg_control = control.0.as_mut_ptr().cast();
        header.msg_controllen = control.0.len();
        // SAFETY: all that `header` points to lives through the call and has the sizes given.
        let got = unsafe { libc::recvmsg(self.0.as_raw_fd(), &raw mut header, libc::MSG_CMSG_CLOEXEC) };
        bytes.truncate(check("recvmsg", got as i64)? as usize);
        // SAFETY: the kernel has filled `header` and what it points to; a control message of ours carries one
        // descriptor, which is now this process's.
        let fd = unsafe {
            let first = libc::CMSG_FIRSTHDR(&raw const header);
            (!first.is_null() && (*first).cmsg_type == libc::SCM_RIGHTS)
                .then(|| OwnedFd::from_raw_fd(libc::CMSG_DATA(first).cast::<RawFd>().read_unaligned()))
        };
        Ok(Message { bytes, fd })
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek, Write};

    use super::*;

    #[test]
    fn a_descriptor_goes_over() {
        let (a, b) = Socket::pair().expect("sockets");
        let mut file = std::fs::File::from(crate::files::memory_file(c"x").expect("a file"));
        file.write_all(b"inside").expect("room");
        a.send(b"take", Some(file.as_fd())).expect("an open end");
        let message = b.receive().expect("a message");
        assert_eq!(message.bytes, b"take");
        let mut other = std::fs::File::from(message.fd.expect("a descriptor"));
        other.rewind().expect("a file");
        let mut text = String::new();
        other.read_to_string(&mut text).expect("text");
        assert_eq!(text, "inside");
        drop(a);
        assert!(b.receive().expect("the end").bytes.is_empty());
    }
}
