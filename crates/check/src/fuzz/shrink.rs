//! Makes a program that diverges shorter for as long as it diverges alike.

use super::campaign::Worlds;
use super::divergence::Divergence;
use super::line::Program;
use super::origin::Direction;
use super::run::{Depth, Stop};

/// Tries at most so many shorter programs.
const TRIES_MAX: usize = 3000;

/// Returns the shortest program found that diverges alike, with its divergence.
pub fn shrink(
    worlds: &mut Worlds,
    direction: Direction,
    depth: Depth,
    program: Program,
    divergence: Divergence,
) -> (Program, Divergence) {
    let likeness = divergence.likeness();
    let mut best =
        Program { lines: program.lines[..=divergence.at.min(program.lines.len() - 1)].to_vec(), ..program };
    let mut shown = divergence;
    let mut tries = 0;
    let mut chunk = best.lines.len().div_ceil(2);
    while chunk >= 1 && tries < TRIES_MAX {
        let mut at = 0;
        let mut is_shorter = false;
        while at < best.lines.len() && tries < TRIES_MAX {
            let mut lines = best.lines.clone();
            lines.drain(at..(at + chunk).min(lines.len()));
            let shorter = Program { lines, privilege: best.privilege };
            tries += 1;
            match worlds.replay(direction, depth, &shorter) {
                Err(Stop::Diverged(found)) if found.likeness() == likeness => {
                    best = shorter;
                    shown = *found;
                    is_shorter = true;
                }
                _ => at += chunk,
            }
        }
        chunk = if is_shorter && chunk == 1 { 1 } else { chunk / 2 };
    }
    (best, shown)
}
