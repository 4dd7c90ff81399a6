//! `cargo xtask fuzz-kernel`, `fuzz-contents`, `small-world` and `mutants`: the differential fuzzer, built for speed.

use anyhow::Result;

use crate::shell::Command;

/// Where programs that diverged are saved.
const FOUND: &str = "corpus/found";

/// Runs random programs on the kernel and on the twin.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let corpus = ["--corpus".to_string(), FOUND.to_string()];
    fuzzer("", "fuzz").args(args).args(&corpus).run()
}

/// Runs random programs with contents on the kernel and on the twin.
pub(crate) fn contents(args: &[String]) -> Result<()> {
    let corpus = ["--corpus".to_string(), FOUND.to_string()];
    fuzzer("", "contents").args(args).args(&corpus).run()
}

/// Runs every program of a few calls in a small world on both.
pub(crate) fn small_world(args: &[String]) -> Result<()> {
    fuzzer("", "small-world").args(args).run()
}

/// Runs random programs against twins with one rule changed: each must be caught, some by the script of the case too.
pub(crate) fn mutants(args: &[String]) -> Result<()> {
    fuzzer("--features mutants", "mutants").args(args).run()?;
    // Those that no campaign can show, and those that a script shows again.
    Command::words("cargo test --quiet --package vmatlas-mm --features mutants --lib").run()?;
    let scripts = "cargo test --quiet --package vmatlas-lab --features mutants --test fuzz_cases";
    Command::words(scripts).run()?;
    // And that `vmatlas check` notices too.
    Command::words("cargo test --quiet --package vmatlas --features mutants --test it -- mutants::").run()
}

fn fuzzer(features: &str, verb: &str) -> Command {
    let cargo = "cargo run --quiet --release --package vmatlas-check --example fuzz_kernel";
    Command::words(&format!("{cargo} {features} -- {verb}"))
}
