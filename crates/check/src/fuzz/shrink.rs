//! Makes a program that diverges shorter for as long as it diverges alike.

use super::divergence::Divergence;
use super::line::Program;
use super::run::{Counted, Stop};

/// Tries at most so many shorter programs.
const TRIES_MAX: usize = 3000;

/// Returns the shortest program found that diverges alike when it is `run`, with its divergence: many lines at once are
/// left out first.
pub fn shrink(
    program: Program,
    divergence: Divergence,
    mut run: impl FnMut(&Program) -> Result<Counted, Stop>,
) -> (Program, Divergence) {
    let likeness = divergence.likeness();
    let mut alike = |shorter: &Program| match run(shorter) {
        Err(Stop::Diverged(found)) if found.likeness() == likeness => Some(*found),
        _ => None,
    };
    let (mut best, mut shown) = (program, divergence);
    if let Some(lines) = best.lines.get(..=shown.at) {
        let shorter = Program { lines: lines.to_vec(), privilege: best.privilege };
        if let Some(found) = alike(&shorter) {
            (best, shown) = (shorter, found);
        }
    }
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
            match alike(&shorter) {
                Some(found) => (best, shown, is_shorter) = (shorter, found, true),
                None => at += chunk,
            }
        }
        chunk = if is_shorter && chunk == 1 { 1 } else { chunk / 2 };
    }
    (best, shown)
}

#[cfg(test)]
mod tests {
    use abi::VirtAddr;

    use super::*;
    use crate::fuzz::divergence::What;
    use crate::fuzz::line::{Act, Line, Privilege};

    /// Differs at the first line that loads 11 after one that loads 3.
    fn run(program: &Program) -> Result<Counted, Stop> {
        let place = |addr| {
            program.lines.iter().position(|line| matches!(line.act, Act::Load(found) if found.0 == addr))
        };
        let both = place(3).zip(place(11));
        let Some((_, at)) = both.filter(|(first, at)| first < at) else {
            return Ok(Counted::default());
        };
        let text = String::new;
        Err(Stop::Diverged(Box::new(Divergence {
            lines: program.lines[..=at].to_vec(),
            at,
            what: What::Map,
            twin: text(),
            kernel: text(),
            why: text(),
            twin_map: text(),
            kernel_map: text(),
        })))
    }

    #[test]
    fn only_the_lines_that_it_takes_are_left() {
        let line = |addr| Line { who: 0, act: Act::Load(VirtAddr(addr)) };
        let program = Program { privilege: Privilege::Kept, lines: (0..20).map(line).collect() };
        let Err(Stop::Diverged(found)) = run(&program) else { panic!("it diverges") };
        let (shortest, shown) = shrink(program, *found, run);
        assert_eq!(shortest.lines, [line(3), line(11)]);
        assert_eq!((shown.lines, shown.at), (shortest.lines, 1));
    }
}
