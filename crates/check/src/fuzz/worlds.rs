//! The worlds that one thread runs programs of calls in.

use mm::Mutation;

use super::course::Running;
use super::error::FuzzError;
use super::line::Program;
use super::origin::Direction;
use super::pool::{Greed, Pool};
use super::run::{Counted, Depth, Run, Stop};
use super::world::World;

/// The worlds of one thread, each started when it is first wanted.
#[derive(Default)]
pub struct Worlds {
    top_down: Option<World>,
    bottom_up: Option<World>,
    mutation: Option<Mutation>,
    pool: Pool,
    greed: Greed,
}

impl Worlds {
    /// Makes worlds whose twins have a rule changed.
    pub fn of(mutation: Option<Mutation>) -> Self {
        Self { mutation, ..Self::default() }
    }

    /// Makes worlds whose programs may have a part of the pool of huge pages.
    #[must_use]
    pub fn with_pool(self, pool: Pool) -> Self {
        Self { pool, ..self }
    }

    /// Makes worlds whose programs may use the pool up: each is alone with it.
    #[must_use]
    pub fn using_up(self) -> Self {
        Self { greed: Greed::All, ..self }
    }

    /// Returns the huge pages that programs may have.
    pub(crate) fn pool(&self) -> Pool {
        self.pool
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
        let (mutation, pool) = (self.mutation, self.pool);
        let slot = self.slot(direction);
        match slot {
            Some(world) => Ok(world),
            None => Ok(slot.insert(World::start(direction, mutation, pool)?)),
        }
    }

    /// Gives back what a program left in the pool.
    ///
    /// # Errors
    /// If a file can't be given its size.
    pub(crate) fn tidy(&mut self, direction: Direction) -> Result<(), FuzzError> {
        self.slot(direction).as_mut().map_or(Ok(()), World::reset_files)
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
        self.replay_with(self.greed, direction, depth, program)
    }

    /// The same where the program may have so much of the pool.
    pub(crate) fn replay_with(
        &mut self,
        greed: Greed,
        direction: Direction,
        depth: Depth,
        program: &Program,
    ) -> Result<Counted, Stop> {
        let _hold = self.pool.hold(greed);
        let world = self.world(direction)?;
        let Program { privilege, lines } = program;
        let mut run = Run::start(world, *privilege, depth)?.with_greed(greed);
        let end = lines.iter().try_for_each(|line| run.line(line.clone())).and_then(|()| run.finish());
        let unusable = matches!(end, Err(Stop::Failed(_)));
        if end.is_err() && (run.abandon().is_err() || unusable) {
            self.drop_world(direction);
        }
        self.tidy(direction)?;
        end
    }
}
