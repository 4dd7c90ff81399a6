//! How many bytes an event takes in the file.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::contender::run;
use super::{Bench, loop_case};

/// Rounds of the loop whose recording has more than a million events: two calls and a fault each.
const TIMES: u32 = 400_000;

/// The size of a recording.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Its bytes.
    pub bytes: u64,
    /// Its events.
    pub events: u64,
}

/// The sizes of a long recording and of the same program doing nothing: what every recording has.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// The fixed part: header, maps, objects.
    pub fixed: Size,
    /// The long one.
    pub long: Size,
}

impl Sizes {
    /// The bytes that each further event takes.
    pub fn bytes_per_event(&self) -> f64 {
        let (long, fixed) = (self.long, self.fixed);
        long.bytes.saturating_sub(fixed.bytes) as f64 / long.events.saturating_sub(fixed.events).max(1) as f64
    }
}

/// Records the loop with every fault, long and not at all.
pub fn measure(bench: &Bench) -> Result<Sizes> {
    let size = |times| {
        let mut words: Vec<_> = vec![bench.vmatlas.clone().into_os_string()];
        let flags = ["record", "-q", "--no-report", "--force", "--faults", "1", "-o"];
        words.extend(flags.iter().map(Into::into));
        words.extend([bench.recording().into_os_string(), "--".into()]);
        words.extend(loop_case::program(&bench.scratch.0, times)?.words);
        let outcome = run(bench, &words, None)?;
        ensure!(outcome.status.success(), "recording the loop: {}", outcome.status);
        of_last(bench)
    };
    Ok(Sizes { fixed: size(0)?, long: size(TIMES)? })
}

/// The size of the recording made last.
pub fn of_last(bench: &Bench) -> Result<Size> {
    let output = Command::new(&bench.vmatlas).arg("report").arg("--json").arg(bench.recording()).output()?;
    ensure!(output.status.success(), "vmatlas report: {}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).context("the report's JSON")?;
    let number =
        |name: &str| report["recording"][name].as_u64().with_context(|| format!("no recording.{name}"));
    Ok(Size { bytes: number("bytes")?, events: number("events")? })
}
