//! Files that are left to the kernel to close.

use std::os::fd::{AsFd, OwnedFd};

use crate::socket::Socket;

/// Not more are left: as many messages as these fit into any socket.
const FILES_MAX: usize = 16;

/// Closes files without waiting until they are: closing the last event of a tracepoint waits for every processor
/// (`kernel/trace/trace_event_perf.c: perf_trace_event_unreg`), some 40 ms, and so does ending with it open. Of many files most
/// are closed here.
///
/// They are sent to a socket that is then sent to itself. Nobody can receive from it any more, so the kernel's collector of such
/// sockets drops it with all that waits in it (`net/unix/garbage.c: unix_gc`), and a thread of the kernel closes them
/// (`fs/file_table.c: delayed_fput`). Kernels before 6.9 collect in whoever closes a socket: there this waits. Where they
/// can't be sent they are closed here.
pub fn close_behind(mut files: Vec<OwnedFd>) {
    files.truncate(FILES_MAX);
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
    use super::*;

    #[test]
    fn what_is_left_is_closed() {
        let pipes: Vec<_> = (0..3).map(|_| std::io::pipe().expect("a pipe")).collect();
        let (readers, writers): (Vec<_>, Vec<_>) = pipes.into_iter().unzip();
        close_behind(writers.into_iter().map(OwnedFd::from).collect());
        for reader in readers {
            let ready = crate::poll::poll([Some(reader.as_fd())], std::time::Duration::from_secs(20));
            assert!(ready.expect("a pipe")[0].hung_up, "its other end is closed");
        }
    }
}
