//! What keeps a program going whose tracer has died: without an answer its memory calls would fail with `ENOSYS`.

use std::time::Duration;

use sys::poll::poll;
use sys::process::{self, Side};
use sys::seccomp::Listener;

/// Calls are numbered in a row: how far from the last known one others may be that the tracer had taken.
const AROUND: u64 = 1024;

/// Answers every call from now on, in a process of its own that lives as long as the filter is used.
///
/// `last` is the call that the tracer was seen to answer last. It may have died before it did, or after it took
/// another and before it said so, or with calls that waited for their turn: all those have been taken and would never
/// come again.
pub(super) fn answer_from_now_on(listener: Listener, last: u64) {
    match process::fork() {
        Ok(Side::Child) => {
            let _ = process::new_session();
            process::name_thread(c"vmatlas-answer");
            for id in last.saturating_sub(AROUND)..last.saturating_add(AROUND) {
                // Others are not there, or not taken yet.
                let _ = listener.allow(id);
            }
            answer(&listener);
            process::exit_now(0);
        }
        Ok(Side::Parent(_)) => {}
        // Without memory for a process there is little left to save.
        Err(_) => drop(listener),
    }
}

fn answer(listener: &Listener) {
    loop {
        let fd = std::os::fd::AsFd::as_fd(listener.fd());
        let Ok(ready) = poll([Some(fd)], Duration::from_secs(3600)) else { continue };
        if ready[0].readable {
            if let Ok(notification) = listener.receive() {
                let _ = listener.allow(notification.id);
            }
        } else if ready[0].hung_up {
            return;
        }
    }
}
