//! The rows of `record`: whole programs alone, recorded, and under the peers, each in turn; the loop that is the
//! worst case for a tracer; and how many bytes an event takes.
//!
//! What is timed is the whole command from start to end, report apart. All contenders of a program run once before
//! anything counts, then in turn, each round beginning with another one.

mod contender;
mod loop_case;
mod programs;
mod size;
mod table;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use self::contender::{Contender, Outcome};
use self::programs::Program;
use self::table::{Row, Table};
use crate::{Options, Save, clock, run_dir};

/// Rounds that count, unless `--rounds N` says otherwise.
const ROUNDS: usize = 5;

/// Measures and prints every row; with `--save` writes `record.csv` and `record.md`.
pub fn run(options: &Options) -> Result<()> {
    let asked = Asked::read(&options.rest)?;
    let bench = Bench { vmatlas: vmatlas()?, scratch: Scratch::new()?, rounds: asked.rounds };
    let contenders: Vec<Contender> =
        Contender::ALL.into_iter().filter(|one| asked.compares(*one) && one.is_here()).collect();
    let mut table = Table::new(&contenders, asked.rounds);
    for program in programs::all(&bench.scratch.0)? {
        if asked.takes(program.name) {
            table.programs.push(bench.row(&program, &contenders)?);
        }
    }
    if asked.takes("loop") {
        let program = loop_case::program(&bench.scratch.0, loop_case::TIMES)?;
        table.loops.push(bench.row(&program, &contenders)?);
        table.sizes = Some(size::measure(&bench)?);
    }
    print!("{}", table.markdown());
    if options.save == Save::Yes {
        let dir = run_dir::create()?;
        table.save(&dir)?;
        println!("\nsaved in {}", dir.display());
    }
    Ok(())
}

/// What is needed for every measurement.
struct Bench {
    vmatlas: PathBuf,
    scratch: Scratch,
    rounds: usize,
}

impl Bench {
    /// Lets the contenders run a program in turn.
    fn row(&self, program: &Program, contenders: &[Contender]) -> Result<Row> {
        let mut times: Vec<Vec<f64>> = vec![Vec::new(); contenders.len()];
        for round in 0..=self.rounds {
            for turn in 0..contenders.len() {
                let at = (round + turn) % contenders.len();
                let Outcome { took, .. } = self.run(program, contenders[at])?;
                eprintln!("{:<8} round {round}: {:<22} {took:.2?}", program.name, contenders[at].name());
                if round > 0 {
                    times[at].push(Duration::as_secs_f64(&took));
                }
            }
        }
        let recorded = contenders.iter().position(|contender| *contender == Contender::Recorded);
        let size = match recorded {
            Some(_) => Some(size::of_last(self)?),
            None => None,
        };
        let medians = times.iter_mut().map(|times| clock::median(times)).collect();
        Ok(Row { name: program.name, what: program.what.clone(), medians_s: medians, times_s: times, size })
    }

    fn run(&self, program: &Program, contender: Contender) -> Result<Outcome> {
        let outcome = contender.run(self, program)?;
        ensure!(outcome.status.success(), "{} under {}: {}", program.name, contender.name(), outcome.status);
        Ok(outcome)
    }

    fn recording(&self) -> PathBuf {
        self.scratch.0.join("run.vmatlas")
    }
}

/// What the verb's arguments ask for.
struct Asked {
    rounds: usize,
    /// The programs; empty: all.
    programs: Vec<String>,
    /// Recordings without call chains too.
    stacks: Stacks,
}

/// Whether the cost of call chains is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stacks {
    AsTheyAre,
    BesideWithout,
}

impl Asked {
    fn read(args: &[String]) -> Result<Self> {
        let mut asked = Self { rounds: ROUNDS, programs: Vec::new(), stacks: Stacks::AsTheyAre };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            if arg == "--rounds" {
                let number = args.next().context("--rounds needs a number")?;
                asked.rounds =
                    number.parse().with_context(|| format!("{number:?} is no number of rounds"))?;
                ensure!(asked.rounds > 0, "at least one round");
            } else if arg == "--stacks" {
                asked.stacks = Stacks::BesideWithout;
            } else {
                ensure!(programs::NAMES.contains(&arg.as_str()), "no program {arg}: {:?}", programs::NAMES);
                asked.programs.push(arg.clone());
            }
        }
        Ok(asked)
    }

    fn compares(&self, contender: Contender) -> bool {
        self.stacks == Stacks::BesideWithout || !contender.is_without_stacks()
    }

    fn takes(&self, name: &str) -> bool {
        self.programs.is_empty() || self.programs.iter().any(|asked| asked == name)
    }
}

/// A folder for inputs and recordings, gone at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self> {
        let dir = std::env::temp_dir().join(format!("vmatlas-bench-{}", std::process::id()));
        std::fs::create_dir_all(&dir).with_context(|| format!("making {}", dir.display()))?;
        Ok(Self(dir))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The binary that is measured: built by `cargo xtask bench record`.
fn vmatlas() -> Result<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"), PathBuf::from);
    let path = target.join("release/vmatlas");
    path.canonicalize().with_context(|| format!("{}: build it by `cargo xtask bench record`", path.display()))
}
