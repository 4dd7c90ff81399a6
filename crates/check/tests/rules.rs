//! The programs of `corpus/rules`, one for each rule of the kernel, on it and on the twin.

use std::path::{Path, PathBuf};

use check::fuzz::{Depth, Direction, Flags, Pool, Program, Stop, Worlds};

/// The rules of the kernel. Exec (E24) is no program of calls: what it maps is shown by files to execute, which
/// `crates/vmatlas/tests/it/execs.rs` makes from their descriptions and runs.
const RULES: std::ops::RangeInclusive<u32> = 1..=25;

fn files_of(begin: &str, end: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/rules");
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    let named = |file: &Path| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(begin));
    files.retain(|file| named(file) && file.extension().is_some_and(|found| found == end));
    files.sort();
    files
}

/// Runs a program on both; everything is compared after each line, unless tens of thousands of mappings are.
fn agree(worlds: &mut Worlds, file: &Path) {
    let text = std::fs::read_to_string(file).expect("a text");
    let program = Program::parse(&text).unwrap_or_else(|line| panic!("{}: {line}", file.display()));
    let every = if text.contains(" crowd ") { u32::MAX } else { 1 };
    match worlds.replay(Direction::TopDown, Depth { every, flags: Flags::AtEnd }, &program) {
        Ok(_) => {}
        Err(Stop::Diverged(found)) => panic!("{}: {found}", file.display()),
        Err(Stop::Failed(error)) => panic!("{}: {error}", file.display()),
    }
}

#[test]
fn every_rule_has_a_program_and_it_agrees() {
    let mut worlds = Worlds::default().with_pool(Pool::of_machine(1));
    for rule in RULES {
        let of_rule = files_of(&format!("e{rule:02}-"), if rule == 24 { "elf" } else { "prog" });
        assert!(!of_rule.is_empty(), "no program of E{rule}");
        if rule != 24 {
            of_rule.iter().for_each(|file| agree(&mut worlds, file));
        }
        println!("E{rule}: {} programs", of_rule.len());
    }
}
