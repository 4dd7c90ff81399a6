//! The steps beside the tests.

use anyhow::{Context, Result};

use super::Extent;
use crate::shell::Command;
use crate::verbs;

/// One step: its name and what it does.
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) run: Box<dyn Fn() -> Result<()>>,
}

/// Returns the steps of this extent, in order.
pub(super) fn all(extent: Extent) -> Vec<Step> {
    let mut steps = vec![
        command("fmt", "cargo fmt --all --check", None),
        command("clippy", "cargo clippy --quiet --workspace --all-targets -- -D warnings", None),
        command(
            "doc",
            "cargo doc --quiet --workspace --no-deps --document-private-items",
            Some(("RUSTDOCFLAGS", "-D warnings -A rustdoc::private_intra_doc_links")),
        ),
        verb("tidy", &[]),
        command(
            "clippy with the features",
            "cargo clippy --quiet -p vmatlas-export -p vmatlas --features vmatlas/parquet,vmatlas/mutants --all-targets -- -D warnings",
            None,
        ),
    ];
    if extent != Extent::Smoke {
        let seconds = if extent == Extent::Full { "1200" } else { "60" };
        steps.extend(existing_verb("codegen", &["--check"]));
        steps.extend(existing_verb("small-world", &[]));
        steps.extend(existing_verb("fuzz-kernel", &["--seconds", seconds]));
        let seconds = if extent == Extent::Full { "600" } else { "30" };
        steps.extend(existing_verb("fuzz-contents", &["--seconds", seconds]));
        steps.extend(existing_verb("mutants", &[]));
        // The first program whose maps are too many for a debug build comes later.
        steps.extend(existing_verb("fuzz-check", &["--seconds", "60", "--programs", "60"]));
    }
    steps
}

fn command(name: &'static str, line: &'static str, env: Option<(&'static str, &'static str)>) -> Step {
    let run = move || {
        let command = Command::words(line);
        env.into_iter().fold(command, |command, (name, value)| command.env(name, value)).run()
    };
    Step { name, run: Box::new(run) }
}

fn existing_verb(name: &'static str, args: &[&str]) -> Option<Step> {
    verbs::find(name).map(|_| verb(name, args))
}

fn verb(name: &'static str, args: &[&str]) -> Step {
    let args: Vec<String> = args.iter().map(ToString::to_string).collect();
    let run = move || (verbs::find(name).context("no such verb")?.run)(&args);
    Step { name, run: Box::new(run) }
}
