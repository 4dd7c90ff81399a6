//! Every program of a few calls in a world of six pages, one after the other.
//!
//! A process begins with one of three scenes, does the calls of one program, and clears the six pages for the
//! next. A call that changes nothing is the end of its program: what follows it is a shorter program.

use abi::{Advice, Call, Fd, MapFlags, PAGE_SIZE, Prot, RemapFlags, VirtAddr};
use live::Setup;

use super::course::Running;
use super::divergence::Divergence;
use super::error::FuzzError;
use super::line::{Act, Line, Privilege, Program};
use super::origin::Direction;
use super::pool::Pool;
use super::run::{Counted, Depth, Flags, Run, Stop};
use super::world::World;

const PAGES: u64 = 6;
const BASE: u64 = 0x2_0000_0000;
/// A process does so many programs.
const PROGRAMS_A_PROCESS: u64 = 400;

/// What came of it.
#[derive(Debug, Default)]
pub struct SmallWorld {
    /// What was done on both sides.
    pub counted: Counted,
    /// Programs.
    pub programs: u64,
    /// The first divergence, with a program that shows it.
    pub divergence: Option<(Program, Box<Divergence>)>,
}

/// Runs every program of up to `depth` calls whose first call is one of this part's.
///
/// # Errors
/// If a process can't be used.
pub fn run(depth: usize, part: usize, parts: usize) -> Result<SmallWorld, FuzzError> {
    let mut world = World::start(Direction::TopDown, None, Pool::default())?;
    let mut done = SmallWorld::default();
    let alphabet = alphabet();
    for scene in scenes() {
        let mut programs =
            Programs { alphabet: &alphabet, scene: &scene, depth, part, parts, stack: Vec::new() };
        while done.divergence.is_none() && programs.is_left() {
            one_process(&mut world, &mut programs, &mut done)?;
        }
    }
    Ok(done)
}

/// Does as many programs as one process does.
fn one_process(
    world: &mut World,
    programs: &mut Programs<'_>,
    done: &mut SmallWorld,
) -> Result<(), FuzzError> {
    let depth = Depth { every: 1, flags: Flags::Never };
    let mut run = Run::start(world, Privilege::Kept, depth)?;
    let end = fill(&mut run, programs, done).and_then(|()| run.finish());
    done.counted.add(run.course.counted);
    let lines = run.program();
    match end {
        Ok(_) => Ok(()),
        Err(Stop::Failed(error)) => Err(error),
        Err(Stop::Diverged(divergence)) => {
            // The lines of one program, if they show it by themselves; else all of the process.
            let end = divergence.at.min(lines.lines.len().saturating_sub(1));
            let cleared = |line: &Line| line.act == Act::Call(clear());
            let begin = lines.lines[..end].iter().rposition(cleared).map_or(0, |at| at + 1);
            let privilege = lines.privilege;
            let short = Program { privilege, lines: lines.lines[begin..=end].to_vec() };
            done.divergence = Some((short, divergence));
            run.abandon()
        }
    }
}

fn fill(run: &mut Run<'_>, programs: &mut Programs<'_>, done: &mut SmallWorld) -> Result<(), Stop> {
    for _ in 0..PROGRAMS_A_PROCESS {
        let Some(calls) = programs.current() else { break };
        for act in programs.scene {
            run.quiet_line(Line { who: 0, act: act.clone() })?;
        }
        let mut deepest_changed = true;
        for act in calls {
            deepest_changed = run.changing_line(Line { who: 0, act })?;
        }
        run.quiet_line(Line { who: 0, act: Act::Call(clear()) })?;
        done.programs += 1;
        programs.advance(deepest_changed);
    }
    Ok(())
}

fn clear() -> Call {
    Call::Munmap { addr: VirtAddr(BASE), len: PAGES * PAGE_SIZE }
}

/// The programs of one scene, in order: a program is followed by its extensions, if it ended with a change.
struct Programs<'a> {
    alphabet: &'a [Act],
    scene: &'a [Act],
    depth: usize,
    part: usize,
    parts: usize,
    stack: Vec<usize>,
}

impl Programs<'_> {
    fn is_left(&self) -> bool {
        self.stack.first().copied().unwrap_or(self.part) < self.alphabet.len()
    }

    fn current(&mut self) -> Option<Vec<Act>> {
        if self.stack.is_empty() {
            self.stack.push(self.part);
        }
        self.is_left().then(|| self.stack.iter().map(|at| self.alphabet[*at].clone()).collect())
    }

    fn advance(&mut self, last_changed: bool) {
        if last_changed && self.stack.len() < self.depth {
            self.stack.push(0);
            return;
        }
        while let Some(last) = self.stack.pop() {
            let step = if self.stack.is_empty() { self.parts } else { 1 };
            if last + step < self.alphabet.len() || self.stack.is_empty() {
                self.stack.push(last + step);
                return;
            }
        }
    }
}

/// What the six pages hold before the calls.
///
/// ```text
/// 1  ......
/// 2  WWWWWW   writable, the first page touched
/// 3  TT.TRR   T touched apart, R readable
/// ```
fn scenes() -> Vec<Vec<Act>> {
    let page = |at: u64| VirtAddr(BASE + at * PAGE_SIZE);
    let map = |at: u64, pages: u64, prot| {
        Act::Call(mmap(page(at), pages, prot, MapFlags::PRIVATE | MapFlags::ANONYMOUS))
    };
    let touched = vec![
        map(0, 2, Prot::RW),
        Act::Store(page(1)),
        map(3, 1, Prot::RW),
        Act::Store(page(3)),
        map(4, 2, Prot::READ),
    ];
    vec![vec![], vec![map(0, 6, Prot::RW), Act::Store(page(0))], touched]
}

fn mmap(addr: VirtAddr, pages: u64, prot: Prot, flags: MapFlags) -> Call {
    let flags = flags | MapFlags::FIXED;
    let fd = if flags.contains(MapFlags::ANONYMOUS) { Fd(-1) } else { Setup::fd(0) };
    Call::Mmap { addr, len: pages * PAGE_SIZE, prot, flags, fd, offset: 0 }
}

/// Every call on every range of the six pages.
fn alphabet() -> Vec<Act> {
    let mut all = Vec::new();
    for first in 0..PAGES {
        let addr = VirtAddr(BASE + first * PAGE_SIZE);
        all.push(Act::Store(addr));
        for pages in 1..=PAGES - first {
            on_range(&mut all, addr, pages);
        }
    }
    all
}

fn on_range(all: &mut Vec<Act>, addr: VirtAddr, pages: u64) {
    let len = pages * PAGE_SIZE;
    let anonymous = MapFlags::PRIVATE | MapFlags::ANONYMOUS;
    let kinds = [
        anonymous,
        MapFlags::SHARED | MapFlags::ANONYMOUS,
        MapFlags::PRIVATE,
        anonymous | MapFlags::GROWSDOWN,
    ];
    for (kind, prots) in kinds.into_iter().zip([
        &[Prot::NONE, Prot::READ, Prot::RW][..],
        &[Prot::RW],
        &[Prot::RW],
        &[Prot::RW],
    ]) {
        all.extend(prots.iter().map(|prot| Act::Call(mmap(addr, pages, *prot, kind))));
    }
    all.extend([Prot::NONE, Prot::READ, Prot::RW].map(|prot| Act::Call(Call::Mprotect { addr, len, prot })));
    let advice = [Advice::DONTFORK, Advice::DONTNEED, Advice::GUARD_INSTALL];
    all.extend(advice.map(|advice| Act::Call(Call::Madvise { addr, len, advice })));
    all.push(Act::Call(Call::Munmap { addr, len }));
    all.push(Act::Call(Call::Mlock { addr, len }));
    all.push(Act::Call(Call::Munlock { addr, len }));
    let remap = |new_pages, flags, new_addr| {
        let new_len = new_pages * PAGE_SIZE;
        Act::Call(Call::Mremap { addr, old_len: len, new_len, flags, new_addr })
    };
    all.extend((1..=PAGES).map(|new_pages| remap(new_pages, RemapFlags::NONE, VirtAddr::NULL)));
    let to = RemapFlags::MAYMOVE | RemapFlags::FIXED;
    let places = (0..=PAGES - pages).map(|page| VirtAddr(BASE + page * PAGE_SIZE));
    all.extend(places.map(|place| remap(pages, to, place)));
}
