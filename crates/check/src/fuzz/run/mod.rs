//! One program on both sides: the twin goes ahead line by line, the kernel follows in batches, answers are
//! compared in the program's order.

mod end;
mod huge;

use abi::{Advice, Call, Errno, Fd, MapFlags, MlockallFlags, MsyncFlags, PAGE_SIZE, Prot, VirtAddr};
use live::{Answer, Fault, Live, Process, Step, Text, Ticket};
use mm::{Access, AddressSpace, Basis, Caps, FileInput, FileKind, Input, Signal, System, Uffd, Why};

use self::huge::Claim;
use crate::fuzz::compare::{self, Inodes};
use crate::fuzz::course::{self, Course, Running};
use crate::fuzz::divergence::{Divergence, What};
use crate::fuzz::error::FuzzError;
use crate::fuzz::line::{Act, Line, Privilege, Program};
use crate::fuzz::pool::Greed;
use crate::fuzz::prepare;
use crate::fuzz::seen::Seen;
use crate::fuzz::world::World;

/// Why a run stopped before its end.
#[derive(Debug)]
pub enum Stop {
    /// Twin and kernel differ.
    Diverged(Box<Divergence>),
    /// The run cannot go on.
    Failed(FuzzError),
}

impl<E: Into<FuzzError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// How much of the kernel's state is compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Depth {
    /// The map is compared after every so many lines, and at the end.
    pub every: u32,
    /// The flags of smaps are compared: after every line, at the end, or not.
    pub flags: Flags,
}

/// When the flags of smaps are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flags {
    /// Never.
    Never,
    /// At the end of the program.
    AtEnd,
    /// After every line.
    Always,
}

/// What was counted of a program.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counted {
    /// System calls done on both sides.
    pub calls: u64,
    /// Loads, stores and fetches done on both sides.
    pub accesses: u64,
    /// Maps compared.
    pub maps: u64,
    /// Calls whose answer was partly an input.
    pub asked: u64,
    /// Lines that the twin has no rules for: they were left out.
    pub unmodelled: u64,
    /// Calls and accesses that found the pool used up.
    pub used_up: u64,
    /// Mappings made of pages of the pool.
    pub huge: u64,
}

impl Counted {
    /// Adds what another program counted.
    pub(crate) fn add(&mut self, other: Self) {
        let Self { calls, accesses, maps, asked, unmodelled, used_up, huge } = other;
        self.calls += calls;
        self.accesses += accesses;
        self.maps += maps;
        self.asked += asked;
        self.unmodelled += unmodelled;
        self.used_up += used_up;
        self.huge += huge;
    }
}

/// A process of the program, on both sides.
pub(crate) struct Actor {
    pub(crate) process: Process,
    pub(crate) space: AddressSpace,
    /// Whether `mlockall` made it lock what it maps.
    pub(crate) locks: Locks,
    /// Its userfaultfds: up to [`UFFDS_MAX`].
    pub(crate) uffds: Vec<(Fd, Uffd)>,
    parent: usize,
}

/// How many userfaultfds a process makes: of two, neighbours are told apart.
pub const UFFDS_MAX: usize = 2;

/// Whether new mappings are locked, so that long ones would take much memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Locks {
    /// Only those asked for.
    Asked,
    /// All.
    All,
}

impl course::Actor for Actor {
    fn process(&self) -> Process {
        self.process
    }

    fn parent(&self) -> usize {
        self.parent
    }
}

impl Actor {
    fn note_locks(&mut self, call: Call) {
        match call {
            Call::Mlockall { flags } if flags.contains(MlockallFlags::FUTURE) => self.locks = Locks::All,
            Call::Mlockall { .. } | Call::Munlockall {} => self.locks = Locks::Asked,
            _ => {}
        }
    }
}

/// What the twin said of a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Expected {
    /// A call's result.
    Result(Result<u64, Errno>),
    /// An access: allowed, or the signal it raises at the address.
    Access(VirtAddr, Result<(), Signal>),
}

/// A line that the kernel has still to answer.
pub(crate) struct Pending {
    at: usize,
    ticket: Ticket,
    expected: Expected,
    why: Why,
    after: Option<(Ticket, AddressSpace)>,
    flags: Option<(Ticket, AddressSpace)>,
}

/// One program under way.
pub(crate) struct Run<'w> {
    pub(crate) world: &'w mut World,
    pub(crate) system: System,
    pub(crate) course: Course<Actor, Pending>,
    pub(crate) seen: Seen,
    pub(crate) caps: Caps,
    privilege: Privilege,
    depth: Depth,
    inodes: Inodes,
    text: Vec<u8>,
    /// Huge pages that shared mappings were promised: what is unmapped may stay in their files.
    shared_huge: u64,
    /// How much of the pool it may have.
    greed: Greed,
    /// Whether the pool had no page left at some time.
    used_up: bool,
}

impl<'w> Run<'w> {
    /// Begins a program with one process.
    pub(crate) fn start(world: &'w mut World, privilege: Privilege, depth: Depth) -> Result<Self, FuzzError> {
        world.reset_files()?;
        let process = world.live.spawn()?;
        let mut system = world.system.clone();
        let space = world.origin.fork(&mut system, &Input { caps: world.caps, ..Input::default() });
        let space = space.map_err(|errno| FuzzError::Setup(format!("the twin cannot fork: {errno}")))?;
        if privilege == Privilege::Dropped {
            prepare::drop_privileges(&mut world.live, process)?;
        }
        let caps = if privilege == Privilege::Kept { world.caps } else { Caps::default() };
        Ok(Self {
            world,
            system,
            course: Course::of(Actor { process, space, locks: Locks::Asked, uffds: Vec::new(), parent: 0 }),
            seen: Seen::default(),
            caps,
            privilege,
            depth,
            inodes: Inodes::default(),
            text: Vec::new(),
            shared_huge: 0,
            greed: Greed::Share,
            used_up: false,
        })
    }

    /// Returns how many files the processes have.
    pub(crate) fn file_count(&self) -> usize {
        self.world.files.len() - self.huge_file_count()
    }

    /// Returns how many files of huge pages they have; those come last.
    pub(crate) fn huge_file_count(&self) -> usize {
        self.world.files.iter().filter(|file| file.is_huge()).count()
    }

    /// Returns the program so far.
    pub(crate) fn program(&self) -> Program {
        Program { privilege: self.privilege, lines: self.course.lines.clone() }
    }

    /// Does a line without reading the map after it.
    pub(crate) fn quiet_line(&mut self, line: Line) -> Result<(), Stop> {
        let every = std::mem::replace(&mut self.depth.every, u32::MAX);
        let done = self.line(line);
        self.depth.every = every;
        done
    }

    /// Does a line and tells whether the twin's mappings may have changed.
    pub(crate) fn changing_line(&mut self, line: Line) -> Result<bool, Stop> {
        let who = line.who;
        // Guards are no part of the mappings, but of what follows.
        let guards = matches!(line.act, Act::Call(Call::Madvise { advice: Advice::GUARD_INSTALL, .. }));
        let before = self.course.actors[who].as_ref().map(|actor| actor.space.clone());
        self.line(line)?;
        let after = self.course.actors[who].as_ref().map(|actor| &actor.space);
        Ok(match (before, after) {
            (Some(before), Some(after)) => guards || !compare::same_state(&before, after),
            _ => true,
        })
    }

    fn access(&mut self, who: usize, addr: VirtAddr, access: Access, step: Step) -> Result<(), Stop> {
        let input = Input { caps: self.caps, huge_pool: self.huge_pool(), ..Input::default() };
        let Some(actor) = &mut self.course.actors[who] else { return Ok(()) };
        let kind = actor.space.find(addr).and_then(|vma| vma.backing.file_kind());
        if access == Access::Write && kind == Some(FileKind::AioRing) {
            // What a ring holds says which context it is: that is no part of the map.
            self.course.lines.pop();
            return Ok(());
        }
        if self.greed == Greed::All && kind.is_some_and(huge::is_of_pool_kind) {
            return self.access_after_kernel(who, addr, access, step);
        }
        let touched = actor.space.touch(&mut self.system, addr, access, &input).map(drop);
        self.course.counted.accesses += 1;
        self.push(who, step, Expected::Access(addr, touched), Why::default())
    }

    fn make_uffd(&mut self, who: usize, features: u64) -> Result<(), Stop> {
        self.flush()?;
        let id = self.course.lines.len() as u64;
        let Some(actor) = self.course.actors[who].as_mut().filter(|actor| actor.uffds.len() < UFFDS_MAX)
        else {
            return Ok(());
        };
        self.world.live.recycle(actor.process);
        actor.uffds.extend(prepare::make_uffd(&mut self.world.live, actor.process, id, features)?);
        Ok(())
    }

    fn truncate(&mut self, who: usize, file: usize, bytes: u64) -> Result<(), Stop> {
        let known = self.world.files.get(file);
        let Some((map, true)) = known.and_then(|file| Some((file.map.clone()?, file.bytes.is_some()))) else {
            return Ok(());
        };
        let inside = map.kind.huge_page_bytes().unwrap_or(1) - 1;
        let answer = if bytes & inside == 0 { Ok(0) } else { Err(Errno::EINVAL) };
        if answer.is_ok() {
            self.system.set_file_size(map.object, bytes);
            self.world.sizes_changed = true;
        }
        self.course.counted.calls += 1;
        const FTRUNCATE: u32 = 77;
        let fd = live::Setup::fd(file).0 as u64;
        let step = Step::Raw { nr: FTRUNCATE, args: [fd, bytes, 0, 0, 0, 0] };
        self.push(who, step, Expected::Result(answer), Why::default())
    }

    fn call(&mut self, who: usize, act: &Act) -> Result<(), Stop> {
        let (call, mut input) = self.call_and_input(who, act)?;
        let Some(claim) = self.claim(who, call, &mut input)? else {
            self.course.lines.pop();
            return Ok(());
        };
        let Some(actor) = &mut self.course.actors[who] else { return Ok(()) };
        if input.pointers == mm::Pointers::Bad && actor.space.find(VirtAddr::NULL).is_some() {
            // The pointer meant to be bad is good here, and writing through it would be a touch.
            self.course.lines.pop();
            return Ok(());
        }
        let outcome = if may_ask_the_kernel(call) || claim.asks() {
            let (mut space, mut system) = (actor.space.clone(), self.system.clone());
            let outcome = space.call(&mut system, call, &input);
            if outcome.basis == Basis::TakenOver || claim.asks() {
                return self.call_after_kernel(who, call, input, claim);
            }
            (actor.space, self.system) = (space, system);
            outcome
        } else {
            actor.space.call(&mut self.system, call, &input)
        };
        if outcome.basis == Basis::NotModelled {
            self.course.counted.unmodelled += 1;
            self.course.lines.pop();
            return Ok(());
        }
        if outcome.result.is_ok() {
            actor.note_locks(call);
            self.take(claim);
        }
        self.seen.note(call, outcome.why.refused);
        self.course.counted.calls += 1;
        self.push(who, Step::Call(call), Expected::Result(outcome.result), outcome.why)
    }

    /// Does a call whose answer is partly an input: the kernel goes ahead of the twin.
    fn call_after_kernel(
        &mut self,
        who: usize,
        call: Call,
        mut input: Input,
        claim: Claim,
    ) -> Result<(), Stop> {
        let Some(process) = self.course.actors[who].as_ref().map(|actor| actor.process) else {
            return Ok(());
        };
        let ticket = self.world.live.push(process, Step::Call(call))?;
        self.flush()?;
        self.world.live.run(process)?;
        if let Answer::Returned(result) = self.world.live.answer(ticket)? {
            input.observed = Some(result);
            input.placed = result.ok().map(VirtAddr);
            self.learn_of_pool(claim, &mut input);
        }
        let Some(actor) = &mut self.course.actors[who] else { return Ok(()) };
        let outcome = actor.space.call(&mut self.system, call, &input);
        if outcome.result.is_ok() {
            self.take(claim);
        }
        self.seen.note(call, outcome.why.refused);
        self.course.counted.calls += 1;
        self.course.counted.asked += 1;
        self.push_reads(who, ticket, Expected::Result(outcome.result), outcome.why)
    }

    /// Returns the call with its pointers set, and what the kernel reads at it besides the registers.
    fn call_and_input(&mut self, who: usize, act: &Act) -> Result<(Call, Input), Stop> {
        let Some(actor) = &self.course.actors[who] else {
            return Err(FuzzError::Setup("a process that is gone".into()).into());
        };
        let (process, uffds) = (actor.process, &actor.uffds);
        let input = Input { caps: self.caps, ..Input::default() };
        let World { live, segments, .. } = &mut *self.world;
        let (call, mut input) = prepare::call_and_input(live, process, act, (segments, uffds), input)?;
        if let Call::Mmap { fd, .. } = call {
            input.file = self.file_input(fd);
        }
        Ok((call, input))
    }

    fn file_input(&self, fd: Fd) -> FileInput {
        match self.world.file(fd).and_then(|file| file.map.clone()) {
            Some(map) => FileInput::Open(map),
            None => FileInput::Bad,
        }
    }

    /// Makes many mappings; they count as one call.
    fn crowd(&mut self, who: usize, mappings: u64) -> Result<(), Stop> {
        let Some(actor) = &self.course.actors[who] else { return Ok(()) };
        let pages = mappings.saturating_sub(actor.space.map_count());
        let begin = VirtAddr(0x10_0000_0000);
        let flags = MapFlags::PRIVATE | MapFlags::ANONYMOUS | MapFlags::FIXED;
        let (len, prot, fd) = (pages * PAGE_SIZE, Prot::NONE, Fd(-1));
        let depth = std::mem::replace(&mut self.depth.every, u32::MAX);
        self.call(who, &Act::Call(Call::Mmap { addr: begin, len, prot, flags, fd, offset: 0 }))?;
        for page in (0..pages).step_by(2) {
            self.make_room(who)?;
            let addr = VirtAddr(begin.0 + page * PAGE_SIZE);
            self.call(who, &Act::Call(Call::Mprotect { addr, len: PAGE_SIZE, prot: Prot::READ }))?;
            self.course.counted.calls -= 1;
        }
        self.depth.every = depth;
        Ok(())
    }

    fn fork(&mut self, who: usize) -> Result<(), Stop> {
        if !self.may_fork(who) {
            self.course.lines.pop();
            return Ok(());
        }
        self.flush()?;
        let Some(actor) = &mut self.course.actors[who] else { return Ok(()) };
        let process = actor.process;
        self.world.live.recycle(process);
        let forked = self.world.live.act(process, Step::Fork)?;
        let input = Input { caps: self.caps, ..Input::default() };
        let twin = actor.space.fork(&mut self.system, &input);
        self.course.counted.calls += 1;
        let expected = Expected::Result(twin.as_ref().map(|_| 0).map_err(|errno| *errno));
        match (forked, twin) {
            (Answer::Forked(process), Ok(space)) => {
                self.course.actors.push(Some(Actor {
                    process,
                    space,
                    locks: Locks::Asked,
                    uffds: Vec::new(),
                    parent: who,
                }));
                Ok(())
            }
            (Answer::Returned(Err(errno)), Err(ours)) if errno == ours => Ok(()),
            (answer, _) => Err(self.diverged(
                self.course.lines.len() - 1,
                What::Answer,
                expected,
                answer,
                Why::default(),
            )),
        }
    }

    /// Hands a line to the kernel; the map after it is read where that is due.
    fn push(&mut self, who: usize, step: Step, expected: Expected, why: Why) -> Result<(), Stop> {
        let Some(actor) = &self.course.actors[who] else { return Ok(()) };
        let ticket = self.world.live.push(actor.process, step)?;
        self.push_reads(who, ticket, expected, why)
    }

    fn push_reads(&mut self, who: usize, ticket: Ticket, expected: Expected, why: Why) -> Result<(), Stop> {
        let Some(actor) = &self.course.actors[who] else { return Ok(()) };
        let process = actor.process;
        let bytes_max = text_bytes(&actor.space);
        let live = &mut self.world.live;
        let at = self.course.lines.len() - 1;
        let mut pending = Pending { at, ticket, expected, why, after: None, flags: None };
        if (at as u32 + 1).is_multiple_of(self.depth.every) {
            let read = Step::Read { text: Text::Maps, bytes_max };
            pending.after = Some((live.push(process, read)?, actor.space.clone()));
        }
        if self.depth.flags == Flags::Always {
            let read = Step::Read { text: Text::Smaps, bytes_max: bytes_max * SMAPS_PER_MAPS };
            pending.flags = Some((live.push(process, read)?, actor.space.clone()));
        }
        self.course.pending.push(pending);
        Ok(())
    }

    fn compare_flags(
        &mut self,
        at: usize,
        ticket: Ticket,
        space: &AddressSpace,
        expected: Expected,
        answer: Answer,
        why: Why,
    ) -> Result<(), Stop> {
        self.world.live.text(ticket, &mut self.text)?;
        if let Some((kernel, twin)) = compare::other_flags(&self.text, space)? {
            let mut divergence = self.divergence(at, What::Flags, expected, answer, why);
            (divergence.kernel_map, divergence.twin_map) = (kernel, twin);
            return Err(Stop::Diverged(Box::new(divergence)));
        }
        Ok(())
    }

    fn diverged(&self, at: usize, what: What, expected: Expected, answer: Answer, why: Why) -> Stop {
        Stop::Diverged(Box::new(self.divergence(at, what, expected, answer, why)))
    }

    fn divergence(&self, at: usize, what: What, expected: Expected, answer: Answer, why: Why) -> Divergence {
        self.course.divergence(at, what, format!("{expected:?}"), format!("{answer:?}"), why)
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
            Act::Load(addr) => self.access(who, addr, Access::Read, Step::Load(addr)),
            Act::Store(addr) => self.access(who, addr, Access::Write, Step::Store(addr, NOP)),
            Act::Fetch(addr) => self.access(who, addr, Access::Exec, Step::Fetch(addr)),
            Act::Truncate { file, bytes } => self.truncate(who, file, bytes),
            Act::Crowd(mappings) => self.crowd(who, mappings),
            // Contents are no part of this twin.
            Act::Get(_) | Act::Put(..) | Act::FileRead { .. } | Act::FileWrite { .. } => {
                self.course.counted.unmodelled += 1;
                self.course.lines.pop();
                Ok(())
            }
            Act::Uffd { features } => self.make_uffd(who, features),
            Act::Fork => self.fork(who),
            Act::Exit => self.exit(who),
            act => self.call(who, &act),
        }
    }

    fn make_room(&mut self, who: usize) -> Result<(), Stop> {
        let Some(actor) = &self.course.actors[who] else { return Ok(()) };
        let (process, map) = (actor.process, text_bytes(&actor.space));
        let live = &self.world.live;
        let map = if self.depth.every == u32::MAX { 0 } else { map };
        let bytes = if self.depth.flags == Flags::Never { 2 * map } else { 2 * (1 + SMAPS_PER_MAPS) * map };
        if live.room(process) < 16 || live.room_bytes(process) < bytes + 8192 {
            self.flush()?;
            self.world.live.recycle(process);
        }
        Ok(())
    }

    fn compare(&mut self) -> Result<(), Stop> {
        for pending in std::mem::take(&mut self.course.pending) {
            let Pending { at, ticket, expected, why, after, flags } = pending;
            let answer = self.world.live.answer(ticket)?;
            if !agrees(expected, answer) {
                return Err(self.diverged(at, What::Answer, expected, answer, why));
            }
            if let Some((ticket, space)) = after {
                self.course.counted.maps += 1;
                self.world.live.text(ticket, &mut self.text)?;
                if !compare::same_map(&self.text, &space, &mut self.inodes)? {
                    let mut divergence = self.divergence(at, What::Map, expected, answer, why);
                    divergence.twin_map = compare::twin_text(&space);
                    divergence.kernel_map = String::from_utf8_lossy(&self.text).into_owned();
                    return Err(Stop::Diverged(Box::new(divergence)));
                }
            }
            if let Some((ticket, space)) = flags {
                self.compare_flags(at, ticket, &space, expected, answer, why)?;
            }
        }
        Ok(())
    }

    fn finish_one(&mut self, who: usize) -> Result<(), Stop> {
        self.end(who)
    }
}

/// Maps longer than this do not fit into the memory shared with a process: they are read from outside.
const TEXT_BYTES_MAX: usize = 400_000;
/// What stores write: an instruction that does nothing, so that it may be fetched later.
const NOP: u8 = 0x90;
/// How many times longer than maps smaps is.
const SMAPS_PER_MAPS: usize = 10;

/// The longest that the text of a map may be.
fn text_bytes(space: &AddressSpace) -> usize {
    space.map_count() as usize * 144 + 2048
}

fn agrees(expected: Expected, answer: Answer) -> bool {
    match (expected, answer) {
        (Expected::Result(ours), Answer::Returned(kernels)) => ours == kernels,
        (Expected::Access(_, Ok(())), Answer::Loaded(_) | Answer::Done) => true,
        (Expected::Access(addr, Err(signal)), Answer::Fault(fault)) => {
            fault == Fault { signal: signal.number(), code: signal.code(), addr }
        }
        _ => false,
    }
}

/// Tells whether the answer to a call may be an input of the twin rather than its prediction.
fn may_ask_the_kernel(call: Call) -> bool {
    match call {
        Call::Mmap { flags, .. } => flags.intersects(MapFlags::MAP_32BIT.with(MapFlags::HUGETLB)),
        Call::Mincore { .. } | Call::Madvise { .. } | Call::Mbind { .. } => true,
        Call::ProcessMadvise { .. }
        | Call::UffdIoctl { .. }
        | Call::IoSetup { .. }
        | Call::IoDestroy { .. } => true,
        Call::Msync { flags, .. } => flags.contains(MsyncFlags::SYNC),
        _ => false,
    }
}
