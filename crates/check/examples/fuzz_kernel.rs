//! The differential fuzzer from the command line; `cargo xtask fuzz-kernel`, `small-world` and `mutants` build and
//! run it.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use check::fuzz::{
    self, Counted, Depth, Direction, Finding, Flags, Plan, Pool, PoolState, Program, Shorten, SmallWorld,
    Stop, Summary, Worlds,
};
use mm::{Mutation, Shown};

const USAGE: &str =
    "usage: fuzz_kernel fuzz --seconds N [--seed S] [--threads T] [--program I] [--programs N] [--divergences N] \
[--corpus FOLDER] [--seen FILE]
       fuzz_kernel show --seed S --program I
       fuzz_kernel replay --file FILE
       fuzz_kernel contents --seconds N [as fuzz]
       fuzz_kernel small-world [--calls N] [--threads T]
       fuzz_kernel mutants [--seconds N] [--seed S] [--threads T]";

#[derive(Default)]
struct Args {
    plan: Plan,
    calls: Option<usize>,
    corpus: Option<PathBuf>,
    seen: Option<PathBuf>,
    file: PathBuf,
}

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let verb = words.next().unwrap_or_default();
    let args = match parse(words) {
        Ok(args) => args,
        Err(what) => {
            eprintln!("fuzz-kernel: {what}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let done = match verb.as_str() {
        "fuzz" => campaign(&args),
        "show" => show(&args.plan),
        "replay" => replay(&args.file),
        "contents" => contents(&args),
        "small-world" => small_world(&args),
        "mutants" => mutants(&args.plan),
        _ => {
            eprintln!("fuzz-kernel: no verb {verb}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(Verdict::Good) => ExitCode::SUCCESS,
        Ok(Verdict::Bad) => ExitCode::FAILURE,
        Err(what) => {
            eprintln!("fuzz-kernel: {what}");
            ExitCode::FAILURE
        }
    }
}

enum Verdict {
    Good,
    Bad,
}

impl From<bool> for Verdict {
    fn from(is_good: bool) -> Self {
        if is_good { Self::Good } else { Self::Bad }
    }
}

type Done = Result<Verdict, String>;

fn parse(mut words: impl Iterator<Item = String>) -> Result<Args, String> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut args = Args { plan: Plan { threads, ..Plan::default() }, ..Args::default() };
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word} wants a value"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("{word} wants a number, not {value}"));
        match word.as_str() {
            "--seconds" => args.plan.time = Duration::from_secs(number()?),
            "--seed" => args.plan.seed = number()?,
            "--threads" => args.plan.threads = number()?.clamp(1, 64) as usize,
            "--programs" => args.plan.programs = number()?,
            "--program" => (args.plan.first, args.plan.programs) = (number()?, 1),
            "--divergences" => args.plan.divergences_max = number()? as usize,
            "--calls" => args.calls = Some(number()? as usize),
            "--corpus" => args.corpus = Some(value.into()),
            "--seen" => args.seen = Some(value.into()),
            "--file" => args.file = value.into(),
            _ => return Err(format!("no option {word}")),
        }
    }
    Ok(args)
}

fn campaign(args: &Args) -> Done {
    let Args { plan, corpus, .. } = args;
    let plan = &Plan { pool: Pool::of_machine(plan.threads), ..*plan };
    let begin = Instant::now();
    let report = |finding: &Finding| {
        let text = text_of("fuzz-kernel", plan.seed, finding);
        println!("{text}");
        save(corpus.as_ref(), &format!("fuzz-{}-{}.prog", plan.seed, finding.index), &text);
        // The same as a script of the lab: `vmatlas lab FILE` does it line by line.
        let script = format!("{}{}", finding.divergence, fuzz::script(&finding.program, finding.direction));
        save(corpus.as_ref(), &format!("fuzz-{}-{}.vm", plan.seed, finding.index), &script);
    };
    if !fuzz::is_repeatable() {
        println!(
            "personality(ADDR_NO_RANDOMIZE) is forbidden here: the layout is random, a seed does not repeat a program"
        );
    }
    let summary = fuzz::run(plan, &report).map_err(|error| error.to_string())?;
    if let Some(path) = &args.seen {
        fs::write(path, summary.seen.to_string()).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    print_summary(plan, &summary, begin.elapsed());
    let is_whole = summary.counted.calls > 0 && summary.failures.is_empty();
    Ok(Verdict::from(is_whole && summary.divergences == 0))
}

fn contents(args: &Args) -> Done {
    let seed = args.plan.seed;
    let begin = Instant::now();
    let report = |finding: &Finding| {
        let text = format!("{CONTENTS}{}", text_of("fuzz-contents", seed, finding));
        println!("{text}");
        save(args.corpus.as_ref(), &format!("contents-{seed}-{}.prog", finding.index), &text);
    };
    let summary = fuzz::run_contents(&args.plan, &report).map_err(|error| error.to_string())?;
    let Summary { counted, seen: _, programs, divergences, failures } = &summary;
    for (index, why) in failures {
        println!("not run to its end: --seed {seed} --program {index}: {why}");
    }
    let operations = counted.calls + counted.accesses;
    let a_second = operations as f64 / begin.elapsed().as_secs_f64();
    println!("{} calls partly inputs, {} left out as not modelled", counted.asked, counted.unmodelled);
    println!("{} pagemaps compared, {a_second:.0} operations a second", counted.maps);
    println!(
        "{operations} operations with contents ({} calls, {} loads, stores and fetches), {programs} programs, \
         {divergences} divergences, seed {seed}",
        counted.calls, counted.accesses
    );
    Ok(Verdict::from(operations > 0 && failures.is_empty() && *divergences == 0))
}

/// What programs with contents begin with.
const CONTENTS: &str = "# with contents\n";

fn save(folder: Option<&PathBuf>, name: &str, text: &str) {
    if let Some(folder) = folder {
        let path = folder.join(name);
        if let Err(error) = fs::create_dir_all(folder).and_then(|()| fs::write(&path, text)) {
            eprintln!("fuzz-kernel: {}: {error}", path.display());
        }
    }
}

fn print_summary(plan: &Plan, summary: &Summary, time: Duration) {
    let Summary { counted, seen: _, programs, divergences, failures } = summary;
    for (index, why) in failures {
        println!("not run to its end: --seed {} --program {index}: {why}", plan.seed);
    }
    let (seed, failed) = (plan.seed, failures.len());
    let a_second = counted.calls as f64 / time.as_secs_f64();
    println!("{} loads, stores and fetches, {} maps compared", counted.accesses, counted.maps);
    println!("{} calls partly inputs, {} left out as not modelled", counted.asked, counted.unmodelled);
    println!("{failed} programs not run to their end, {a_second:.0} calls a second");
    print_pool(plan, counted);
    println!("{} calls, {programs} programs, {divergences} divergences, seed {seed}", counted.calls);
}

/// Says that a pool of huge pages was there.
fn print_pool(plan: &Plan, counted: &Counted) {
    let PoolState { free, reserved, most } = PoolState::read();
    match (plan.pool.share(), most) {
        (0, 0) => {}
        (0, _) => {
            println!("a pool of {most} huge pages is not used: {} for each thread are wanted", Pool::EACH)
        }
        (share, _) => println!(
            "{} mappings of a pool of {most} huge pages, {share} for a program; {} lines found it used up; now {free} are \
             free, {reserved} of them promised",
            counted.huge, counted.used_up
        ),
    }
}

fn text_of(verb: &str, seed: u64, finding: &Finding) -> String {
    let Finding { index, direction, program, divergence } = finding;
    let again = format!("# again: cargo xtask {verb} --seed {seed} --program {index}");
    format!("{again}\n# layout {direction:?}\n{divergence}{program}")
}

fn show(plan: &Plan) -> Done {
    let plan = Plan { pool: Pool::of_machine(plan.threads), ..*plan };
    print!("{}", fuzz::program_of(&plan).map_err(|error| error.to_string())?);
    Ok(Verdict::Good)
}

fn replay(path: &PathBuf) -> Done {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let program = Program::parse(&text).map_err(|what| format!("{}: {what}", path.display()))?;
    let bottom_up = text.lines().any(|line| line == "# layout BottomUp");
    let direction = if bottom_up { Direction::BottomUp } else { Direction::TopDown };
    let depth = Depth { every: 1, flags: Flags::Always };
    let done = if text.starts_with(CONTENTS) {
        fuzz::replay_contents(&program, None)
    } else {
        Worlds::default().with_pool(Pool::of_machine(1)).using_up().replay(direction, depth, &program)
    };
    match done {
        Ok(counted) => {
            println!("{} calls, 1 programs, 0 divergences, seed 0", counted.calls);
            Ok(Verdict::Good)
        }
        Err(Stop::Diverged(divergence)) => {
            print!("{divergence}");
            Ok(Verdict::Bad)
        }
        Err(Stop::Failed(error)) => Err(error.to_string()),
    }
}

fn small_world(args: &Args) -> Done {
    let (calls, parts) = (args.calls.unwrap_or(2), args.plan.threads);
    let ends: Vec<Result<SmallWorld, String>> = std::thread::scope(|scope| {
        let part =
            |part| move || fuzz::run_small_world(calls, part, parts).map_err(|error| error.to_string());
        let workers: Vec<_> = (0..parts).map(|number| scope.spawn(part(number))).collect();
        let ends = workers.into_iter().map(|worker| worker.join());
        ends.map(|end| end.unwrap_or_else(|_| Err("a thread panicked".into()))).collect()
    });
    let (mut done, mut programs, mut diverged) = (0, 0, 0);
    for end in ends {
        let world = end?;
        done += world.counted.calls;
        programs += world.programs;
        if let Some((program, divergence)) = world.divergence {
            diverged += 1;
            println!("# layout TopDown\n{divergence}{program}");
        }
    }
    println!("{done} calls, {programs} programs of up to {calls} calls, {diverged} divergences");
    Ok(Verdict::from(diverged == 0 && programs > 0))
}

fn mutants(plan: &Plan) -> Done {
    let plan = Plan { divergences_max: 1, shorten: Shorten::No, ..*plan };
    let mut missed = 0;
    for mutation in Mutation::ALL {
        let begin = Instant::now();
        let name = format!("{mutation:?}");
        let elsewhere = match mutation.shows_in() {
            Shown::Map | Shown::Pages => None,
            Shown::Disk => Some("on a disk"),
            Shown::OtherKernels => Some("on kernels built otherwise"),
        };
        if let Some(place) = elsewhere {
            println!("{name:<20} shows only {place}: left to the tests of vmatlas-mm");
            continue;
        }
        let (operations, programs, divergences) = hunted(&plan, Some(*mutation), mutation.shows_in())?;
        missed += u32::from(divergences == 0);
        let verdict = if divergences > 0 { "caught" } else { "MISSED" };
        let time = begin.elapsed();
        println!("{name:<20} {verdict} after {time:.2?}, {operations} operations, {programs} programs");
    }
    // Only where the twin itself agrees as long as that do the mutants' divergences mean anything.
    let mut all = 0;
    for (what, shown) in [("no mutation", Shown::Map), ("the same, contents", Shown::Pages)] {
        let (operations, _, divergences) = hunted(&plan, None, shown)?;
        println!("{what:<20} {divergences} divergences in {operations} operations");
        all += divergences;
    }
    println!("{} mutants, {missed} missed", Mutation::ALL.len());
    Ok(Verdict::from(missed == 0 && all == 0))
}

/// Looks for a twin's divergences, with contents or without: how many operations and programs it took.
fn hunted(plan: &Plan, mutation: Option<Mutation>, shown: Shown) -> Result<(u64, u64, u64), String> {
    let plan = Plan { mutation, ..*plan };
    let of_pages = shown == Shown::Pages;
    let found = if of_pages { fuzz::run_contents(&plan, &|_| {}) } else { fuzz::run(&plan, &|_| {}) };
    let Summary { counted, programs, divergences, .. } = found.map_err(|error| error.to_string())?;
    let accesses = if of_pages { counted.accesses } else { 0 };
    Ok((counted.calls + accesses, programs, divergences))
}
