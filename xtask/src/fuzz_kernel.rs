//! `cargo xtask fuzz-kernel`, `fuzz-contents`, `fuzz-check`, `small-world` and `mutants`: the differential fuzzer, built for
//! speed.

use std::path::PathBuf;

use anyhow::{Context, Result};

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

/// Runs the fuzzer itself under `vmatlas check`: no program is nastier, and both must find the twin right.
pub(crate) fn check(args: &[String]) -> Result<()> {
    Command::words("cargo build --quiet --release --package vmatlas-check --example fuzz_kernel").run()?;
    Command::words("cargo build --quiet --package vmatlas").run()?;
    let built = built()?;
    let path = |name: &str| built.join(name).display().to_string();
    let [vmatlas, fuzzer] = [path("debug/vmatlas"), path("release/examples/fuzz_kernel")];
    let words = ["check", "--", &fuzzer, "fuzz", "--threads", "1", "--corpus", FOUND].map(str::to_owned);
    Command::words(&vmatlas).args(&words).args(args).run()
}

/// Where cargo puts what it builds: this program is there too.
fn built() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    Ok(own.ancestors().nth(2).context("built by cargo")?.to_path_buf())
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
