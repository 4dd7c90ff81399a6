//! Every program that once diverged agrees now.

use std::fs;
use std::path::{Path, PathBuf};

use check::fuzz::{self, Depth, Direction, Flags, Pool, Program, Stop, Worlds};

/// Returns the programs of a folder, in the order of their names.
fn programs(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut paths: Vec<_> =
        fs::read_dir(folder).expect("the corpus").map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "prog"));
    paths.sort();
    paths
}

#[test]
fn every_program_with_contents_that_once_diverged_agrees() {
    let paths = programs("../../corpus/contents");
    assert!(paths.len() >= 5, "{} programs", paths.len());
    for path in paths {
        let text = fs::read_to_string(&path).expect("a program");
        let program = Program::parse(&text).unwrap_or_else(|what| panic!("{}: {what}", path.display()));
        match fuzz::replay_contents(&program, None) {
            Ok(counted) => assert!(counted.calls + counted.accesses > 0, "{} does nothing", path.display()),
            Err(Stop::Diverged(divergence)) => panic!("{}:\n{divergence}", path.display()),
            Err(Stop::Failed(error)) => panic!("{}: {error}", path.display()),
        }
    }
}

#[test]
fn every_program_that_once_diverged_agrees() {
    let paths = programs("../../corpus");
    assert!(paths.len() > 20, "{} programs", paths.len());
    let mut worlds = Worlds::default().with_pool(Pool::of_machine(1));
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
