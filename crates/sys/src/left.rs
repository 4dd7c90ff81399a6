//! Files that are left to the kernel to close.

use std::os::fd::{AsFd, OwnedFd};

use crate::socket::Socket;

/// Closes files without waiting until they are: closing the last event of a tracepoint waits for every processor
/// (`kernel/trace/trace_event_perf.c: perf_trace_event_unreg`), some 40 ms, and so does ending with it open.
///
/// They are sent to a socket that is then sent to itself. Nobody can receive from it any more, so the kernel's collector of such
/// sockets closes it with all that waits in it, in a thread of the kernel (`net/unix/garbage.c: unix_gc`); in kernels
/// before 6.9 whoever closes a socket next collects. Where they can't be sent they are closed here.
pub fn close_behind(files: Vec<OwnedFd>) {
    if files.is_empty() {
        return;
    }
    let Ok((near, far)) = Socket::pair() else { return };
    files.iter().map(AsFd::as_fd).chain([far.as_fd()]).try_for_each(|fd| near.send(&[0], Some(fd))).ok();
    drop((files, far));
    // That a socket is closed for good makes the collector look.
    drop(near);
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn what_is_left_is_closed() {
        let (mut reader, writer) = std::io::pipe().expect("a pipe");
        let (mut other_reader, other_writer) = std::io::pipe().expect("a pipe");
        close_behind(vec![writer.into(), other_writer.into()]);
        let mut nothing = Vec::new();
        assert_eq!(reader.read_to_end(&mut nothing).expect("a pipe whose other end is closed"), 0);
        assert_eq!(other_reader.read_to_end(&mut nothing).expect("a pipe whose other end is closed"), 0);
    }
}
