//! The kernel's side: a real child process.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use abi::{AddrRange, Call, Errno, Fd, PAGE_SIZE, Pid, Resource, Rlimit, VirtAddr};
use check::fuzz;
use live::{Live, PageRun, Process, Step};
use mm::{Access, Input, Uffd};

use super::{Action, Answer, FileFacts, MemoryNo, ThreadNo};
use crate::error::LabError;
use crate::syntax::{Kind, Mode};

/// The child processes and their threads.
pub(crate) struct Kernel {
    pub(super) live: Live,
    /// The threads; a process's first one stands for it.
    threads: Vec<Process>,
    /// The first thread of each memory.
    pub(super) leaders: Vec<ThreadNo>,
    files: Vec<File>,
}

/// The longest range whose vector there is room for.
const MINCORE_BYTES_MAX: u64 = 256 << 20;
/// Longer than any address space.
const TOO_LONG: u64 = 1 << 47;
const OPENAT: u32 = 257;
const AT_FDCWD: u64 = -100_i64 as u64;

impl Kernel {
    /// Forks the first process from an origin.
    pub(crate) fn new(mut live: Live) -> Result<Self, LabError> {
        let origin = live.origin();
        live.recycle(origin);
        let first = match live.act(origin, Step::Fork)? {
            live::Answer::Forked(process) => process,
            other => return Err(LabError::Setup(format!("forking the first process: {other:?}"))),
        };
        Ok(Self { live, threads: vec![first], leaders: vec![ThreadNo(0)], files: Vec::new() })
    }

    pub(super) fn process(&self, thread: ThreadNo) -> Process {
        self.threads.get(thread.0).copied().unwrap_or(self.live.origin())
    }

    pub(crate) fn pid(&self, memory: MemoryNo) -> Option<Pid> {
        self.leaders.get(memory.0).and_then(|leader| self.live.pid(self.process(*leader)))
    }

    /// Does something.
    pub(crate) fn act(&mut self, thread: ThreadNo, action: &Action) -> Result<Answer, LabError> {
        let process = self.process(thread);
        self.live.recycle(process);
        let step = match action {
            Action::Call(call) => Step::Call(*call),
            Action::Limit(resource, limit) => {
                let new_limit = self.live.put_words(process, &[limit.soft, limit.hard])?;
                let old_limit = VirtAddr::NULL;
                Step::Call(Call::Prlimit64 { pid: 0, resource: *resource, new_limit, old_limit })
            }
            Action::Mincore(addr, len) => return self.mincore(process, *addr, *len),
            Action::Fetch(addr) => Step::Fetch(*addr),
            Action::Touch(addr, len, access) => {
                return self.touch(process, super::twin::pages(*addr, *len), *access);
            }
            Action::Frame(low, high) => {
                return self.touch(process, super::twin::pages_down(*low, *high), Access::Write);
            }
            Action::Load(addr, len) => return self.load(process, *addr, *len),
            Action::Store(addr, bytes) => return self.store(process, *addr, bytes),
        };
        Ok(match self.live.act(process, step)? {
            live::Answer::Returned(result) => Answer::Value(result),
            live::Answer::Fault(fault) => Answer::Signal(fault),
            _ => Answer::Done,
        })
    }

    fn mincore(&mut self, process: Process, addr: VirtAddr, len: u64) -> Result<Answer, LabError> {
        let end = VirtAddr(addr.0.wrapping_add(len));
        // Longer than what there is room for, or wrapping: no vector would be read anyway.
        if end < addr || len > MINCORE_BYTES_MAX {
            let vec = Live::scratch().start;
            let step = Step::Call(Call::Mincore { addr, len: len.max(TOO_LONG), vec });
            return Ok(match self.live.act(process, step)? {
                live::Answer::Returned(result) => Answer::Value(result),
                _ => Answer::Done,
            });
        }
        let ticket = self.live.push(process, Step::Mincore(AddrRange { start: addr, end }))?;
        self.live.run(process)?;
        match self.live.answer(ticket)? {
            live::Answer::Returned(result) => Ok(Answer::Value(result)),
            _ => {
                let mut vector = Vec::new();
                self.live.bytes(ticket, &mut vector)?;
                Ok(Answer::Bytes(vector.iter().map(|byte| byte & 1).collect()))
            }
        }
    }

    /// Does many calls; returns the last one's answer.
    pub(crate) fn calls(
        &mut self,
        thread: ThreadNo,
        mut calls: impl Iterator<Item = Call>,
    ) -> Result<Option<Answer>, LabError> {
        let process = self.process(thread);
        let mut last = None;
        loop {
            self.live.recycle(process);
            let mut ticket = None;
            for call in calls.by_ref().take(self.live.room(process)) {
                ticket = Some(self.live.push(process, Step::Call(call))?);
            }
            let Some(ticket) = ticket else { return Ok(last) };
            self.live.run(process)?;
            if let live::Answer::Returned(result) = self.live.answer(ticket)? {
                last = Some(Answer::Value(result));
            }
        }
    }

    /// Does an act of a fuzzer's program that is a call; says the call with its pointers set, and what it reads.
    pub(crate) fn raw(
        &mut self,
        thread: ThreadNo,
        act: &fuzz::Act,
        known: (&[fuzz::Segment], &[(Fd, Uffd)]),
        input: Input,
    ) -> Result<(Call, Input, Answer), LabError> {
        let process = self.process(thread);
        self.live.recycle(process);
        let (call, input) = fuzz::call_and_input(&mut self.live, process, act, known, input)?;
        let answer = match self.live.act(process, Step::Call(call))? {
            live::Answer::Returned(result) => Answer::Value(result),
            _ => Answer::Done,
        };
        Ok((call, input, answer))
    }

    /// Makes a userfaultfd.
    pub(crate) fn uffd(
        &mut self,
        thread: ThreadNo,
        id: u64,
        features: u64,
    ) -> Result<Option<(Fd, Uffd)>, LabError> {
        let process = self.process(thread);
        self.live.recycle(process);
        Ok(fuzz::make_uffd(&mut self.live, process, id, features)?)
    }

    /// Gives up every capability of the first process.
    pub(crate) fn drop_privileges(&mut self) -> Result<(), LabError> {
        let process = self.process(ThreadNo(0));
        fuzz::drop_privileges(&mut self.live, process)?;
        Ok(self.live.run(process)?)
    }

    /// Takes a file in that the processes hold open; its number is the next one.
    pub(crate) fn take_file(&mut self, file: File) {
        self.files.push(file);
    }

    /// Makes a thread of a memory.
    pub(crate) fn thread(&mut self, thread: ThreadNo) -> Result<Answer, LabError> {
        let process = self.process(thread);
        self.live.recycle(process);
        match self.live.act(process, Step::Thread)? {
            live::Answer::Thread(made) => {
                self.threads.push(made);
                Ok(Answer::Done)
            }
            live::Answer::Returned(result) => Ok(Answer::Value(result)),
            other => Err(LabError::Setup(format!("clone answered {other:?}"))),
        }
    }

    /// Reads the state of the pages of a range: runs of those that are there.
    pub(crate) fn pages(&mut self, thread: ThreadNo, range: AddrRange) -> Result<Vec<PageRun>, LabError> {
        let process = self.process(thread);
        self.live.recycle(process);
        let runs_max = 1024;
        let ticket = self.live.push(process, Step::Scan { range, runs_max })?;
        self.live.run(process)?;
        Ok(self.live.runs(ticket)?)
    }

    /// Does single accesses until one raises a signal; gives what loads gave.
    fn accesses(
        &mut self,
        process: Process,
        mut steps: impl Iterator<Item = Step>,
    ) -> Result<Result<Vec<u8>, live::Fault>, LabError> {
        let mut loaded = Vec::new();
        loop {
            self.live.recycle(process);
            let mut tickets = Vec::new();
            for step in steps.by_ref().take(self.live.room(process)) {
                tickets.push(self.live.push(process, step)?);
            }
            if tickets.is_empty() {
                return Ok(Ok(loaded));
            }
            self.live.run(process)?;
            for ticket in tickets {
                match self.live.answer(ticket)? {
                    live::Answer::Fault(fault) => return Ok(Err(fault)),
                    live::Answer::Loaded(byte) => loaded.push(byte),
                    _ => {}
                }
            }
        }
    }

    fn touch(
        &mut self,
        process: Process,
        pages: impl Iterator<Item = VirtAddr>,
        access: Access,
    ) -> Result<Answer, LabError> {
        // One page at a time: what comes behind a page that can't be touched must not be.
        for at in pages {
            let step = match access {
                Access::Write => Step::Store(at, super::twin::TOUCH_BYTE),
                _ => Step::Load(at),
            };
            if let Err(fault) = self.accesses(process, std::iter::once(step))? {
                return Ok(Answer::Signal(fault));
            }
        }
        Ok(Answer::Done)
    }

    fn load(&mut self, process: Process, addr: VirtAddr, len: u64) -> Result<Answer, LabError> {
        let mut read = Vec::new();
        for (at, len) in chunks(addr, len) {
            let steps = (0..len).map(|offset| Step::Load(VirtAddr(at.0.wrapping_add(offset))));
            match self.accesses(process, steps)? {
                Ok(bytes) => read.extend(bytes),
                Err(fault) => return Ok(Answer::Signal(fault)),
            }
        }
        Ok(Answer::Bytes(read))
    }

    fn store(&mut self, process: Process, addr: VirtAddr, bytes: &[u8]) -> Result<Answer, LabError> {
        for (at, len) in chunks(addr, bytes.len() as u64) {
            let from = at.0.wrapping_sub(addr.0) as usize;
            let part = bytes.get(from..from + len as usize).unwrap_or_default();
            let steps = part.iter().enumerate();
            let steps = steps.map(|(i, byte)| Step::Store(VirtAddr(at.0.wrapping_add(i as u64)), *byte));
            if let Err(fault) = self.accesses(process, steps)? {
                return Ok(Answer::Signal(fault));
            }
        }
        Ok(Answer::Done)
    }

    /// Forks; the child is the next memory and the next thread.
    pub(crate) fn fork(&mut self, thread: ThreadNo) -> Result<Answer, LabError> {
        let process = self.process(thread);
        self.live.recycle(process);
        match self.live.act(process, Step::Fork)? {
            live::Answer::Forked(child) => {
                self.leaders.push(ThreadNo(self.threads.len()));
                self.threads.push(child);
                Ok(Answer::Done)
            }
            live::Answer::Returned(result) => Ok(Answer::Value(result)),
            other => Err(LabError::Setup(format!("fork answered {other:?}"))),
        }
    }

    /// Ends a thread; with the first one of a process, when it is the last, the process ends.
    pub(crate) fn exit(&mut self, thread: ThreadNo) -> Result<(), LabError> {
        Ok(self.live.finish(self.process(thread))?)
    }

    /// Makes a file; its number is the next one.
    pub(crate) fn make_file(&mut self, content: &[u8], kind: Kind) -> Result<FileFacts, LabError> {
        let file = match kind {
            Kind::Memory => File::from(sys::memfd::sealable_memfd(c"vmatlas-lab")?),
            Kind::Disk => temporary()?,
        };
        file.write_all_at(content, 0).map_err(|error| LabError::Io("writing a file", error))?;
        let (kind, noexec) = fuzz::kind(&file)?;
        let facts = FileFacts { id: fuzz::identity(&file)?, kind, noexec };
        self.files.push(file);
        Ok(facts)
    }

    /// Opens a file in a process: another open file description.
    pub(crate) fn open(&mut self, thread: ThreadNo, file: usize, mode: Mode) -> Result<Fd, LabError> {
        const CLOEXEC: u64 = 0o2_000_000;
        let process = self.process(thread);
        self.live.recycle(process);
        let open = self.file(file)?;
        let path = format!("/proc/{}/fd/{}\0", std::process::id(), open.as_raw_fd());
        let path = self.live.put(process, path.as_bytes())?;
        let flags = CLOEXEC
            | match mode {
                Mode::ReadOnly => 0,
                Mode::WriteOnly => 1,
                Mode::Both => 2,
            };
        let step = Step::Raw { nr: OPENAT, args: [AT_FDCWD, path.0, flags, 0, 0, 0] };
        match self.live.act(process, step)? {
            live::Answer::Returned(Ok(fd)) => Ok(Fd(fd as i32)),
            live::Answer::Returned(Err(errno)) => {
                Err(LabError::Setup(format!("the child cannot open a file: {errno}")))
            }
            other => Err(LabError::Setup(format!("open answered {other:?}"))),
        }
    }

    fn file(&self, file: usize) -> Result<&File, LabError> {
        self.files.get(file).ok_or_else(|| LabError::Setup("a file of an unknown number".into()))
    }

    pub(crate) fn read_file(&self, file: usize, offset: u64, len: u64) -> Result<Answer, LabError> {
        let mut bytes = vec![0; len as usize];
        let read = self.file(file)?.read_at(&mut bytes, offset);
        Ok(match read {
            Ok(read) => {
                bytes.truncate(read);
                Answer::Bytes(bytes)
            }
            Err(error) => Answer::Value(Err(errno(&error))),
        })
    }

    pub(crate) fn write_file(&self, file: usize, offset: u64, bytes: &[u8]) -> Result<Answer, LabError> {
        let written = self.file(file)?.write_at(bytes, offset);
        Ok(Answer::Value(written.map(|count| count as u64).map_err(|error| errno(&error))))
    }

    pub(crate) fn truncate(&self, file: usize, bytes: u64) -> Result<Answer, LabError> {
        let done = self.file(file)?.set_len(bytes);
        Ok(Answer::Value(done.map(|()| 0).map_err(|error| errno(&error))))
    }

    /// Reads the map of a process.
    pub(crate) fn maps(&self, memory: MemoryNo) -> Result<Vec<u8>, LabError> {
        self.text(memory, "maps")
    }

    /// Reads the map with flags of a process.
    pub(crate) fn smaps(&self, memory: MemoryNo) -> Result<Vec<u8>, LabError> {
        self.text(memory, "smaps")
    }

    /// Reads the executable of a process.
    pub(crate) fn program(&self, memory: MemoryNo) -> Result<Vec<u8>, LabError> {
        self.text(memory, "exe")
    }

    /// The address in the main stack that exec began at.
    pub(crate) fn start_stack(&self, memory: MemoryNo) -> Result<VirtAddr, LabError> {
        Ok(proc_text::stat(&self.text(memory, "stat")?)?.start_stack)
    }

    /// A hard limit of a process.
    pub(crate) fn hard_limit(&self, memory: MemoryNo, resource: Resource) -> Option<u64> {
        let name: &[u8] = match resource {
            Resource::AS => b"Max address space",
            Resource::DATA => b"Max data size",
            Resource::STACK => b"Max stack size",
            Resource::MEMLOCK => b"Max locked memory",
            _ => return None,
        };
        let text = self.text(memory, "limits").ok()?;
        let row = proc_text::limits(&text).filter_map(Result::ok).find(|row| row.name == name)?;
        Some(row.hard.unwrap_or(Rlimit::INFINITY))
    }

    fn text(&self, memory: MemoryNo, name: &'static str) -> Result<Vec<u8>, LabError> {
        let pid = self.pid(memory).unwrap_or_default();
        match fs::read(format!("/proc/{pid}/{name}")) {
            // What has ended and is not yet waited for has files without a word in them.
            Ok(text) if text.is_empty() => Err(LabError::Gone),
            Ok(text) => Ok(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(LabError::Gone),
            Err(error) => Err(LabError::Io("reading what /proc tells of the child", error)),
        }
    }
}

/// Divides a range at its page boundaries.
fn chunks(addr: VirtAddr, len: u64) -> impl Iterator<Item = (VirtAddr, u64)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = VirtAddr(addr.0.wrapping_add(done));
        let part = (PAGE_SIZE - at.0 % PAGE_SIZE).min(len - done);
        done += part;
        (part > 0).then_some((at, part))
    })
}

fn errno(error: &std::io::Error) -> Errno {
    Errno(error.raw_os_error().and_then(|number| u16::try_from(number).ok()).unwrap_or(Errno::EIO.0))
}

/// Makes a file without a name where the system keeps temporary ones.
fn temporary() -> Result<File, LabError> {
    let failed = |error| LabError::Io("making a file where temporary ones are kept", error);
    let mut last = None;
    for attempt in 0..64_u32 {
        let path = std::env::temp_dir().join(format!("vmatlas-lab-{}-{attempt}", std::process::id()));
        match File::options().read(true).write(true).create_new(true).open(&path) {
            Ok(file) => {
                fs::remove_file(&path).map_err(failed)?;
                return Ok(file);
            }
            Err(error) => last = Some(error),
        }
    }
    Err(failed(last.unwrap_or_else(|| std::io::ErrorKind::AlreadyExists.into())))
}
