//! The tree of processes and the steps on their way to them.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use abi::{AddrRange, Advice, Call, Errno, PAGE_SIZE, Pid, VirtAddr};
use sys::puppet::{self, DATA, Function, LibraryCall, Puppet, RING, RawAnswer, RawStep, SEATS};

use crate::answer::{Answer, Fault};
use crate::encode::REGION_BYTES;
use crate::error::LiveError;
use crate::seat::{Seat, Shares, nr};
use crate::setup::Setup;
use crate::step::Step;

const ORIGIN: usize = 0;
const TIME_MAX: Duration = Duration::from_secs(20);
/// The end of each seat is kept free; that of the origin's is the scratch memory.
const SCRATCH_BYTES: usize = 1 << 14;
const SLICE: Duration = Duration::from_millis(200);

/// A process of the tree.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Process(pub(crate) usize);

/// A step under way, to be exchanged for its answer.
#[derive(Clone, Copy, Debug)]
pub struct Ticket {
    number: u32,
    seat: usize,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Call,
    Load,
    LoadWord,
    Access,
    Library,
    Fork(usize),
    Thread(usize),
    Read {
        at: usize,
        bytes_max: usize,
    },
    Hash {
        at: usize,
        range: AddrRange,
    },
    Scan {
        at: usize,
        runs_max: usize,
    },
    /// The call succeeds and fills this in.
    Vector {
        at: usize,
        bytes: usize,
    },
    /// The call tells how many bytes it filled in.
    Bytes {
        at: usize,
    },
}

/// A small process that does steps, and the tree of processes forked from it.
pub struct Live {
    puppet: Puppet,
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

    fn prepare_origin(&mut self) -> Result<(), LiveError> {
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
    fn function(&mut self, function: Function) -> Result<VirtAddr, LiveError> {
        match self.act(self.origin(), Step::LoadWord(Puppet::function_at(function)))? {
            Answer::LoadedWord(addr) if addr != 0 => Ok(VirtAddr(addr)),
            _ => Err(LiveError::Child { what: "find the C library's functions", errno: Errno::ENOSYS }),
        }
    }

    /// Tells whether it is linked with a C library.
    pub fn has_library(&self) -> bool {
        self.functions.is_some()
    }

    /// Returns the system calls that the last [`Step::Malloc`] or [`Step::Free`] of a process made, in their order.
    ///
    /// # Errors
    /// If the kernel does not hand a program's own calls over (`PR_SET_SYSCALL_USER_DISPATCH`), or they were too many.
    pub fn library_calls(&self, process: Process) -> Result<Vec<LibraryCall>, LiveError> {
        let refused = LiveError::Child { what: "write the C library's calls down", errno: Errno::ENOSYS };
        self.puppet.library_calls(process.0).ok_or(refused)
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

    /// Lets a process touch all of its own seat, so that no later step brings a page of it in: what is counted of
    /// resident memory from then on is the steps' own doing.
    ///
    /// # Errors
    /// As [`Live::push`].
    pub fn warm(&mut self, process: Process) -> Result<(), LiveError> {
        let start = Puppet::address(process.0, 0);
        let seat = AddrRange::new(start, VirtAddr(start.0 + Puppet::seat_bytes() as u64));
        let (addr, len, advice) = (seat.start, seat.len(), Advice::POPULATE_READ);
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

    /// Looks whether a process that is slow has ended.
    fn look_after(&mut self, seat: usize) -> Result<(), LiveError> {
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

    /// Does one step.
    ///
    /// # Errors
    /// If the process ended, did not finish in time, or there was no room.
    pub fn act(&mut self, process: Process, step: Step) -> Result<Answer, LiveError> {
        let ticket = self.push(process, step)?;
        self.run(process)?;
        self.answer(ticket)
    }

    fn must(&mut self, process: Process, step: Step, what: &'static str) -> Result<(), LiveError> {
        match self.act(process, step)? {
            Answer::Returned(Err(errno)) => Err(LiveError::Child { what, errno }),
            _ => Ok(()),
        }
    }

    /// Returns the answer to a step that was run.
    ///
    /// # Errors
    /// If the child could not read a text, or the text was too long.
    pub fn answer(&mut self, ticket: Ticket) -> Result<Answer, LiveError> {
        let RawAnswer { result, signal, code, addr } = self.puppet.answer(ticket.seat, ticket.number);
        if signal != 0 {
            return Ok(Answer::Fault(Fault { signal, code, addr }));
        }
        Ok(match ticket.kind {
            Kind::Call => Answer::Returned(Errno::from_raw(result)),
            Kind::Load => Answer::Loaded(result as u8),
            Kind::LoadWord => Answer::LoadedWord(result as u64),
            Kind::Access => Answer::Done,
            Kind::Library => Answer::LoadedWord(result as u64),
            Kind::Fork(child) | Kind::Thread(child) => self.born(child, ticket.kind, result),
            Kind::Hash { range, .. } => Answer::Bytes(range.pages() as usize * 8),
            Kind::Scan { runs_max, .. } => match Errno::from_raw(result) {
                Ok(runs) if runs <= runs_max as u64 => Answer::Bytes(runs as usize * REGION_BYTES),
                Ok(_) => return Err(LiveError::TextTooLong),
                Err(errno) => Answer::Returned(Err(errno)),
            },
            Kind::Vector { bytes, .. } => match Errno::from_raw(result) {
                Ok(_) => Answer::Bytes(bytes),
                Err(errno) => Answer::Returned(Err(errno)),
            },
            Kind::Bytes { .. } => match Errno::from_raw(result) {
                Ok(bytes) => Answer::Bytes(bytes as usize),
                Err(errno) => Answer::Returned(Err(errno)),
            },
            Kind::Read { bytes_max, .. } => match Errno::from_raw(result) {
                Ok(bytes) if bytes < bytes_max as u64 => Answer::Text(bytes as usize),
                Ok(_) => return Err(LiveError::TextTooLong),
                Err(errno) => return Err(LiveError::Child { what: "read its /proc/self", errno }),
            },
        })
    }

    /// Notes what became of a child.
    fn born(&mut self, child: usize, kind: Kind, result: i64) -> Answer {
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

    /// Puts a text that was read into `into`, replacing what is there.
    ///
    /// # Errors
    /// As [`Live::answer`].
    pub fn text(&mut self, ticket: Ticket, into: &mut Vec<u8>) -> Result<(), LiveError> {
        into.clear();
        if let (Answer::Text(bytes), Kind::Read { at, .. }) = (self.answer(ticket)?, ticket.kind) {
            into.resize(bytes, 0);
            self.puppet.read(ticket.seat, at, into);
        }
        Ok(())
    }

    /// Puts what a step read into `into`, replacing what is there: nothing where the kernel refused. Of hashes there
    /// are those of the pages before the one that raised a signal.
    ///
    /// # Errors
    /// As [`Live::answer`].
    pub fn bytes(&mut self, ticket: Ticket, into: &mut Vec<u8>) -> Result<(), LiveError> {
        into.clear();
        let (at, bytes) = match (ticket.kind, self.answer(ticket)?) {
            (
                Kind::Hash { at, .. } | Kind::Scan { at, .. } | Kind::Vector { at, .. } | Kind::Bytes { at },
                Answer::Bytes(bytes),
            ) => (at, bytes),
            (Kind::Hash { at, range }, Answer::Fault(Fault { addr, .. })) if range.contains(addr) => {
                (at, ((addr.0 - range.start.0) / PAGE_SIZE * 8) as usize)
            }
            _ => return Ok(()),
        };
        into.resize(bytes, 0);
        self.puppet.read(ticket.seat, at, into);
        Ok(())
    }

    pub(crate) fn seat(&self, seat: usize) -> Result<Seat, LiveError> {
        self.seats[seat].ok_or(LiveError::Full("processes"))
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

    fn own_signal_stack(&mut self, seat: usize) -> Result<(), LiveError> {
        let stack = self.put_words(Process(seat), &Puppet::signal_stack(seat))?;
        let args = [stack.0, 0, 0, 0, 0, 0];
        self.push_raw(seat, RawStep::Syscall { nr: nr::SIGALTSTACK, args })?;
        Ok(())
    }
}
