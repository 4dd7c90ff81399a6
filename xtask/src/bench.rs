//! `cargo xtask bench VERB`: builds the bench workspace and the binary it measures, and runs one verb of it.

use anyhow::{Result, ensure};

use crate::shell::Command;

/// Runs `vmatlas-bench` with the arguments.
pub(crate) fn run(args: &[String]) -> Result<()> {
    ensure!(!args.is_empty(), "which part? e.g. `cargo xtask bench twin` (see bench/src/main.rs)");
    if matches!(args[0].as_str(), "record" | "map" | "view") {
        Command::words("cargo build --quiet --release --package vmatlas").run()?;
    }
    Command::words("cargo run --quiet --release --manifest-path bench/Cargo.toml --").args(args).run()
}
