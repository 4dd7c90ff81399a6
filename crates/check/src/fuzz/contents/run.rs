//! One program on both sides: the twin goes ahead line by line, the kernel follows in batches.

use abi::{AddrRange, Advice, Call, Errno, Fd, FileOff, PAGE_SIZE, VirtAddr};
use live::{Answer, Live, Process, Setup, Step, Ticket};
use mm::{Basis, Fault, FileInput, FileKind, Input, Uffd, Why};
use proc_text::{PagemapEntry, PagemapFacts};
use proc_twin::Names;

use super::counters::Counters;
use super::expect;
use super::uffd;
use super::world::{Space, Sys, World};
use crate::fuzz::course::{self, Course, Running};
use crate::fuzz::divergence::What;
use crate::fuzz::error::FuzzError;
use crate::fuzz::line::{Act, Privilege, Program};
use crate::fuzz::run::Stop;

/// Texts and what is in the pages are compared after so many lines.
const HASH_EVERY: usize = 16;

/// A process of the program, on both sides.
pub(super) struct Actor {
    pub(super) process: Process,
    /// Its number, where the kernel tells it.
    pub(super) pid: u64,
    pub(super) space: Space,
    pub(super) parent: usize,
    /// What it has counted that is not the program's.
    pub(super) outside: Counters,
    /// Its userfaultfd, with its descriptor.
    pub(super) uffds: Vec<(Fd, Uffd)>,
}

impl course::Actor for Actor {
    fn process(&self) -> Process {
        self.process
    }

    fn parent(&self) -> usize {
        self.parent
    }
}

/// What the twin said of a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Expected {
    /// A call's result.
    Result(Result<u64, Errno>),
    /// A word or byte loaded, or the fault.
    Loaded(Result<u64, Fault>),
    /// A store or fetch done, or the fault.
    Done(Result<(), Fault>),
    /// Bytes of a file.
    Bytes(Vec<u8>),
    /// Hashes of pages, from the first one.
    Hashes(Vec<u64>),
    /// Words of the pagemap.
    Pagemap(Vec<PagemapEntry>),
}

/// Something that the kernel has still to answer.
pub(super) struct Pending {
    pub(super) at: usize,
    pub(super) ticket: Ticket,
    pub(super) expected: Expected,
    pub(super) why: Why,
}

/// One program under way.
pub(super) struct Run<'w> {
    pub(super) world: &'w mut World,
    pub(super) system: Sys,
    pub(super) course: Course<Actor, Pending>,
    /// Where everything happens.
    pub(super) window: AddrRange,
    /// The names of files, and which one the kernel made for each mapping of shared anonymous memory that was seen.
    pub(super) names: Names,
}

impl<'w> Run<'w> {
    /// Begins a program with one process.
    pub(super) fn start(world: &'w mut World, window: AddrRange) -> Result<Self, Stop> {
        world.reset_files()?;
        let process = world.live.spawn()?;
        let mut system = world.system.clone();
        let input = Input { caps: world.caps, ..Input::default() };
        let space = world.origin.clone().fork(&mut system, &input);
        let space = space.map_err(|errno| FuzzError::Setup(format!("the twin cannot fork: {errno}")))?;
        let actor =
            Actor { process, pid: 0, space, parent: 0, outside: Counters::default(), uffds: Vec::new() };
        let names = Names { paths: world.paths.clone(), ..Names::default() };
        let mut run = Self { world, system, course: Course::of(actor), window, names };
        run.begin(0)?;
        Ok(run)
    }

    pub(super) fn program(&self) -> Program {
        Program { privilege: Privilege::Kept, lines: self.course.lines.clone() }
    }

    fn load(&mut self, who: usize, addr: VirtAddr, bytes: usize, step: Step) -> Result<(), Stop> {
        let Some(actor) = &mut self.course.actors[who] else { return Ok(()) };
        let mut word = [0; 8];
        let loaded = actor.space.load(&mut self.system, addr, &mut word[..bytes]);
        self.course.counted.accesses += 1;
        self.push(who, step, Expected::Loaded(loaded.map(|()| u64::from_le_bytes(word))), Why::default())
    }

    pub(super) fn store(&mut self, who: usize, addr: VirtAddr, bytes: &[u8], step: Step) -> Result<(), Stop> {
        let Some(actor) = &mut self.course.actors[who] else { return Ok(()) };
        let stored = actor.space.store(&mut self.system, addr, bytes);
        self.note_file_use(who, addr);
        self.note_file_use(who, VirtAddr(addr.0 + bytes.len() as u64 - 1));
        self.course.counted.accesses += 1;
        self.push(who, step, Expected::Done(stored), Why::default())
    }

    fn fetch(&mut self, who: usize, addr: VirtAddr) -> Result<(), Stop> {
        let Some(actor) = &mut self.course.actors[who] else { return Ok(()) };
        let fetched = actor.space.fetch(&mut self.system, addr, &mut [0; 2]);
        self.course.counted.accesses += 1;
        self.push(who, Step::Fetch(addr), Expected::Done(fetched), Why::default())
    }

    /// A store may have reached a file.
    fn note_file_use(&mut self, who: usize, addr: VirtAddr) {
        let vma = self.course.actors[who].as_ref().and_then(|actor| actor.space.find(addr));
        self.world.files_changed |= vma.is_some_and(|vma| vma.backing.file().is_some());
    }

    fn file_read(&mut self, who: usize, file: usize, offset: u64, bytes: u64) -> Result<(), Stop> {
        let Some(map) = self.world.files.get(file).map(|file| file.map.clone()) else { return Ok(()) };
        let mut read = vec![0; bytes as usize];
        let len = self.system.read_file(map.object, map.kind, offset, &mut read).unwrap_or(0);
        read.truncate(len);
        let step = Step::FileRead { fd: Setup::fd(file), offset: FileOff(offset), bytes: bytes as usize };
        self.course.counted.calls += 1;
        self.push(who, step, Expected::Bytes(read), Why::default())
    }

    fn file_write(&mut self, who: usize, file: usize, offset: u64, bytes: u64, fill: u8) -> Result<(), Stop> {
        let Some(map) = self.world.files.get(file).map(|file| file.map.clone()) else { return Ok(()) };
        let Some(process) = self.course.actors[who].as_ref().map(|actor| actor.process) else {
            return Ok(());
        };
        let data = vec![fill; bytes as usize];
        let from = self.world.live.put(process, &data)?;
        self.world.files_changed = true;
        let expected = if map.mode.write {
            let written = self.system.write_file(map.object, map.kind, offset, &data);
            written.map(|()| bytes).map_err(|_| Errno(5))
        } else {
            Err(Errno::EBADF)
        };
        let step = Step::FileWrite { fd: Setup::fd(file), offset: FileOff(offset), from, bytes };
        self.course.counted.calls += 1;
        self.push(who, step, Expected::Result(expected), Why::default())
    }

    fn truncate(&mut self, who: usize, file: usize, bytes: u64) -> Result<(), Stop> {
        let Some(map) = self.world.files.get(file).map(|file| file.map.clone()) else { return Ok(()) };
        self.world.files_changed = true;
        let expected = if map.mode.write {
            // Nothing is behind these files that could fail.
            let _never_fails = self.system.truncate(map.object, map.kind, bytes);
            Ok(0)
        } else {
            Err(Errno::EINVAL)
        };
        self.course.counted.calls += 1;
        let step = Step::FileTruncate { fd: Setup::fd(file), bytes };
        self.push(who, step, Expected::Result(expected), Why::default())
    }

    fn call(&mut self, who: usize, call: Call) -> Result<(), Stop> {
        self.call_with(who, call, Input { caps: self.world.caps, ..Input::default() })
    }

    pub(super) fn call_with(&mut self, who: usize, call: Call, mut input: Input) -> Result<(), Stop> {
        if uffd::never_ends(self, who, call) {
            self.course.lines.pop();
            return Ok(());
        }
        if let Call::Mmap { fd, .. } = call {
            input.file = self.file_input(fd);
        }
        self.world.files_changed |= matches!(call, Call::Madvise { advice: Advice::REMOVE, .. });
        let Some(actor) = &mut self.course.actors[who] else { return Ok(()) };
        // A copy of all that there is takes its time.
        let before = may_ask(call).then(|| (actor.space.clone(), self.system.clone()));
        let mut outcome = actor.space.call(&mut self.system, call, &input);
        self.note_written(who, call);
        if outcome.basis == Basis::Predicted {
            self.course.counted.calls += 1;
            self.push(who, Step::Call(call), Expected::Result(outcome.result), outcome.why)?;
            return if matches!(call, Call::Mincore { .. }) { self.look_inside(who) } else { Ok(()) };
        }
        let (Some(before), Some(actor)) = (before, &mut self.course.actors[who]) else {
            return Err(FuzzError::Setup(format!("{call}: the twin did not predict it")).into());
        };
        (actor.space, self.system) = before;
        if outcome.basis == Basis::NotModelled {
            self.course.counted.unmodelled += 1;
            self.course.lines.pop();
            return Ok(());
        }
        let process = actor.process;
        let ticket = self.world.live.push(process, Step::Call(call))?;
        self.flush()?;
        self.world.live.run(process)?;
        if let Answer::Returned(result) = self.world.live.answer(ticket)? {
            input.observed = Some(result);
            input.placed = result.ok().map(VirtAddr);
        }
        self.course.counted.asked += 1;
        let Some(actor) = &mut self.course.actors[who] else { return Ok(()) };
        outcome = actor.space.call(&mut self.system, call, &input);
        self.course.counted.calls += 1;
        self.pend(ticket, Expected::Result(outcome.result), outcome.why);
        Ok(())
    }

    /// The kernel may have written to a file for a call.
    fn note_written(&mut self, who: usize, call: Call) {
        if let Call::Mincore { vec, len, .. } = call {
            self.note_file_use(who, vec);
            self.note_file_use(who, VirtAddr(vec.0.saturating_add(len / PAGE_SIZE)));
        }
    }

    fn file_input(&self, fd: Fd) -> FileInput {
        match self.world.file(fd) {
            Some(file) => FileInput::Open(file.map.clone()),
            None => FileInput::Bad,
        }
    }

    fn fork(&mut self, who: usize) -> Result<(), Stop> {
        self.flush()?;
        let Some(actor) = &mut self.course.actors[who] else { return Ok(()) };
        let process = actor.process;
        self.world.live.recycle(process);
        let forked = self.world.live.act(process, Step::Fork)?;
        let input = Input { caps: self.world.caps, ..Input::default() };
        let twin = actor.space.fork(&mut self.system, &input);
        self.course.counted.calls += 1;
        match (forked, twin) {
            (Answer::Forked(process), Ok(space)) => {
                let actor = Actor {
                    process,
                    pid: 0,
                    space,
                    parent: who,
                    outside: Counters::default(),
                    uffds: Vec::new(),
                };
                self.course.actors.push(Some(actor));
                self.begin(self.course.actors.len() - 1)
            }
            (Answer::Returned(Err(errno)), Err(ours)) if errno == ours => Ok(()),
            (answer, twin) => {
                let twin = format!("{:?}", twin.map(drop));
                Err(self.diverged(What::Answer, twin, format!("{answer:?}"), Why::default()))
            }
        }
    }

    /// Reads the pagemap after a line, and now and then the texts and what is in the pages.
    fn look(&mut self, who: usize) -> Result<(), Stop> {
        let at = self.course.lines.len();
        let Some(actor) = &mut self.course.actors[who] else { return Ok(()) };
        let words = expect::pagemap(&mut actor.space, &mut self.system, self.window);
        self.course.counted.maps += 1;
        self.push(who, Step::Pagemap(self.window), Expected::Pagemap(words), Why::default())?;
        if !at.is_multiple_of(HASH_EVERY) {
            return Ok(());
        }
        self.compare_smaps(who)?;
        self.look_inside(who)
    }

    pub(super) fn look_inside(&mut self, who: usize) -> Result<(), Stop> {
        let Some(actor) = &mut self.course.actors[who] else { return Ok(()) };
        for (range, hashes) in expect::hashes(&mut actor.space, &mut self.system, self.window) {
            self.push(who, Step::Hash(range), Expected::Hashes(hashes), Why::default())?;
        }
        Ok(())
    }

    pub(super) fn push(&mut self, who: usize, step: Step, expected: Expected, why: Why) -> Result<(), Stop> {
        let Some(actor) = &self.course.actors[who] else { return Ok(()) };
        let ticket = self.world.live.push(actor.process, step)?;
        self.pend(ticket, expected, why);
        Ok(())
    }

    fn pend(&mut self, ticket: Ticket, expected: Expected, why: Why) {
        self.course.pending.push(Pending {
            at: self.course.lines.len().saturating_sub(1),
            ticket,
            expected,
            why,
        });
    }

    pub(super) fn diverged(&self, what: What, twin: String, kernel: String, why: Why) -> Stop {
        let at = self.course.lines.len().saturating_sub(1);
        Stop::Diverged(Box::new(self.course.divergence(at, what, twin, kernel, why)))
    }

    /// Tells whether a file's page cache is the kernel's own to fill: growing such a file by `ftruncate` leaves it a hole.
    pub(super) fn is_of_disk(&self, file: usize) -> bool {
        self.world.files.get(file).is_some_and(|file| file.map.kind == FileKind::Regular)
    }
}

impl Running for Run<'_> {
    type Actor = Actor;
    type Pending = Pending;

    fn course(&mut self) -> &mut Course<Actor, Pending> {
        &mut self.course
    }

    fn live(&mut self) -> &mut Live {
        &mut self.world.live
    }

    fn act(&mut self, who: usize, act: Act) -> Result<(), Stop> {
        match act {
            Act::Load(addr) => self.load(who, addr, 1, Step::Load(addr)),
            Act::Get(addr) => self.load(who, addr, 8, Step::LoadWord(addr)),
            Act::Store(addr) => self.store(who, addr, &[0x90], Step::Store(addr, 0x90)),
            Act::Put(addr, word) => self.store(who, addr, &word.to_le_bytes(), Step::StoreWord(addr, word)),
            Act::Fetch(addr) => self.fetch(who, addr),
            Act::FileRead { file, offset, bytes } => self.file_read(who, file, offset, bytes),
            Act::FileWrite { file, offset, bytes, fill } => self.file_write(who, file, offset, bytes, fill),
            Act::Truncate { file, bytes } => self.truncate(who, file, bytes),
            Act::Uffd { features } => self.make_uffd(who, features),
            Act::Pointed { call, words, .. } => self.uffd_call(who, call, &words),
            Act::Fork => self.fork(who),
            Act::Exit => self.exit(who),
            Act::Call(call) => self.call(who, call),
            _ => {
                self.course.counted.unmodelled += 1;
                Ok(())
            }
        }?;
        self.turn_to(who)?;
        self.look(who)
    }

    fn make_room(&mut self, who: usize) -> Result<(), Stop> {
        let Some(process) = self.course.actors[who].as_ref().map(|actor| actor.process) else {
            return Ok(());
        };
        let live = &self.world.live;
        let bytes = self.window.pages() as usize * 16 + 2 * PAGE_SIZE as usize;
        if live.room(process) < 128 || live.room_bytes(process) < 4 * bytes {
            self.flush()?;
            self.world.live.recycle(process);
        }
        Ok(())
    }

    fn compare(&mut self) -> Result<(), Stop> {
        for Pending { at, ticket, expected, why } in std::mem::take(&mut self.course.pending) {
            let answer = self.world.live.answer(ticket)?;
            let what = match &expected {
                Expected::Pagemap(words) => {
                    let (mut told, mut ours) = (Vec::new(), Vec::new());
                    self.world.live.bytes(ticket, &mut told)?;
                    proc_text::write_pagemap(expect::numbered(words, &told), &mut ours);
                    if ours == told {
                        continue;
                    }
                    let mut found =
                        self.course.divergence(at, What::Pages, String::new(), String::new(), why);
                    (found.twin_map, found.kernel_map) = differing(&ours, &told);
                    return Err(Stop::Diverged(Box::new(found)));
                }
                Expected::Hashes(hashes) => {
                    let told = self.world.live.words(ticket)?;
                    if told == *hashes {
                        continue;
                    }
                    let (twin, kernel) = (format!("{hashes:x?}"), format!("{told:x?}"));
                    let found = self.course.divergence(at, What::Contents, twin, kernel, why);
                    return Err(Stop::Diverged(Box::new(found)));
                }
                Expected::Bytes(bytes) => {
                    let mut told = Vec::new();
                    self.world.live.bytes(ticket, &mut told)?;
                    if matches!(answer, Answer::Bytes(_)) && told == *bytes {
                        continue;
                    }
                    What::Contents
                }
                expected if agrees(expected, answer) => continue,
                _ => What::Answer,
            };
            let found =
                self.course.divergence(at, what, format!("{expected:x?}"), format!("{answer:x?}"), why);
            return Err(Stop::Diverged(Box::new(found)));
        }
        Ok(())
    }

    fn finish_one(&mut self, who: usize) -> Result<(), Stop> {
        self.end(who)
    }
}

/// Tells whether the twin might take over the answer to a call: those that programs mostly make it predicts.
fn may_ask(call: Call) -> bool {
    match call {
        Call::Mmap { .. }
        | Call::Munmap { .. }
        | Call::Mprotect { .. }
        | Call::Mremap { .. }
        | Call::Msync { .. }
        | Call::Mincore { .. }
        | Call::Mlock { .. }
        | Call::Mlock2 { .. }
        | Call::Munlock { .. }
        | Call::UffdIoctl { .. } => false,
        Call::Madvise { advice, .. } => advice == Advice::COLLAPSE,
        _ => true,
    }
}

/// The pages whose words differ, a line each.
fn differing(ours: &[u8], told: &[u8]) -> (String, String) {
    let mut lines = (String::new(), String::new());
    let words = expect::words(ours).zip(expect::words(told));
    for (at, (ours, told)) in words.enumerate().filter(|(_, (ours, told))| ours != told) {
        let line = |word: PagemapEntry| {
            format!("{} {:x} {:?}\n", expect::page(at), word.0, PagemapFacts::from(word))
        };
        lines.0.push_str(&line(ours));
        lines.1.push_str(&line(told));
    }
    lines
}

fn agrees(expected: &Expected, answer: Answer) -> bool {
    let same = |fault: &Fault, told: live::Fault| {
        told == live::Fault { signal: fault.signal.number(), code: fault.signal.code(), addr: fault.addr }
    };
    match (expected, answer) {
        (Expected::Result(ours), Answer::Returned(kernels)) => *ours == kernels,
        (Expected::Result(Ok(_)), Answer::Bytes(_)) => true,
        (Expected::Loaded(Ok(word)), Answer::Loaded(byte)) => *word == u64::from(byte),
        (Expected::Loaded(Ok(word)), Answer::LoadedWord(told)) => *word == told,
        (Expected::Loaded(Err(fault)) | Expected::Done(Err(fault)), Answer::Fault(told)) => same(fault, told),
        (Expected::Done(Ok(())), Answer::Done) => true,
        _ => false,
    }
}
