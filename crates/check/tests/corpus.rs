//! Every program that once diverged agrees now.

use std::fs;
use std::path::Path;

use check::fuzz::{Depth, Direction, Flags, Program, Stop, Worlds};

#[test]
fn every_program_that_once_diverged_agrees() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus");
    let mut paths: Vec<_> =
        fs::read_dir(folder).expect("the corpus").map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "prog"));
    paths.sort();
    assert!(paths.len() > 20, "{} programs", paths.len());
    let mut worlds = Worlds::default();
    let depth = Depth { every: 1, flags: Flags::Always };
    for path in paths {
        let text = fs::read_to_string(&path).expect("a program");
        let program = Program::parse(&text).unwrap_or_else(|what| panic!("{}: {what}", path.display()));
        let bottom_up = text.lines().any(|line| line == "# layout BottomUp");
        let direction = if bottom_up { Direction::BottomUp } else { Direction::TopDown };
        match worlds.replay(direction, depth, &program) {
            Ok(counted) => assert!(counted.calls + counted.accesses > 0, "{} does nothing", path.display()),
            Err(Stop::Diverged(divergence)) => panic!("{}:\n{divergence}", path.display()),
            Err(Stop::Failed(error)) => panic!("{}: {error}", path.display()),
        }
    }
}
