//! Many programs on several threads, until the time is over: what the fuzzers have in common.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mm::Mutation;

use super::divergence::Divergence;
use super::error::FuzzError;
use super::line::Program;
use super::origin::Direction;
use super::pool::Pool;
use super::run::{Counted, Stop};
use super::seen::Seen;
use super::shrink::shrink;

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
    /// The huge pages that the programs of a thread may have. Where there are none, a seed means the same programs as
    /// everywhere.
    pub pool: Pool,
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
            pool: Pool::default(),
        }
    }
}

/// What one thread runs the programs of a campaign in.
pub(super) trait Runner {
    /// How a program is run, where that follows from its number rather than from its lines.
    type Way: Copy;

    /// Returns how the program of a number is run.
    fn way(&self, seed: u64, index: u64) -> Self::Way;

    /// Makes the program of a number and runs it.
    ///
    /// # Errors
    /// If no program can be run.
    fn run(&mut self, seed: u64, index: u64) -> Result<Ran, FuzzError>;

    /// Runs a program whose lines are known.
    ///
    /// # Errors
    /// What stopped it.
    fn again(&mut self, way: Self::Way, program: &Program) -> Result<Counted, Stop>;
}

/// A program that was run.
pub(super) struct Ran {
    /// The layout it ran in.
    pub(super) direction: Direction,
    /// Its lines, up to where it was stopped.
    pub(super) program: Program,
    /// What was done on both sides.
    pub(super) counted: Counted,
    /// Which calls, flags and refusals that was.
    pub(super) seen: Seen,
    /// How it ended.
    pub(super) end: Result<Counted, Stop>,
}

/// Runs programs and hands each new kind of divergence, made short, to `report`.
///
/// # Errors
/// If no program could be run at all.
pub(super) fn run<R: Runner>(
    plan: &Plan,
    runner: impl Fn() -> R + Sync,
    report: &(dyn Fn(&Finding) + Sync),
) -> Result<Summary, FuzzError> {
    let shared = Shared {
        plan,
        until: Instant::now() + plan.time,
        next: AtomicU64::new(plan.first),
        summary: Mutex::default(),
        known: Mutex::default(),
        report,
    };
    let first = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..plan.threads).map(|_| scope.spawn(|| shared.work(runner()))).collect();
        let ends = workers.into_iter().map(|worker| worker.join());
        ends.filter_map(|end| end.ok().and_then(Result::err)).next()
    });
    match first {
        Some(error) => Err(error),
        None => Ok(shared.summary.into_inner().unwrap_or_default()),
    }
}

/// Programs that could not be run: after so many something is wrong with the harness or the machine.
const FAILURES_MAX: usize = 20;

struct Shared<'a> {
    plan: &'a Plan,
    until: Instant,
    next: AtomicU64,
    summary: Mutex<Summary>,
    known: Mutex<BTreeSet<String>>,
    report: &'a (dyn Fn(&Finding) + Sync),
}

impl Shared<'_> {
    fn work(&self, mut runner: impl Runner) -> Result<(), FuzzError> {
        while Instant::now() < self.until && !self.is_enough() {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            if index - self.plan.first >= self.plan.programs {
                break;
            }
            let ran = runner.run(self.plan.seed, index)?;
            self.count(index, &ran);
            if let Err(Stop::Diverged(divergence)) = ran.end {
                self.tell(&mut runner, index, ran.direction, ran.program, *divergence);
            }
        }
        Ok(())
    }

    fn is_enough(&self) -> bool {
        let known = self.known.lock().map_or(0, |known| known.len());
        let failures = self.summary.lock().map_or(0, |summary| summary.failures.len());
        known >= self.plan.divergences_max || failures >= FAILURES_MAX
    }

    fn count(&self, index: u64, ran: &Ran) {
        let Ok(mut summary) = self.summary.lock() else { return };
        summary.programs += 1;
        summary.counted.add(ran.counted);
        summary.seen.add(&ran.seen);
        match &ran.end {
            Err(Stop::Diverged(_)) => summary.divergences += 1,
            Err(Stop::Failed(error)) => summary.failures.push((index, error.to_string())),
            Ok(_) => {}
        }
    }

    fn tell<R: Runner>(
        &self,
        runner: &mut R,
        index: u64,
        direction: Direction,
        program: Program,
        divergence: Divergence,
    ) {
        let is_new = self.known.lock().is_ok_and(|mut known| known.insert(divergence.likeness()));
        if !is_new {
            return;
        }
        let (program, divergence) = match self.plan.shorten {
            Shorten::Yes => {
                let way = runner.way(self.plan.seed, index);
                shrink(program, divergence, |shorter| runner.again(way, shorter))
            }
            Shorten::No => (program, divergence),
        };
        (self.report)(&Finding { index, direction, program, divergence });
    }
}
