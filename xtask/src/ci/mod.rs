//! `cargo xtask ci [smoke|full]`: everything that must hold before a change lands.
//!
//! Every step runs even if one before it failed. The end is the tests' own summary line and a plain
//! `N passed, N failed`. With `CI=true` a test that was skipped for want of a program counts as failed.

mod needs;
mod steps;
mod tests_step;

use std::time::Instant;

use anyhow::{Result, bail};

use self::tests_step::Outcome;

/// How much is run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// What a person waits for before a commit: no fuzzing, no long tests.
    Smoke,
    /// Within 20 minutes on two processors; what CI runs.
    Test,
    /// With the long tests and long fuzzing.
    Full,
}

/// Runs the steps and says how many passed.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let extent = match args {
        [] => Extent::Test,
        [one] if one == "smoke" => Extent::Smoke,
        [one] if one == "full" => Extent::Full,
        _ => bail!("ci takes smoke, full or nothing, not {args:?}"),
    };
    let begin = Instant::now();
    let missing = needs::install();
    let mut failed_steps = Vec::new();
    for step in steps::all(extent) {
        println!("== {}", step.name);
        let step_begin = Instant::now();
        if let Err(error) = (step.run)() {
            println!("== {} FAILED: {error:#}", step.name);
            failed_steps.push(step.name);
        }
        println!("== {} took {:.0} s", step.name, step_begin.elapsed().as_secs_f64());
    }
    println!("== tests");
    let outcome = tests_step::run(extent)?;
    conclude(&failed_steps, &missing, &outcome, begin)
}

/// Prints the closing lines; an error if anything failed.
fn conclude(failed_steps: &[&str], missing: &[String], outcome: &Outcome, begin: Instant) -> Result<()> {
    for line in &outcome.failures {
        println!("{line}");
    }
    for program in missing {
        println!("not installed: {program}");
    }
    for skipped in &outcome.skipped {
        println!("skipped: {skipped}");
    }
    println!("{} tests skipped, {:.0} s in all", outcome.skipped.len(), begin.elapsed().as_secs_f64());
    for step in failed_steps {
        println!("failed: {step}");
    }
    let on_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    let skips_count = if on_ci { outcome.skipped.len() } else { 0 };
    let failed = outcome.failed + failed_steps.len() + skips_count;
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    println!("test result: {verdict}. {} passed; {failed} failed; 0 ignored; 0 measured", outcome.passed);
    println!("{} passed, {failed} failed", outcome.passed);
    if failed > 0 {
        bail!("{failed} failed");
    }
    Ok(())
}
