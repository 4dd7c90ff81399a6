//! `map PID` beside `cat /proc/PID/smaps > /dev/null`, and on processes that are large in other ways.

mod guest;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};

pub use guest::become_guest;

use crate::clock::median;
use crate::{Options, Save};

/// Rounds in which all take their turn.
const ROUNDS: usize = 15;
/// The targets of the design, as ratios to `cat smaps`, and in seconds.
const FULL_MAX: f64 = 1.25;
const FAST_MAX: f64 = 0.5;
const SECONDS_MAX: f64 = 1.0;

/// Runs all rows.
pub fn run(options: &Options) -> Result<()> {
    let binary = binary()?;
    let mut text = String::from("| process | what | median | target |\n|---|---|---|---|\n");
    many_mappings(&binary, &mut text)?;
    for (name, words) in
        [("200 threads", ["threads", "200"]), ("100 GiB reserved, 8 GiB resident", ["large", "8"])]
    {
        let guest = Guest::start(&words)?;
        let seconds = timed(&mut [command(&binary, &["map", &guest.pid()])])?[0];
        text +=
            &format!("| {name} | `map PID` | {seconds:.3} s | {} |\n", verdict(seconds, SECONDS_MAX, " s"));
    }
    print!("{text}");
    if options.save == Save::Yes {
        let dir = crate::run_dir::create()?;
        std::fs::write(dir.join("map.md"), format!("# `cargo xtask bench map`\n\n{text}"))?;
    }
    Ok(())
}

fn many_mappings(binary: &Path, text: &mut String) -> Result<()> {
    let guest = Guest::start(&["mappings", "64000"])?;
    let pid = guest.pid();
    let smaps = format!("/proc/{pid}/smaps");
    let cat = || {
        let mut cat = Command::new("cat");
        cat.arg(&smaps);
        cat
    };
    let mut commands = [cat(), command(binary, &["map", &pid]), command(binary, &["map", &pid, "--fast"])];
    let times = timed(&mut commands)?;
    for (what, time, limit) in [
        ("`cat smaps > /dev/null`", times[0], None),
        ("`map PID`", times[1], Some(FULL_MAX)),
        ("`map --fast PID`", times[2], Some(FAST_MAX)),
    ] {
        let target = limit.map_or_else(String::new, |limit| verdict(time / times[0], limit, "×"));
        *text += &format!("| 64,000 mappings | {what} | {:.1} ms | {target} |\n", time * 1000.0);
    }
    Ok(())
}

fn verdict(reached: f64, limit: f64, unit: &str) -> String {
    let word = if reached <= limit { "met" } else { "MISSED" };
    format!("{reached:.2}{unit} of {limit}{unit}: {word}")
}

fn command(binary: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(binary);
    command.args(args);
    command
}

/// The median times in seconds of commands that take turns.
fn timed(commands: &mut [Command]) -> Result<Vec<f64>> {
    let mut times = vec![Vec::new(); commands.len()];
    for _ in 0..ROUNDS {
        for (command, times) in commands.iter_mut().zip(&mut times) {
            let begin = Instant::now();
            let status = command.stdout(Stdio::null()).status().context("running what is measured")?;
            ensure!(status.success(), "{command:?} ended with {status}");
            times.push(begin.elapsed().as_secs_f64());
        }
    }
    Ok(times.iter_mut().map(|times| median(times)).collect())
}

/// The release build beside this one, or the one that `VMATLAS_BIN` names.
pub fn binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("VMATLAS_BIN") {
        return Ok(path.into());
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the repository")?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let path = target.join("release/vmatlas");
    ensure!(path.exists(), "{} is not there: cargo build --release", path.display());
    Ok(path)
}

/// A process to look at; ended with the measurement.
pub struct Guest {
    child: Child,
}

impl Guest {
    /// Starts one, by the words that `become_guest` takes.
    pub fn start(words: &[&str]) -> Result<Self> {
        let own = std::env::current_exe().context("our own path")?;
        let mut child = Command::new(own).arg("map-guest").args(words).stdout(Stdio::piped()).spawn()?;
        let out = child.stdout.take().context("a pipe")?;
        let guest = Self { child };
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        ensure!(line == "ready\n", "the process to look at did not start: {line:?}");
        Ok(guest)
    }

    /// Its number.
    pub fn pid(&self) -> String {
        self.child.id().to_string()
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
