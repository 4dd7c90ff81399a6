//! Ways to run a program: alone, recorded, and under the peers.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::Bench;
use super::programs::Program;

/// A way to run a program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Contender {
    /// As it is.
    Alone,
    /// `vmatlas record`, faults as by default.
    Recorded,
    /// `vmatlas record --faults off`.
    WithoutFaults,
    /// `vmatlas record --no-stacks`: measured where `--stacks` asks what call chains cost.
    WithoutStacks,
    /// `vmatlas record --no-stacks --faults off`: likewise.
    WithoutEither,
    /// `strace -f --seccomp-bpf -e trace=%memory`.
    Strace,
    /// `perf record -e page-faults -c 1 -g`.
    Perf,
}

/// How a run went.
pub struct Outcome {
    /// From start to end.
    pub took: Duration,
    /// How the command ended.
    pub status: ExitStatus,
}

impl Contender {
    /// Every one, the program alone first.
    pub const ALL: [Self; 7] = [
        Self::Alone,
        Self::Recorded,
        Self::WithoutStacks,
        Self::WithoutFaults,
        Self::WithoutEither,
        Self::Strace,
        Self::Perf,
    ];

    /// Its name in the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Alone => "alone",
            Self::Recorded => "vmatlas",
            Self::WithoutFaults => "vmatlas --faults off",
            Self::WithoutStacks => "vmatlas --no-stacks",
            Self::WithoutEither => "vmatlas --no-stacks --faults off",
            Self::Strace => "strace %memory",
            Self::Perf => "perf page-faults",
        }
    }

    /// Whether it is measured only where it is asked what call chains cost.
    pub const fn is_without_stacks(self) -> bool {
        matches!(self, Self::WithoutStacks | Self::WithoutEither)
    }

    /// Whether this machine has it.
    pub fn is_here(self) -> bool {
        let peer = match self {
            Self::Alone
            | Self::Recorded
            | Self::WithoutFaults
            | Self::WithoutStacks
            | Self::WithoutEither => return true,
            Self::Strace => "strace",
            Self::Perf => "perf",
        };
        let asked = Command::new(peer).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        asked.is_ok_and(|status| status.success())
    }

    fn prefix(self, bench: &Bench) -> Vec<OsString> {
        let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        let scratch = |name: &str| bench.scratch.0.join(name).into_os_string();
        match self {
            Self::Alone => Vec::new(),
            Self::Recorded | Self::WithoutFaults | Self::WithoutStacks | Self::WithoutEither => {
                let has_faults = matches!(self, Self::Recorded | Self::WithoutStacks);
                let faults = if has_faults { "auto" } else { "off" };
                let mut all = vec![bench.vmatlas.clone().into_os_string()];
                all.extend(words(&["record", "-q", "--no-report", "--force", "--faults", faults]));
                if self.is_without_stacks() {
                    all.push("--no-stacks".into());
                }
                all.push("-o".into());
                // The last one of those with everything stays, to be measured.
                all.push(if self == Self::Recorded {
                    bench.recording().into()
                } else {
                    scratch("other.vmatlas")
                });
                all.push("--".into());
                all
            }
            Self::Strace => {
                let mut all = words(&["strace", "-f", "--seccomp-bpf", "-e", "trace=%memory", "-o"]);
                all.push(scratch("strace.out"));
                all
            }
            Self::Perf => {
                let mut all = words(&["perf", "record", "-q", "-e", "page-faults", "-c", "1", "-g", "-o"]);
                all.extend([scratch("perf.data"), "--".into()]);
                all
            }
        }
    }

    /// Runs a program; what it prints goes nowhere.
    pub fn run(self, bench: &Bench, program: &Program) -> Result<Outcome> {
        let mut words = self.prefix(bench);
        words.extend(program.words.iter().cloned());
        run(bench, &words, program.input.as_deref().map(AsRef::as_ref))
    }
}

/// Runs a command in the scratch folder.
pub fn run(bench: &Bench, words: &[OsString], input: Option<&OsStr>) -> Result<Outcome> {
    let shown = || words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).current_dir(&bench.scratch.0).stdout(Stdio::null()).stderr(Stdio::null());
    command.env("LC_ALL", "C");
    command.stdin(match input {
        Some(path) => File::open(path).with_context(shown)?.into(),
        None => Stdio::null(),
    });
    let begin = Instant::now();
    let status = command.status().with_context(shown)?;
    Ok(Outcome { took: begin.elapsed(), status })
}
