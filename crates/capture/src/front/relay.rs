//! Signals and stops: passed on between the shell and the program.

use std::time::{Duration, Instant};

use abi::Pid;
use sys::process;
use sys::signals::{self, Taken};

use super::Front;
use crate::link::Message;

/// A signal that comes so soon after the first is the same wish: `timeout` sends two.
const INSISTS_AFTER: Duration = Duration::from_secs(1);

impl Front {
    /// A signal has come to this process.
    ///
    /// What the terminal sends goes to the whole job, the program included; what a process sends to this one is
    /// meant for the program, unless the program itself has sent it to its whole group.
    pub(super) fn relay(&mut self, taken: Taken) {
        let Taken { signal, sender } = taken;
        if self.how.is_some() {
            // The program has ended and what it left is waited for (`check`, `--wait`): who interrupts that, ends it.
            if matches!(signal, signals::SIGINT | signals::SIGTERM) {
                self.wait_no_longer();
            }
            return;
        }
        match signal {
            signals::SIGCHLD => {}
            signals::SIGCONT => self.let_go_on(),
            _ if sender.is_none_or(|sender| sender == self.people.child) => {}
            _ => {
                let _ = process::kill(self.people.child, signal);
            }
        }
    }

    /// Asks the tracer for what there is by now. Whoever insists does not wait for that either.
    fn wait_no_longer(&mut self) {
        let now = Instant::now();
        let asked = *self.asked.get_or_insert(now);
        if asked == now {
            // A tracer that is gone is seen by its end of the line.
            let _ = self.tracer.as_ref().map(|tracer| Message::Enough.send(tracer));
        } else if now.duration_since(asked) > INSISTS_AFTER {
            self.tracer = None;
        }
    }

    /// The program has been stopped: so is this process, that the shell may see it.
    pub(super) fn stop_too(&mut self, signal: i32) {
        signals::suffer(signal);
        // Here somebody has sent `SIGCONT`, perhaps to this process alone.
        self.let_go_on();
    }

    fn let_go_on(&self) {
        if is_stopped(self.people.child) {
            let _ = process::kill(self.people.child, signals::SIGCONT);
        }
    }
}

/// Whether a process is stopped by a signal.
fn is_stopped(pid: Pid) -> bool {
    let text = std::fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
    // A stopped program that is traced says `t`.
    proc_text::stat(&text).is_ok_and(|stat| matches!(stat.state, b'T' | b't'))
}
