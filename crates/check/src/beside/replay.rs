//! Programs of divergences, run again and made shorter.

use mm::Mutation;

use crate::fuzz::{Depth, Direction, Divergence, Flags, FuzzError, Program, Stop, Worlds, shorten};

/// Everything is compared after every line.
const DEPTH: Depth = Depth { every: 1, flags: Flags::AtEnd };

/// What a program showed when it ran on the kernel and on the twin.
#[derive(Debug)]
pub enum Replayed {
    /// Both did the same.
    Same,
    /// They differ.
    Differs(Box<Divergence>),
}

/// Runs a program on the kernel and on the twin, in which a rule may be changed on purpose.
///
/// # Errors
/// If it can't be run.
pub fn replay(program: &Program, defect: Option<Mutation>) -> Result<Replayed, FuzzError> {
    match Worlds::of(defect).replay(Direction::TopDown, DEPTH, program) {
        Ok(_) => Ok(Replayed::Same),
        Err(Stop::Diverged(found)) => Ok(Replayed::Differs(found)),
        Err(Stop::Failed(error)) => Err(error),
    }
}

/// The shortest program found that still diverges as the given one does; `None` where that one does not.
///
/// # Errors
/// If it can't be run.
pub fn shortest(
    program: Program,
    defect: Option<Mutation>,
) -> Result<Option<(Program, Divergence)>, FuzzError> {
    let mut worlds = Worlds::of(defect);
    match worlds.replay(Direction::TopDown, DEPTH, &program) {
        Ok(_) => Ok(None),
        Err(Stop::Diverged(found)) => {
            let run = |shorter: &Program| worlds.replay(Direction::TopDown, DEPTH, shorter);
            Ok(Some(shorten(program, *found, run)))
        }
        Err(Stop::Failed(error)) => Err(error),
    }
}
