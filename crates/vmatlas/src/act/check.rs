//! `vmatlas check -- CMD`.

use std::fs::File;
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use capture::{Command, Ended, RunError};
use check::beside::{self, Every};
use serde::Deserialize;

use crate::cli::CheckArgs;
use crate::exit::{DIVERGED, WithStatus};

/// What of the report the text shows.
#[derive(Deserialize)]
struct Found {
    kernel: String,
    calls: u64,
    predicted: u64,
    diverged: u64,
    maps_compared: u64,
    ranges_compared: u64,
    unmodelled: Vec<Unmodelled>,
    order_uncertain: u64,
    processes: u64,
    threads: u64,
    inputs: std::collections::BTreeMap<String, u64>,
    divergences: Vec<Divergence>,
}

#[derive(Deserialize)]
struct Unmodelled {
    call: String,
    count: u64,
}

#[derive(Deserialize)]
struct Divergence {
    text: String,
}

pub(crate) fn act(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let command = Command::find(&args.command)
        .map_err(|error| WithStatus { status: error.status(), message: error.to_string() })?;
    let every = args.every.map_or(Every::Adaptive, Every::Calls);
    let ended = beside::run(&command, every).map_err(|error| match error {
        RunError::Command(error) => {
            anyhow::Error::new(WithStatus { status: error.status(), message: error.to_string() })
        }
        RunError::Recording(text) => anyhow::anyhow!(text),
    })?;
    tell(args, &ended)
}

fn tell(args: &CheckArgs, ended: &Ended) -> anyhow::Result<ExitCode> {
    for trouble in &ended.troubles {
        writeln!(io::stderr(), "vmatlas: {trouble}")?;
    }
    let found: Found = serde_json::from_slice(&ended.found).context("the check ended without a report")?;
    let clean = found.diverged == 0 && found.unmodelled.is_empty();
    let mut text = if args.json { ended.found.clone() } else { text(&found, ended).into_bytes() };
    text.push(b'\n');
    match &args.report {
        Some(path) => {
            let shown = || path.display().to_string();
            File::create(path).and_then(|mut file| file.write_all(&text)).with_context(shown)?;
        }
        None if args.quiet && clean && !args.json => {}
        None => io::stderr().write_all(&text)?,
    }
    Ok(ExitCode::from(if clean { 0 } else { DIVERGED }))
}

fn text(found: &Found, ended: &Ended) -> String {
    let mut lines: Vec<String> =
        found.divergences.iter().map(|one| format!("diverged: {}", one.text)).collect();
    for one in &found.unmodelled {
        lines.push(format!("not modelled: {} ({})", one.call, one.count));
    }
    let inputs: Vec<String> = found.inputs.iter().map(|(name, count)| format!("{name} {count}")).collect();
    if !inputs.is_empty() {
        lines.push(format!("inputs read where no rule decides: {}", inputs.join(", ")));
    }
    if ended.left > 0 {
        lines.push(format!(
            "{} threads went on when the program ended: not checked from there on",
            ended.left
        ));
    }
    lines.push(format!(
        "twin: {}/{} calls identical to Linux {}, {} diverged; {} maps and {} ranges compared; {} processes, {} \
         threads; {} calls in uncertain order",
        found.predicted,
        found.calls,
        found.kernel,
        found.diverged,
        found.maps_compared,
        found.ranges_compared,
        found.processes,
        found.threads,
        found.order_uncertain,
    ));
    lines.join("\n")
}
