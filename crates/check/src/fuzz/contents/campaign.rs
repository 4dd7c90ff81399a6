//! Many programs with contents on several threads, until the time is over; the shortest form of those that diverge.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use abi::{AddrRange, VirtAddr};
use mm::Mutation;

use super::chance::Chance;
use super::generate::Generator;
use super::run::Run;
use super::world::{WIDE, WINDOW, World};
use crate::fuzz::campaign::{FAILURES_MAX, Finding, Plan, Shorten, Summary};
use crate::fuzz::divergence::Divergence;
use crate::fuzz::error::FuzzError;
use crate::fuzz::line::{Act, Privilege, Program};
use crate::fuzz::origin::Direction;
use crate::fuzz::run::{Counted, Stop};

/// Runs programs and hands each new kind of divergence, made short, to `report`.
///
/// # Errors
/// If no program could be run at all.
pub fn run_contents(plan: &Plan, report: &(dyn Fn(&Finding) + Sync)) -> Result<Summary, FuzzError> {
    let shared = Shared {
        plan,
        until: Instant::now() + plan.time,
        next: AtomicU64::new(plan.first),
        summary: Mutex::default(),
        known: Mutex::default(),
        report,
    };
    let first = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..plan.threads).map(|_| scope.spawn(|| shared.work())).collect();
        let ends = workers.into_iter().map(|worker| worker.join());
        ends.filter_map(|end| end.ok().and_then(Result::err)).next()
    });
    match first {
        Some(error) => Err(error),
        None => Ok(shared.summary.into_inner().unwrap_or_default()),
    }
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

struct Shared<'a> {
    plan: &'a Plan,
    until: Instant,
    next: AtomicU64,
    summary: Mutex<Summary>,
    known: Mutex<BTreeSet<String>>,
    report: &'a (dyn Fn(&Finding) + Sync),
}

impl Shared<'_> {
    fn work(&self) -> Result<(), FuzzError> {
        let mut world = None;
        while Instant::now() < self.until && !self.is_enough() {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            if index - self.plan.first >= self.plan.programs {
                break;
            }
            self.program(&mut world, index)?;
        }
        Ok(())
    }

    fn is_enough(&self) -> bool {
        let known = self.known.lock().map_or(0, |known| known.len());
        let failures = self.summary.lock().map_or(0, |summary| summary.failures.len());
        known >= self.plan.divergences_max || failures >= FAILURES_MAX
    }

    fn program(&self, world: &mut Option<World>, index: u64) -> Result<(), FuzzError> {
        let mutation = self.plan.mutation;
        let mut generator = Generator::new(self.plan.seed, index);
        let before = Chance::now(generator.window);
        let mut run = match Run::start(ready(world, mutation)?, generator.window) {
            Ok(run) => run,
            Err(Stop::Failed(error)) => return Err(error),
            Err(Stop::Diverged(found)) => return Err(FuzzError::Setup(found.to_string())),
        };
        let mut end = generator.drive(&mut run).and_then(|()| run.finish());
        let (mut counted, program) = (run.counted, run.program());
        counted.asked += run.system.huge_asked();
        let is_good = end.is_ok() || run.abandon().is_ok();
        if !is_good || matches!(end, Err(Stop::Failed(_))) {
            *world = None;
        }
        if matches!(end, Err(Stop::Diverged(_))) && Chance::now(generator.window) != before {
            counted.asked += 1;
            end = undisturbed(world, mutation, &program).unwrap_or(Ok(Counted::default()));
        }
        if let Ok(mut summary) = self.summary.lock() {
            summary.programs += 1;
            summary.counted.add(counted);
            match &end {
                Err(Stop::Diverged(_)) => summary.divergences += 1,
                Err(Stop::Failed(error)) => summary.failures.push((index, error.to_string())),
                Ok(_) => {}
            }
        }
        if let Err(Stop::Diverged(divergence)) = end {
            let is_new = self.known.lock().is_ok_and(|mut known| known.insert(divergence.likeness()));
            if is_new {
                let (program, divergence) = match self.plan.shorten {
                    Shorten::Yes => shortened(world, mutation, program, *divergence),
                    Shorten::No => (program, *divergence),
                };
                (self.report)(&Finding { index, direction: Direction::TopDown, program, divergence });
            }
        }
        Ok(())
    }
}

fn ready(world: &mut Option<World>, mutation: Option<Mutation>) -> Result<&mut World, FuzzError> {
    match world {
        Some(world) => Ok(world),
        None => Ok(world.insert(World::start(mutation)?)),
    }
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
        let is_sure = !matches!(end, Err(Stop::Diverged(_))) || Chance::now(window) == before;
        is_sure.then_some(end)
    })
}

/// Leaves out lines, many at once first, for as long as what is left diverges alike.
fn shortened(
    world: &mut Option<World>,
    mutation: Option<Mutation>,
    mut program: Program,
    mut divergence: Divergence,
) -> (Program, Divergence) {
    let likeness = divergence.likeness();
    let mut chunk = program.lines.len() / 2;
    while chunk > 0 {
        let mut at = 0;
        let mut shorter = false;
        while at < program.lines.len() {
            let end = (at + chunk).min(program.lines.len());
            let lines = [&program.lines[..at], &program.lines[end..]].concat();
            let tried = Program { privilege: Privilege::Kept, lines };
            match once(world, mutation, &tried) {
                Err(Stop::Diverged(found)) if found.likeness() == likeness => {
                    (program, divergence, shorter) = (tried, *found, true);
                }
                _ => at = end,
            }
        }
        chunk = if chunk == 1 && shorter { 1 } else { chunk / 2 };
    }
    (program, divergence)
}
