//! How a process ends, asked to or not.

use sys::puppet::RawStep;

use crate::answer::Answer;
use crate::error::LiveError;
use crate::seat::{Seat, Shares, nr};
use crate::session::{Live, ORIGIN, TIME_MAX};
use crate::step::Step;
use crate::ticket::Process;

impl Live {
    /// Lets a process or thread exit, waits for its end and frees its place. Answers of its steps may still be read until
    /// the next fork.
    ///
    /// # Errors
    /// If it ended otherwise, or not in time.
    pub fn finish(&mut self, process: Process) -> Result<(), LiveError> {
        if self.seat(process.0)?.shares == Shares::Memory {
            return self.finish_thread(process);
        }
        self.push_raw(process.0, RawStep::Syscall { nr: nr::EXIT_GROUP, args: [0; 6] })?;
        self.puppet.publish(process.0);
        let status = self.wait_for(process.0, 0)?;
        self.seats[process.0] = None;
        match status {
            Some(0) => Ok(()),
            Some(status) => Err(LiveError::Died { signal: status & 0x7f, status: status >> 8 & 0xff }),
            None => Err(LiveError::Hung),
        }
    }

    fn finish_thread(&mut self, thread: Process) -> Result<(), LiveError> {
        self.push_raw(thread.0, RawStep::Syscall { nr: nr::EXIT, args: [0; 6] })?;
        self.puppet.publish(thread.0);
        let ended = self.puppet.wait_for_thread(thread.0, TIME_MAX);
        self.seats[thread.0] = None;
        if ended { Ok(()) } else { Err(LiveError::Hung) }
    }

    /// Looks whether a process that is slow has ended.
    pub(crate) fn look_after(&mut self, seat: usize) -> Result<(), LiveError> {
        if !self.puppet.is_alive() {
            return Err(LiveError::Died { signal: 0, status: 0 });
        }
        let parent = self.seat(seat)?.parent;
        let parent_is_idle = self.puppet.done(parent) == self.puppet.pushed(parent);
        if seat == ORIGIN || !parent_is_idle || self.seat(seat)?.shares == Shares::Memory {
            return Ok(());
        }
        const WNOHANG: u64 = 1;
        match self.wait_for(seat, WNOHANG)? {
            Some(status) => Err(LiveError::Died { signal: status & 0x7f, status: status >> 8 & 0xff }),
            None => Ok(()),
        }
    }

    /// Lets the parent of a process wait for it; returns the status.
    fn wait_for(&mut self, seat: usize, options: u64) -> Result<Option<i32>, LiveError> {
        let Seat { parent, pid, .. } = self.seat(seat)?;
        let pid = pid.map_or(-1, |pid| i64::from(pid.0)) as u64;
        let parent = Process(parent);
        if parent.0 == ORIGIN {
            self.recycle(parent);
        }
        let at = self.reserve(parent.0, 8)?;
        let status = self.puppet.write(parent.0, at, &[0; 8]);
        let step = Step::Raw { nr: nr::WAIT4, args: [pid, status.0, options, 0, 0, 0] };
        match self.act(parent, step)? {
            Answer::Returned(Ok(0)) => Ok(None),
            Answer::Returned(Ok(_)) => {
                let mut bytes = [0; 4];
                self.puppet.read(parent.0, at, &mut bytes);
                Ok(Some(i32::from_le_bytes(bytes)))
            }
            Answer::Returned(Err(errno)) => Err(LiveError::Child { what: "wait for its child", errno }),
            _ => Err(LiveError::Hung),
        }
    }
}
