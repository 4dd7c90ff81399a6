//! The campaign of programs of calls: which program a number stands for, and how deep it is compared.

use super::campaign::{self, Finding, Plan, Ran, Runner, Summary};
use super::course::Running;
use super::error::FuzzError;
use super::generate::Generator;
use super::line::Program;
use super::origin::Direction;
use super::pool::{Greed, State};
use super::rng::Rng;
use super::run::{Counted, Depth, Flags, Run, Stop};
use super::worlds::Worlds;

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

/// Runs programs of calls and hands each new kind of divergence, made short, to `report`.
///
/// # Errors
/// If no program could be run at all.
pub fn run(plan: &Plan, report: &(dyn Fn(&Finding) + Sync)) -> Result<Summary, FuzzError> {
    campaign::run(plan, || Worlds::of(plan.mutation).with_pool(plan.pool), report)
}

impl Runner for Worlds {
    type Way = (Direction, Depth, Greed);

    fn way(&self, seed: u64, index: u64) -> Self::Way {
        let greed = if is_crowded(index) { Greed::Share } else { self.pool().greed(seed, index) };
        (direction_of(index), depth_of(seed, index), greed)
    }

    fn run(&mut self, seed: u64, index: u64) -> Result<Ran, FuzzError> {
        let (direction, depth, greed) = self.way(seed, index);
        let _hold = self.pool().hold(greed);
        let mut generator = Generator::new(seed, index, self.pool());
        let privilege = generator.privilege();
        let mut run = Run::start(self.world(direction)?, privilege, depth)?.with_greed(greed);
        let crowd = is_crowded(index).then(|| generator.crowd(&run));
        let hog = (greed == Greed::All).then(|| generator.hog(State::read().available()));
        let begun = crowd.or(hog).map_or(Ok(()), |line| run.line(line));
        let end = begun.and_then(|()| generator.drive(&mut run)).and_then(|()| run.finish());
        let (counted, program, seen) = (run.course.counted, run.program(), std::mem::take(&mut run.seen));
        let unusable = matches!(end, Err(Stop::Failed(_)));
        if end.is_err() && (run.abandon().is_err() || unusable) {
            self.drop_world(direction);
        }
        self.tidy(direction)?;
        Ok(Ran { direction, program, counted, seen, end })
    }

    fn again(&mut self, (direction, depth, greed): Self::Way, program: &Program) -> Result<Counted, Stop> {
        self.replay_with(greed, direction, depth, program)
    }
}

/// Runs one program of a seed again and returns its text, for those who want to see it.
///
/// # Errors
/// If it can't be run.
pub fn program_text(seed: u64, index: u64) -> Result<Program, FuzzError> {
    program_of(&Plan { seed, first: index, ..Plan::default() })
}

/// Runs the first program of a plan again and returns its text.
///
/// # Errors
/// If it can't be run.
pub fn program_of(plan: &Plan) -> Result<Program, FuzzError> {
    Ok(Worlds::of(plan.mutation).with_pool(plan.pool).run(plan.seed, plan.first)?.program)
}
