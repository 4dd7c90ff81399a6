//! How a process comes to be: the origin made ready, a fork, a thread.

use abi::{Errno, Pid, VirtAddr};
use sys::puppet::{DATA, Function, Puppet, RawStep};

use crate::answer::Answer;
use crate::error::LiveError;
use crate::seat::{Seat, Shares, nr};
use crate::session::{Live, ORIGIN};
use crate::step::Step;
use crate::ticket::{Kind, Process};

impl Live {
    /// Lets the origin catch signals and seal what it needs to live.
    pub(crate) fn prepare_origin(&mut self) -> Result<(), LiveError> {
        let origin = self.origin();
        self.own_signal_stack(ORIGIN)?;
        let action = self.put_words(origin, &Puppet::sigaction())?;
        for signal in [11, 7, 5, 31] {
            let step = Step::Raw { nr: nr::RT_SIGACTION, args: [signal, action.0, 0, 8, 0, 0] };
            self.must(origin, step, "catch signals")?;
        }
        for range in Self::vital() {
            let args = [range.start.0, range.len(), 0, 0, 0, 0];
            match self.act(origin, Step::Raw { nr: nr::MSEAL, args })? {
                Answer::Returned(Ok(_) | Err(Errno::ENOSYS)) => {}
                Answer::Returned(Err(errno)) => {
                    return Err(LiveError::Child { what: "seal its code", errno });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Asks where the dynamic linker found a function.
    pub(crate) fn function(&mut self, function: Function) -> Result<VirtAddr, LiveError> {
        match self.act(self.origin(), Step::LoadWord(Puppet::function_at(function)))? {
            Answer::LoadedWord(addr) if addr != 0 => Ok(VirtAddr(addr)),
            _ => Err(LiveError::Child { what: "find the C library's functions", errno: Errno::ENOSYS }),
        }
    }

    /// Forks a process from the origin; it need not have begun yet when this returns.
    ///
    /// # Errors
    /// If the tree is full.
    pub fn spawn(&mut self) -> Result<Process, LiveError> {
        self.recycle(self.origin());
        let ticket = self.push(self.origin(), Step::Fork)?;
        self.puppet.publish(ORIGIN);
        match ticket.kind {
            Kind::Fork(child) => Ok(Process(child)),
            _ => Err(LiveError::Full("processes")),
        }
    }

    /// Takes a free seat for a child and pushes what the child must do first.
    pub(crate) fn seat_for_child(&mut self, parent: usize, shares: Shares) -> Result<usize, LiveError> {
        let child = self.seats.iter().position(Option::is_none).ok_or(LiveError::Full("processes"))?;
        self.puppet.clear(child);
        // The texts that the parent has open show the parent's memory: the child opens its own.
        self.seats[child] = Some(Seat { parent, shares, used: DATA, ..Seat::default() });
        self.own_signal_stack(child)?;
        if shares == Shares::Memory {
            self.puppet.seat_thread(child);
            return Ok(child);
        }
        const PR_SET_PDEATHSIG: u64 = 1;
        let args = [PR_SET_PDEATHSIG, 9, 0, 0, 0, 0];
        self.push_raw(child, RawStep::Syscall { nr: nr::PRCTL, args })?;
        Ok(child)
    }

    /// Notes what became of a child.
    pub(crate) fn born(&mut self, child: usize, kind: Kind, result: i64) -> Answer {
        match Errno::from_raw(result) {
            Ok(pid) => {
                if let Some(seat) = &mut self.seats[child] {
                    seat.pid = Some(Pid(pid as i32));
                }
                match kind {
                    Kind::Thread(_) => Answer::Thread(Process(child)),
                    _ => Answer::Forked(Process(child)),
                }
            }
            Err(errno) => {
                self.seats[child] = None;
                Answer::Returned(Err(errno))
            }
        }
    }

    fn own_signal_stack(&mut self, seat: usize) -> Result<(), LiveError> {
        let stack = self.put_words(Process(seat), &Puppet::signal_stack(seat))?;
        let args = [stack.0, 0, 0, 0, 0, 0];
        self.push_raw(seat, RawStep::Syscall { nr: nr::SIGALTSTACK, args })?;
        Ok(())
    }

    fn must(&mut self, process: Process, step: Step, what: &'static str) -> Result<(), LiveError> {
        match self.act(process, step)? {
            Answer::Returned(Err(errno)) => Err(LiveError::Child { what, errno }),
            _ => Ok(()),
        }
    }
}
