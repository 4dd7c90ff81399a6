//! The differential fuzzer from the command line; `cargo xtask fuzz-kernel` builds and runs it.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use check::fuzz::{self, Depth, Direction, Finding, Flags, Plan, Program, Stop, Worlds};

const USAGE: &str = "usage: fuzz_kernel --seconds N [--seed S] [--threads T] [--program I] [--show] \
[--max-divergences N] [--corpus FOLDER]\n       fuzz_kernel --replay FILE";

struct Args {
    plan: Plan,
    show: bool,
    corpus: Option<PathBuf>,
    replay: Option<PathBuf>,
}

fn main() -> ExitCode {
    let args = match parse(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(what) => {
            eprintln!("fuzz-kernel: {what}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let done = match &args.replay {
        Some(path) => replay(path),
        None if args.show => show(&args.plan),
        None => campaign(&args),
    };
    done.unwrap_or_else(|what| {
        eprintln!("fuzz-kernel: {what}");
        ExitCode::FAILURE
    })
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Args, String> {
    let mut args =
        Args { plan: Plan { threads: 2, ..Plan::default() }, show: false, corpus: None, replay: None };
    while let Some(word) = words.next() {
        if word == "--show" {
            args.show = true;
            continue;
        }
        let value = words.next().ok_or_else(|| format!("{word} wants a value"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("{word} wants a number, not {value}"));
        match word.as_str() {
            "--seconds" => args.plan.time = Duration::from_secs(number()?),
            "--seed" => args.plan.seed = number()?,
            "--threads" => args.plan.threads = number()?.clamp(1, 64) as usize,
            "--program" => (args.plan.first, args.plan.programs) = (number()?, 1),
            "--max-divergences" => args.plan.divergences_max = number()? as usize,
            "--corpus" => args.corpus = Some(value.into()),
            "--replay" => args.replay = Some(value.into()),
            _ => return Err(format!("no option {word}")),
        }
    }
    Ok(args)
}

fn campaign(args: &Args) -> Result<ExitCode, String> {
    let Args { plan, corpus, .. } = args;
    let begin = Instant::now();
    let report = |finding: &Finding| {
        let text = text_of(plan.seed, finding);
        println!("{text}");
        if let Some(folder) = corpus {
            let path = folder.join(format!("fuzz-{}-{}.prog", plan.seed, finding.index));
            if let Err(error) = fs::create_dir_all(folder).and_then(|()| fs::write(&path, &text)) {
                eprintln!("fuzz-kernel: {}: {error}", path.display());
            }
        }
    };
    let summary = fuzz::run(plan, &report).map_err(|error| error.to_string())?;
    for (index, why) in &summary.failures {
        println!("not run to its end: --seed {} --program {index}: {why}", plan.seed);
    }
    let counted = summary.counted;
    let seconds = begin.elapsed().as_secs_f64();
    println!(
        "{} accesses, {} maps compared, {} calls partly inputs, {} lines left out as not modelled, {} failures, \
         {:.0} calls a second",
        counted.accesses,
        counted.maps,
        counted.asked,
        counted.unmodelled,
        summary.failures.len(),
        counted.calls as f64 / seconds
    );
    println!(
        "{} calls, {} programs, {} divergences, seed {}",
        counted.calls, summary.programs, summary.divergences, plan.seed
    );
    let is_good = counted.calls > 0 && summary.divergences == 0 && summary.failures.is_empty();
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn text_of(seed: u64, finding: &Finding) -> String {
    let Finding { index, direction, program, divergence } = finding;
    format!(
        "# again: cargo xtask fuzz-kernel --seed {seed} --program {index}\n# layout {direction:?}\n{divergence}{program}"
    )
}

fn show(plan: &Plan) -> Result<ExitCode, String> {
    print!("{}", fuzz::program_text(plan.seed, plan.first).map_err(|error| error.to_string())?);
    Ok(ExitCode::SUCCESS)
}

fn replay(path: &PathBuf) -> Result<ExitCode, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let program = Program::parse(&text).map_err(|what| format!("{}: {what}", path.display()))?;
    let bottom_up = text.lines().any(|line| line == "# layout BottomUp");
    let direction = if bottom_up { Direction::BottomUp } else { Direction::TopDown };
    let depth = Depth { every: 1, flags: Flags::Always };
    match Worlds::default().replay(direction, depth, &program) {
        Ok(counted) => {
            println!("{} calls, 1 programs, 0 divergences, seed 0", counted.calls);
            Ok(ExitCode::SUCCESS)
        }
        Err(Stop::Diverged(divergence)) => {
            print!("{divergence}");
            Ok(ExitCode::FAILURE)
        }
        Err(Stop::Failed(error)) => Err(error.to_string()),
    }
}
