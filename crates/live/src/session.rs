//! The tree of processes, its memory for steps, and the running of them.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use abi::{AddrRange, Advice, Call, Pid, VirtAddr};
use sys::puppet::{self, DATA, Function, Puppet, RING, RawStep, SEATS};

use crate::answer::Answer;
use crate::error::LiveError;
use crate::seat::Seat;
use crate::setup::Setup;
use crate::step::Step;
use crate::ticket::{Process, Ticket};

pub(crate) const ORIGIN: usize = 0;
pub(crate) const TIME_MAX: Duration = Duration::from_secs(20);
/// The end of each seat is kept free; that of the origin's is the scratch memory.
const SCRATCH_BYTES: usize = 1 << 14;
const SLICE: Duration = Duration::from_millis(200);

/// A small process that does steps, and the tree of processes forked from it.
pub struct Live {
    pub(crate) puppet: Puppet,
    pub(crate) seats: [Option<Seat>; SEATS],
    /// Where `malloc` and `free` are.
    pub(crate) functions: Option<[VirtAddr; 2]>,
}

impl Live {
    /// Starts the origin: faults are caught, what it needs to live is sealed where the kernel can do that.
    ///
    /// # Errors
    /// If the system or the child is refused something needed.
    pub fn start(setup: &Setup) -> Result<Self, LiveError> {
        let files: Vec<_> = setup.files.iter().map(AsFd::as_fd).collect();
        let puppet = Puppet::start(&puppet::Setup {
            files: &files,
            personality: setup.personality,
            stack_limit: setup.stack_limit,
            library: setup.library.as_ref(),
        })?;
        let mut live = Self { puppet, seats: [None; SEATS], functions: None };
        live.seats[ORIGIN] = Some(Seat { used: DATA, pid: Some(live.puppet.pid()), ..Seat::default() });
        live.prepare_origin()?;
        if setup.library.is_some() {
            live.functions = Some([live.function(Function::Malloc)?, live.function(Function::Free)?]);
        }
        Ok(live)
    }

    /// Tells whether it is linked with a C library.
    pub fn has_library(&self) -> bool {
        self.functions.is_some()
    }

    /// Returns the origin.
    pub fn origin(&self) -> Process {
        Process(ORIGIN)
    }

    /// Returns the ranges without which a process cannot go on: steps must leave them alone.
    pub fn vital() -> [AddrRange; 2] {
        Puppet::vital()
    }

    /// Returns memory that every process can write to and nobody reads: for pointers that a call writes to.
    pub fn scratch() -> AddrRange {
        let start = Puppet::address(ORIGIN, Puppet::seat_bytes() - SCRATCH_BYTES);
        AddrRange { start, end: VirtAddr(start.0 + SCRATCH_BYTES as u64) }
    }

    /// Returns the process id of a process, once its parent's fork has been answered.
    pub fn pid(&self, process: Process) -> Option<Pid> {
        self.seats[process.0].and_then(|seat| seat.pid)
    }

    /// Lets a process write to all of its own seat, so that no later step brings a page of it in or makes one dirty: what
    /// is counted of resident and of dirty memory from then on is the steps' own doing.
    ///
    /// # Errors
    /// As [`Live::push`].
    pub fn warm(&mut self, process: Process) -> Result<(), LiveError> {
        let start = Puppet::address(process.0, 0);
        let seat = AddrRange::new(start, VirtAddr(start.0 + Puppet::seat_bytes() as u64));
        let (addr, len, advice) = (seat.start, seat.len(), Advice::POPULATE_WRITE);
        self.push(process, Step::Call(Call::Madvise { addr, len, advice })).map(drop)
    }

    /// Adds a step to those that a process will do.
    ///
    /// # Errors
    /// If there is no room: run what there is, read the answers, [`Live::recycle`].
    pub fn push(&mut self, process: Process, step: Step) -> Result<Ticket, LiveError> {
        let seat = process.0;
        let (raw, kind) = self.encode(process, step)?;
        let number = self.push_raw(seat, raw)?;
        Ok(Ticket { number, seat, kind })
    }

    pub(crate) fn push_raw(&mut self, seat: usize, raw: RawStep) -> Result<u32, LiveError> {
        let first = self.seat(seat)?.first;
        if self.puppet.pushed(seat).wrapping_sub(first) as usize >= RING {
            return Err(LiveError::Full("steps"));
        }
        Ok(self.puppet.push(seat, raw))
    }

    /// Returns how many more steps a process has room for.
    pub fn room(&self, process: Process) -> usize {
        let first = self.seats[process.0].map_or(0, |seat| seat.first);
        RING - self.puppet.pushed(process.0).wrapping_sub(first) as usize
    }

    /// Returns how many more bytes of texts and data a process has room for.
    pub fn room_bytes(&self, process: Process) -> usize {
        self.seats[process.0].map_or(0, |seat| Puppet::seat_bytes() - SCRATCH_BYTES - seat.used)
    }

    /// Forgets the answers and data of the steps that were done, to make room.
    pub fn recycle(&mut self, process: Process) {
        let pushed = self.puppet.pushed(process.0);
        if let Some(seat) = &mut self.seats[process.0] {
            seat.first = pushed;
            seat.used = DATA;
        }
    }

    /// Puts bytes where the process can read them and returns the address there.
    ///
    /// # Errors
    /// If there is no room.
    pub fn put(&mut self, process: Process, bytes: &[u8]) -> Result<VirtAddr, LiveError> {
        let at = self.reserve(process.0, bytes.len())?;
        Ok(self.puppet.write(process.0, at, bytes))
    }

    /// Puts words where the process can read them and returns the address there.
    ///
    /// # Errors
    /// If there is no room.
    pub fn put_words(&mut self, process: Process, words: &[u64]) -> Result<VirtAddr, LiveError> {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.put(process, &bytes)
    }

    /// Reads a word that was put where the process can change it.
    ///
    /// # Errors
    /// If it is not in the process's own part.
    pub fn peek(&self, process: Process, addr: VirtAddr) -> Result<u64, LiveError> {
        let start = Puppet::address(process.0, 0).0;
        let at = addr.0.checked_sub(start).filter(|at| *at <= Puppet::seat_bytes() as u64 - 8);
        let mut bytes = [0; 8];
        self.puppet.read(process.0, at.ok_or(LiveError::Full("texts"))? as usize, &mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    pub(crate) fn reserve(&mut self, seat: usize, bytes: usize) -> Result<usize, LiveError> {
        let room = Puppet::seat_bytes() - SCRATCH_BYTES;
        let seat = self.seats[seat].as_mut().ok_or(LiveError::Full("processes"))?;
        let at = seat.used;
        let end = at.checked_add(bytes).and_then(|end| end.checked_next_multiple_of(16));
        let end = end.filter(|end| *end <= room).ok_or(LiveError::Full("texts"))?;
        seat.used = end;
        Ok(at)
    }

    /// Lets a process begin what was pushed.
    pub fn publish(&mut self, process: Process) {
        self.puppet.publish(process.0);
    }

    /// Lets a process do what was pushed, and waits until it is done.
    ///
    /// # Errors
    /// If the process ended or did not finish in time.
    pub fn run(&mut self, process: Process) -> Result<(), LiveError> {
        self.puppet.publish(process.0);
        let count = self.puppet.pushed(process.0);
        let since = Instant::now();
        while !self.puppet.wait(process.0, count, SLICE) {
            self.look_after(process.0)?;
            if since.elapsed() > TIME_MAX {
                self.puppet.kill();
                return Err(LiveError::Hung);
            }
        }
        Ok(())
    }

    /// Does one step.
    ///
    /// # Errors
    /// If the process ended, did not finish in time, or there was no room.
    pub fn act(&mut self, process: Process, step: Step) -> Result<Answer, LiveError> {
        let ticket = self.push(process, step)?;
        self.run(process)?;
        self.answer(ticket)
    }

    pub(crate) fn seat(&self, seat: usize) -> Result<Seat, LiveError> {
        self.seats[seat].ok_or(LiveError::Full("processes"))
    }
}
