//! Many programs on several threads, until the time is over.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mm::Mutation;

use super::divergence::Divergence;
use super::error::FuzzError;
use super::generate::Generator;
use super::line::{Privilege, Program};
use super::origin::Direction;
use super::rng::Rng;
use super::run::{Counted, Depth, Flags, Run, Stop};
use super::seen::Seen;
use super::shrink;
use super::world::World;

/// What to do.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Every program follows from it and its number.
    pub seed: u64,
    /// How long.
    pub time: Duration,
    /// How many threads.
    pub threads: usize,
    /// The number of the first program.
    pub first: u64,
    /// How many programs at most.
    pub programs: u64,
    /// After how many different divergences to stop.
    pub divergences_max: usize,
    /// The rule of the twin that is changed.
    pub mutation: Option<Mutation>,
    /// Whether programs that diverge are made shorter.
    pub shorten: Shorten,
}

/// Whether programs that diverge are made shorter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shorten {
    /// They are.
    Yes,
    /// They are reported as they are.
    No,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// What was done on both sides.
    pub counted: Counted,
    /// Which calls, flags and refusals that was.
    pub seen: Seen,
    /// Programs.
    pub programs: u64,
    /// Programs that diverged.
    pub divergences: u64,
    /// Programs that could not be run to their end, with why.
    pub failures: Vec<(u64, String)>,
}

/// A program that diverged, shrunk.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Its number.
    pub index: u64,
    /// The layout that it ran in.
    pub direction: Direction,
    /// The shortest program found that diverges alike.
    pub program: Program,
    /// How it diverges.
    pub divergence: Divergence,
}

/// Returns the layout that a program of this number runs in.
pub fn direction_of(index: u64) -> Direction {
    if index % 8 == 7 { Direction::BottomUp } else { Direction::TopDown }
}

/// Tells whether a program of this number runs near the limit of the count of mappings.
fn is_crowded(index: u64) -> bool {
    index % CROWDED_EVERY == 97
}

/// One in so many programs runs near the limit of the count of mappings: it takes as long as hundreds of others.
const CROWDED_EVERY: u64 = 1000;

/// How deep a program of this number is compared: the flags of smaps now and then, as they take time.
fn depth_of(seed: u64, index: u64) -> Depth {
    if is_crowded(index) {
        return Depth { every: u32::MAX, flags: Flags::Never };
    }
    let flags = match Rng::new(seed ^ 0x5bd1_e995, index).below(32) {
        0 => Flags::Always,
        1..4 => Flags::AtEnd,
        _ => Flags::Never,
    };
    Depth { every: 1, flags }
}

/// Runs programs and hands each new kind of divergence, shrunk, to `report`.
///
/// # Errors
/// If no program could be run at all.
pub fn run(plan: &Plan, report: &(dyn Fn(&Finding) + Sync)) -> Result<Summary, FuzzError> {
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
        let mut worlds = Worlds::of(self.plan.mutation);
        while Instant::now() < self.until && !self.is_enough() {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            if index - self.plan.first >= self.plan.programs {
                break;
            }
            self.program(&mut worlds, index)?;
        }
        Ok(())
    }

    fn is_enough(&self) -> bool {
        let known = self.known.lock().map_or(0, |known| known.len());
        let failures = self.summary.lock().map_or(0, |summary| summary.failures.len());
        known >= self.plan.divergences_max || failures >= FAILURES_MAX
    }

    fn program(&self, worlds: &mut Worlds, index: u64) -> Result<(), FuzzError> {
        let direction = direction_of(index);
        let mut generator = Generator::new(self.plan.seed, index);
        let privilege = generator.privilege();
        let depth = depth_of(self.plan.seed, index);
        let world = worlds.world(direction)?;
        let mut run = Run::start(world, privilege, depth)?;
        let crowd = is_crowded(index).then(|| generator.crowd(&run));
        let begun = crowd.map_or(Ok(()), |line| run.line(line));
        let end = begun.and_then(|()| generator.drive(&mut run)).and_then(|()| run.finish());
        let (counted, program, seen) = (run.counted, run.program(), std::mem::take(&mut run.seen));
        if end.is_err() && run.abandon().is_err() {
            worlds.drop_world(direction);
        }
        if let Ok(mut summary) = self.summary.lock() {
            summary.programs += 1;
            summary.counted.add(counted);
            summary.seen.add(&seen);
            match &end {
                Err(Stop::Diverged(_)) => summary.divergences += 1,
                Err(Stop::Failed(error)) => {
                    worlds.drop_world(direction);
                    summary.failures.push((index, error.to_string()));
                }
                Ok(_) => {}
            }
        }
        if let Err(Stop::Diverged(divergence)) = end {
            let is_new = self.known.lock().is_ok_and(|mut known| known.insert(divergence.likeness()));
            if is_new {
                let (program, divergence) = match self.plan.shorten {
                    Shorten::Yes => shrink::shrink(worlds, direction, depth, program, *divergence),
                    Shorten::No => (program, *divergence),
                };
                (self.report)(&Finding { index, direction, program, divergence });
            }
        }
        Ok(())
    }
}

/// Programs that could not be run: after so many something is wrong with the harness or the machine.
pub(crate) const FAILURES_MAX: usize = 20;

/// The worlds of one thread, each started when it is first wanted.
#[derive(Default)]
pub struct Worlds {
    top_down: Option<World>,
    bottom_up: Option<World>,
    mutation: Option<Mutation>,
}

impl Worlds {
    /// Makes worlds whose twins have a rule changed.
    pub fn of(mutation: Option<Mutation>) -> Self {
        Self { mutation, ..Self::default() }
    }

    fn slot(&mut self, direction: Direction) -> &mut Option<World> {
        match direction {
            Direction::TopDown => &mut self.top_down,
            Direction::BottomUp => &mut self.bottom_up,
        }
    }

    /// Returns the world of a layout.
    ///
    /// # Errors
    /// If it can't be started.
    pub fn world(&mut self, direction: Direction) -> Result<&mut World, FuzzError> {
        let mutation = self.mutation;
        let slot = self.slot(direction);
        match slot {
            Some(world) => Ok(world),
            None => Ok(slot.insert(World::start(direction, mutation)?)),
        }
    }

    /// Lets go of a world whose processes are in an unknown state.
    pub fn drop_world(&mut self, direction: Direction) {
        *self.slot(direction) = None;
    }

    /// Runs a program whose lines are known.
    ///
    /// # Errors
    /// What stopped it.
    pub fn replay(&mut self, direction: Direction, depth: Depth, program: &Program) -> Result<Counted, Stop> {
        let world = self.world(direction)?;
        let Program { privilege, lines } = program;
        let mut run = Run::start(world, *privilege, depth)?;
        let end = lines.iter().try_for_each(|line| run.line(line.clone())).and_then(|()| run.finish());
        let unusable = matches!(end, Err(Stop::Failed(_)));
        if end.is_err() && (run.abandon().is_err() || unusable) {
            self.drop_world(direction);
        }
        end
    }
}

/// Runs one program of a seed again and returns its text, for those who want to see it.
///
/// # Errors
/// If it can't be run.
pub fn program_text(seed: u64, index: u64) -> Result<Program, FuzzError> {
    let mut worlds = Worlds::default();
    let mut generator = Generator::new(seed, index);
    let privilege = generator.privilege();
    let world = worlds.world(direction_of(index))?;
    let mut run = Run::start(world, privilege, depth_of(seed, index))?;
    let crowd = is_crowded(index).then(|| generator.crowd(&run));
    let _crowded = crowd.map(|line| run.line(line));
    let _however_it_ends = generator.drive(&mut run).and_then(|()| run.finish());
    let program = run.program();
    let _origin_is_of_no_more_use = run.abandon();
    Ok(program)
}

impl Default for Plan {
    /// A minute on one thread.
    fn default() -> Self {
        Self {
            seed: 1,
            time: Duration::from_secs(60),
            threads: 1,
            first: 0,
            programs: u64::MAX,
            divergences_max: 20,
            mutation: None,
            shorten: Shorten::Yes,
        }
    }
}

impl Default for Program {
    fn default() -> Self {
        Self { privilege: Privilege::Kept, lines: Vec::new() }
    }
}
