//! The tests: built once, run by `cargo test`, counted from its summary lines.
//!
//! A test that cannot run here prints `SKIPPED: what, why`; those lines are counted. What a test that
//! passes says besides is left out; what a test that fails says is kept for the end, where it is found.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::Extent;
use crate::repo;

/// What the tests came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) skipped: Vec<String>,
    /// What the failed tests said, each under its name.
    pub(super) failures: Vec<String>,
    part: Part,
}

/// The part of one test program's output that is read.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// The names of the tests as they end, and what `cargo` says.
    #[default]
    Progress,
    Successes,
    Failures,
}

/// What is given to `cargo test`: everything, then what is off by default.
const RUNS: [&[&str]; 2] = [
    &["--workspace", "--no-fail-fast", "--"],
    &[
        "-p",
        "vmatlas-export",
        "-p",
        "vmatlas",
        "--features",
        "vmatlas/parquet",
        "--no-fail-fast",
        "parquet",
        "--",
    ],
];

/// Runs all tests and doctests, passing their output on.
pub(super) fn run(extent: Extent) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    for words in RUNS {
        run_some(words, extent, &mut outcome)?;
    }
    Ok(outcome)
}

fn run_some(words: &[&str], extent: Extent, outcome: &mut Outcome) -> Result<()> {
    let mut command = Command::new("cargo");
    // The output of tests that pass is needed for their SKIPPED lines.
    command.arg("test").args(words).arg("--show-output");
    command.current_dir(repo::root()).stdin(Stdio::null()).stdout(Stdio::piped());
    if extent == Extent::Full {
        command.env("VMATLAS_TESTS", "full");
    }
    let mut child = command.spawn().context("starting cargo test")?;
    let failed_before = outcome.failed;
    for line in BufReader::new(child.stdout.take().context("the output of cargo test")?).split(b'\n') {
        let line = line.context("reading the output of cargo test")?;
        let line = String::from_utf8_lossy(&line);
        if outcome.count(&line) == Shown::Yes {
            println!("{line}");
        }
    }
    let status = child.wait().context("waiting for cargo test")?;
    if !status.success() && outcome.failed == failed_before {
        // It did not build, or ended without a word.
        outcome.failed += 1;
    }
    Ok(())
}

#[derive(PartialEq, Eq)]
enum Shown {
    No,
    Yes,
}

impl Outcome {
    /// Takes one line of output into the counts and says whether a person wants to see it.
    fn count(&mut self, line: &str) -> Shown {
        if let Some(rest) = line.strip_prefix("test result: ") {
            self.passed += number_before(rest, " passed");
            self.failed += number_before(rest, " failed");
            self.part = Part::Progress;
            return Shown::No;
        }
        if let Some(skipped) = line.strip_prefix("SKIPPED: ") {
            self.skipped.push(skipped.to_string());
            return Shown::Yes;
        }
        match line {
            "successes:" => self.part = Part::Successes,
            "failures:" => self.part = Part::Failures,
            _ => return self.shown(line),
        }
        Shown::No
    }

    /// Says whether a person wants to see a line that is no summary, and keeps it if a test failed with it.
    fn shown(&mut self, line: &str) -> Shown {
        if line.is_empty() {
            return Shown::No;
        }
        match self.part {
            Part::Progress if line.ends_with("... ok") || line.starts_with("running ") => Shown::No,
            Part::Progress => Shown::Yes,
            Part::Successes => Shown::No,
            Part::Failures => {
                self.failures.push(line.to_string());
                Shown::Yes
            }
        }
    }
}

fn number_before(text: &str, word: &str) -> usize {
    let before = text.split(word).next().unwrap_or_default();
    before.rsplit(' ').next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_and_skips_are_counted() {
        let mut outcome = Outcome::default();
        outcome.count("test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out");
        outcome.count("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out");
        outcome.count("SKIPPED: java, no java here");
        let skipped = vec!["java, no java here".to_string()];
        assert_eq!(outcome, Outcome { passed: 15, failed: 2, skipped, ..Outcome::default() });
    }

    #[test]
    fn what_failed_tests_say_is_kept() {
        let mut outcome = Outcome::default();
        for line in [
            "running 2 tests",
            "test a ... ok",
            "test b ... FAILED",
            "successes:",
            "---- a stdout ----",
            "thread 'a' panicked as it should",
            "successes:",
            "    a",
            "failures:",
            "---- b stdout ----",
            "thread 'b' panicked",
            "",
            "failures:",
            "    b",
            "test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out",
            "     Running unittests src/lib.rs",
        ] {
            outcome.count(line);
        }
        assert_eq!(outcome.failures, ["---- b stdout ----", "thread 'b' panicked", "    b"]);
        assert_eq!((outcome.passed, outcome.failed), (1, 1));
    }
}
