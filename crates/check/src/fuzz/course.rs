//! One program under way on both sides, whichever twin it runs on: its processes, its lines, what the kernel has still to
//! answer.

use live::{Live, Process};
use mm::Why;

use super::divergence::{Divergence, What};
use super::error::FuzzError;
use super::line::{Act, Line};
use super::run::{Counted, Stop};

/// A process of a program, on both sides.
pub(crate) trait Actor {
    /// The process on the kernel's side.
    fn process(&self) -> Process;
    /// The number of the process that forked it.
    fn parent(&self) -> usize;
}

/// How far a program has come.
pub(crate) struct Course<A, P> {
    /// The processes by number; `None`: gone.
    pub(crate) actors: Vec<Option<A>>,
    /// The lines so far.
    pub(crate) lines: Vec<Line>,
    /// What was done on both sides.
    pub(crate) counted: Counted,
    /// What the kernel has still to answer,
    pub(crate) pending: Vec<P>,
    /// and whose it is: the process that acted last.
    pub(crate) pending_of: usize,
}

impl<A: Actor, P> Course<A, P> {
    /// Begins with one process.
    pub(crate) fn of(actor: A) -> Self {
        Self {
            actors: vec![Some(actor)],
            lines: Vec::new(),
            counted: Counted::default(),
            pending: Vec::new(),
            pending_of: 0,
        }
    }

    /// Returns the processes that live, by number.
    pub(crate) fn living(&self) -> impl Iterator<Item = (usize, &A)> {
        self.actors.iter().enumerate().filter_map(|(who, actor)| Some((who, actor.as_ref()?)))
    }

    /// Tells whether a process has children that live.
    pub(crate) fn has_children(&self, who: usize) -> bool {
        self.living().any(|(other, actor)| other != who && actor.parent() == who)
    }

    /// Describes how twin and kernel differ at a line.
    pub(crate) fn divergence(
        &self,
        at: usize,
        what: What,
        twin: String,
        kernel: String,
        why: Why,
    ) -> Divergence {
        Divergence {
            lines: self.lines.clone(),
            at,
            what,
            twin,
            kernel,
            why: why.to_string(),
            twin_map: String::new(),
            kernel_map: String::new(),
        }
    }
}

/// A program under way: the twin goes ahead line by line, the kernel follows in batches.
pub(crate) trait Running: Sized {
    /// Its processes.
    type Actor: Actor;
    /// What the kernel has still to answer.
    type Pending;

    /// How far it has come.
    fn course(&mut self) -> &mut Course<Self::Actor, Self::Pending>;

    /// The kernel's side.
    fn live(&mut self) -> &mut Live;

    /// Does one line of a process on the twin and hands it to the kernel.
    fn act(&mut self, who: usize, act: Act) -> Result<(), Stop>;

    /// Lets the kernel do what it was handed if there is no room for more.
    fn make_room(&mut self, who: usize) -> Result<(), Stop>;

    /// Compares what the kernel has answered.
    fn compare(&mut self) -> Result<(), Stop>;

    /// Compares what is left of one process without children that live, and ends it.
    fn finish_one(&mut self, who: usize) -> Result<(), Stop>;

    /// Does one line. A line of a process that is gone does nothing.
    fn line(&mut self, line: Line) -> Result<(), Stop> {
        let who = line.who;
        if self.course().actors.get(who).is_none_or(Option::is_none) {
            return Ok(());
        }
        self.turn_to(who)?;
        self.make_room(who)?;
        self.course().lines.push(line.clone());
        self.act(who, line.act)
    }

    /// Lets the kernel finish with one process before another acts.
    fn turn_to(&mut self, who: usize) -> Result<(), Stop> {
        if self.course().pending_of != who {
            self.flush()?;
            self.course().pending_of = who;
        }
        Ok(())
    }

    /// Lets the kernel do what it was handed, and compares.
    fn flush(&mut self) -> Result<(), Stop> {
        let course = self.course();
        let acting = course.actors[course.pending_of].as_ref().map(Actor::process);
        if let (false, Some(process)) = (course.pending.is_empty(), acting) {
            self.live().run(process)?;
            self.compare()?;
        }
        Ok(())
    }

    /// Ends a process, unless it is the first or has children that live.
    fn exit(&mut self, who: usize) -> Result<(), Stop> {
        if who == 0 || self.course().has_children(who) {
            return Ok(());
        }
        self.finish_one(who)
    }

    /// Compares what is left, and ends every process.
    fn finish(&mut self) -> Result<Counted, Stop> {
        for who in (0..self.course().actors.len()).rev() {
            self.finish_one(who)?;
        }
        Ok(self.course().counted)
    }

    /// Ends every process of a run that stopped; an error says that the origin is of no more use.
    fn abandon(mut self) -> Result<(), FuzzError> {
        let actors = std::mem::take(&mut self.course().actors);
        for actor in actors.into_iter().rev().flatten() {
            self.live().finish(actor.process())?;
        }
        Ok(())
    }
}
