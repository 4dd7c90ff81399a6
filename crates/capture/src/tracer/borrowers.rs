//! Children between `vfork` and exec: each borrows its maker's memory, and its maker waits for it.
//!
//! The wait can't be interrupted (`kernel/fork.c: wait_for_vfork_done`). A child that stops there, because Ctrl-Z stops
//! the whole job, would hold its maker in it: the shell would never see the job stop. Without a tracer the child is
//! there for some microseconds only; so a stop waits until it has executed its program.

use std::collections::HashMap;

use abi::Tid;
use sys::signals::{SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU};

/// The children that borrow, each with the stop that waits for its exec.
#[derive(Debug, Default)]
pub(super) struct Borrowers(HashMap<Tid, Option<i32>>);

impl Borrowers {
    /// A child was made by `vfork`.
    pub(super) fn begin(&mut self, child: Tid) {
        self.0.insert(child, None);
    }

    /// A child has executed its program, or has ended. Returns the stop that has waited.
    pub(super) fn end(&mut self, child: Tid) -> Option<i32> {
        self.0.remove(&child).flatten()
    }

    /// A signal is about to be delivered; returns what is to be delivered now (0: nothing).
    pub(super) fn deliver(&mut self, tid: Tid, signal: i32) -> i32 {
        let Some(waiting) = self.0.get_mut(&tid) else { return signal };
        match signal {
            SIGSTOP | SIGTSTP | SIGTTIN | SIGTTOU => {
                *waiting = Some(signal);
                0
            }
            SIGCONT => {
                *waiting = None;
                signal
            }
            _ => signal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_waits_for_the_exec_unless_it_is_taken_back() {
        let mut borrowers = Borrowers::default();
        borrowers.begin(Tid(1));
        assert_eq!(borrowers.deliver(Tid(1), SIGTSTP), 0);
        assert_eq!(borrowers.deliver(Tid(1), 15), 15);
        assert_eq!(borrowers.end(Tid(1)), Some(SIGTSTP));
        borrowers.begin(Tid(1));
        borrowers.deliver(Tid(1), SIGSTOP);
        assert_eq!(borrowers.deliver(Tid(1), SIGCONT), SIGCONT);
        assert_eq!(borrowers.end(Tid(1)), None);
        assert_eq!(borrowers.deliver(Tid(2), SIGTSTP), SIGTSTP);
    }
}
