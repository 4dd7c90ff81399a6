//! The campaign of programs with contents: each is run until chance had no part in how it ends.

use abi::{AddrRange, Fd, VirtAddr};
use mm::{FileKind, Mutation};

use super::chance::{Chance, looks_held, looks_sampled, looks_written_back};
use super::generate::Generator;
use super::run::Run;
use super::world::{WIDE, WINDOW, World};
use crate::fuzz::campaign::{self, Finding, Plan, Ran, Runner, Summary};
use crate::fuzz::course::Running;
use crate::fuzz::error::FuzzError;
use crate::fuzz::line::{Act, Program};
use crate::fuzz::origin::Direction;
use crate::fuzz::run::{Counted, Stop};
use crate::fuzz::seen::Seen;

/// Runs programs and hands each new kind of divergence, made short, to `report`.
///
/// # Errors
/// If no program could be run at all.
pub fn run_contents(plan: &Plan, report: &(dyn Fn(&Finding) + Sync)) -> Result<Summary, FuzzError> {
    campaign::run(plan, || Worlds { world: None, mutation: plan.mutation }, report)
}

/// Runs a program whose lines are known.
///
/// # Errors
/// What stopped it: a difference, or that it can't be run.
pub fn replay_contents(program: &Program, mutation: Option<Mutation>) -> Result<Counted, Stop> {
    let world = &mut None;
    undisturbed(world, mutation, program).unwrap_or_else(|| once(world, mutation, program))
}

/// How often a program is run again that chance had a part in.
const TRIES: usize = 5;

/// The world of one thread.
struct Worlds {
    world: Option<World>,
    mutation: Option<Mutation>,
}

impl Runner for Worlds {
    /// Its lines say it: see [`window_of`].
    type Way = ();

    fn way(&self, _seed: u64, _index: u64) {}

    fn run(&mut self, seed: u64, index: u64) -> Result<Ran, FuzzError> {
        let Self { world, mutation } = self;
        let mut generator = Generator::new(seed, index);
        let before = Chance::now(generator.window);
        let mut run = match Run::start(ready(world, *mutation)?, generator.window) {
            Ok(run) => run,
            Err(Stop::Failed(error)) => return Err(error),
            Err(Stop::Diverged(found)) => return Err(FuzzError::Setup(found.to_string())),
        };
        let mut end = generator.drive(&mut run).and_then(|()| run.finish());
        let (mut counted, program) = (run.course.counted, run.program());
        counted.asked += run.system.huge_asked();
        let is_good = end.is_ok() || run.abandon().is_ok();
        if !is_good || matches!(end, Err(Stop::Failed(_))) {
            *world = None;
        }
        if matches!(end, Err(Stop::Diverged(_))) && before.had_its_way(generator.window) {
            counted.asked += 1;
            end = undisturbed(world, *mutation, &program).unwrap_or(Ok(Counted::default()));
        }
        if let Err(Stop::Diverged(found)) = &end
            && (looks_sampled(found)
                || looks_held(found)
                || looks_written_back(found, |fd| is_of_disk(world.as_ref(), fd)))
            && (0..TRIES).any(|_| once(world, *mutation, &program).is_ok())
        {
            counted.asked += 1;
            end = Ok(Counted::default());
        }
        Ok(Ran { direction: Direction::TopDown, program, counted, seen: Seen::default(), end })
    }

    fn again(&mut self, (): (), program: &Program) -> Result<Counted, Stop> {
        once(&mut self.world, self.mutation, program)
    }
}

fn ready(world: &mut Option<World>, mutation: Option<Mutation>) -> Result<&mut World, FuzzError> {
    match world {
        Some(world) => Ok(world),
        None => Ok(world.insert(World::start(mutation)?)),
    }
}

fn is_of_disk(world: Option<&World>, fd: Fd) -> bool {
    world.and_then(|world| world.file(fd)).is_some_and(|file| file.map.kind == FileKind::Regular)
}

fn once(world: &mut Option<World>, mutation: Option<Mutation>, program: &Program) -> Result<Counted, Stop> {
    let mut run = Run::start(ready(world, mutation)?, window_of(program))?;
    let lines = &mut program.lines.iter();
    let end = lines.try_for_each(|line| run.line(line.clone())).and_then(|()| run.finish());
    let unusable = matches!(end, Err(Stop::Failed(_)));
    if end.is_err() && (run.abandon().is_err() || unusable) {
        *world = None;
    }
    end
}

/// The window that a program was made for: the narrow one, in which more is compared, unless a line leaves it.
fn window_of(program: &Program) -> AddrRange {
    let beyond = AddrRange { start: WINDOW.end, end: WIDE.end };
    let is_beyond = |addr: VirtAddr| beyond.contains(addr);
    let leaves = program.lines.iter().any(|line| match line.act {
        Act::Call(call) => call.encode_x86_64().1.into_iter().any(|word| is_beyond(VirtAddr(word))),
        Act::Load(addr) | Act::Get(addr) | Act::Store(addr) | Act::Put(addr, _) | Act::Fetch(addr) => {
            is_beyond(addr)
        }
        _ => false,
    });
    if leaves { WIDE } else { WINDOW }
}

/// Runs a program until chance had no part in how it ends; `None`: it always had, and nothing is proved.
fn undisturbed(
    world: &mut Option<World>,
    mutation: Option<Mutation>,
    program: &Program,
) -> Option<Result<Counted, Stop>> {
    let window = window_of(program);
    (0..TRIES).find_map(|_| {
        let before = Chance::now(window);
        let end = once(world, mutation, program);
        let is_sure = !matches!(end, Err(Stop::Diverged(_))) || !before.had_its_way(window);
        is_sure.then_some(end)
    })
}
