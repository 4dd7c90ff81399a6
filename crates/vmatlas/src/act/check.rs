//! `vmatlas check -- CMD`.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use capture::{Command, Ended, RunError};
use check::beside::{self, Every, Mutation, PagesWanted, Replayed, Wanted};
use check::fuzz;
use serde::Deserialize;

use crate::cli::CheckArgs;
use crate::exit::{DIVERGED, WithStatus};

/// Programs of divergences that are saved.
const PROGRAMS_MAX: usize = 5;

/// What of the report the text shows.
#[derive(Deserialize)]
struct Found {
    kernel: String,
    calls: u64,
    predicted: u64,
    diverged: u64,
    maps_compared: u64,
    execs_predicted: u64,
    ranges_compared: u64,
    unmodelled: Vec<Unmodelled>,
    order_uncertain: u64,
    ranges_left_out: u64,
    processes: u64,
    threads: u64,
    inputs: std::collections::BTreeMap<String, u64>,
    divergences: Vec<Divergence>,
    #[serde(flatten)]
    pages: Option<Pages>,
    /// The rule of the twin that was changed on purpose.
    defect: Option<String>,
}

#[derive(Deserialize)]
struct Pages {
    pages_compared: u64,
    pages_predicted: u64,
    pages_differing: u64,
    pages_resynced: u64,
    pages_resynced_anon: u64,
    pages_anon: u64,
    pages_differ: Vec<String>,
}

#[derive(Deserialize)]
struct Unmodelled {
    call: String,
    count: u64,
}

#[derive(Deserialize)]
struct Divergence {
    text: String,
    program: Option<String>,
}

pub(crate) fn act(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    if let Some(file) = &args.replay {
        return replay(file, args.defect());
    }
    let command = Command::find(&args.command)
        .map_err(|error| WithStatus { status: error.status(), message: error.to_string() })?;
    let mut file = args.report.as_deref().map(|path| open(path, args.force)).transpose()?;
    let every = args.every.map_or(Every::Adaptive, Every::Calls);
    let pages = if args.pages { PagesWanted::Yes } else { PagesWanted::No };
    let wanted = Wanted { every, pages, defect: args.defect() };
    let ended = beside::run(&command, wanted).map_err(|error| {
        // Nothing was run: nothing is left either.
        if let Some(path) = &args.report {
            let _removed = std::fs::remove_file(path);
        }
        match error {
            RunError::Command(error) => {
                anyhow::Error::new(WithStatus { status: error.status(), message: error.to_string() })
            }
            RunError::Recording(text) => anyhow::anyhow!(text),
        }
    })?;
    tell(args, &ended, file.as_mut())
}

/// Opens the report's file before anything runs: what can't be written is said at once.
fn open(path: &Path, force: bool) -> anyhow::Result<File> {
    let file = if force { File::create(path) } else { File::create_new(path) };
    file.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            anyhow::anyhow!("{}: File exists; --force overwrites it", path.display())
        }
        _ => anyhow::Error::new(error).context(path.display().to_string()),
    })
}

fn tell(args: &CheckArgs, ended: &Ended, file: Option<&mut File>) -> anyhow::Result<ExitCode> {
    for trouble in &ended.troubles {
        writeln!(io::stderr(), "vmatlas: {trouble}")?;
    }
    let found: Found = serde_json::from_slice(&ended.found).context("the check ended without a report")?;
    let pages_differ = found.pages.as_ref().is_some_and(|pages| pages.pages_differing > 0);
    let clean = found.diverged == 0 && found.unmodelled.is_empty() && !pages_differ;
    let saved = save_programs(&found.divergences, args.defect());
    let mut text = if args.json { ended.found.clone() } else { text(&found, ended, &saved).into_bytes() };
    text.push(b'\n');
    match file {
        Some(file) => file.write_all(&text).context("writing the report")?,
        None if args.quiet && clean && !args.json => {}
        None => io::stderr().write_all(&text)?,
    }
    Ok(ExitCode::from(if clean { 0 } else { DIVERGED }))
}

fn text(found: &Found, ended: &Ended, saved: &[String]) -> String {
    let mut lines: Vec<String> =
        found.divergences.iter().map(|one| format!("diverged: {}", one.text)).collect();
    if let Some(defect) = &found.defect {
        lines.insert(0, defect_told(defect));
    }
    lines.extend_from_slice(saved);
    for one in &found.unmodelled {
        lines.push(format!("not modelled: {} ({})", one.call, one.count));
    }
    let inputs: Vec<String> = found.inputs.iter().map(|(name, count)| format!("{name} {count}")).collect();
    if !inputs.is_empty() {
        lines.push(format!("inputs read where no rule decides: {}", inputs.join(", ")));
    }
    if found.ranges_left_out > 0 {
        lines.push(format!(
            "{} stretches of maps were left out at a call, for another thread was inside one about them; its end \
             compared them",
            found.ranges_left_out
        ));
    }
    if ended.left > 0 {
        lines.push(format!(
            "{} threads went on when the program ended: not checked from there on",
            ended.left
        ));
    }
    if let Some(pages) = &found.pages {
        lines.extend(pages.pages_differ.iter().map(|one| format!("pages differ: {one}")));
        lines.push(format!(
            "pages: {}/{} predicted, {} differ, {} asked of the kernel; of {} anonymous {} asked",
            pages.pages_predicted,
            pages.pages_compared,
            pages.pages_differing,
            pages.pages_resynced,
            pages.pages_anon,
            pages.pages_resynced_anon
        ));
    }
    lines.push(format!(
        "twin: {}/{} calls identical to Linux {}, {} diverged; {} maps and {} ranges compared, {} execs \
         predicted; {} processes, {} threads; {} calls in uncertain order",
        found.predicted,
        found.calls,
        found.kernel,
        found.diverged,
        found.maps_compared,
        found.ranges_compared,
        found.execs_predicted,
        found.processes,
        found.threads,
        found.order_uncertain,
    ));
    lines.join("\n")
}

/// Nobody is to take what it finds for a fault of the twin's.
fn defect_told(defect: &str) -> String {
    format!("the twin has been given the defect {defect}")
}

/// Makes the first divergences' programs as short as they go and saves them; says what became of each.
fn save_programs(divergences: &[Divergence], defect: Option<Mutation>) -> Vec<String> {
    let programs = divergences.iter().filter_map(|one| fuzz::Program::parse(one.program.as_ref()?).ok());
    let save = |(no, program): (usize, fuzz::Program)| {
        let path = format!("vmatlas.check.{}.{no}.calls", std::process::id());
        let script = format!("vmatlas.check.{}.{no}.vm", std::process::id());
        let as_script = |head: String, program| head + &fuzz::script(program, fuzz::Direction::TopDown);
        let (text, as_script, what) = match beside::shortest(program.clone(), defect) {
            Ok(Some((short, found))) => (
                format!("{found}{short}"),
                as_script(found.to_string(), &short),
                "the shortest program that shows it",
            ),
            Ok(None) => {
                let what = "its surroundings, which do not show it by themselves";
                (program.to_string(), as_script(String::new(), &program), what)
            }
            Err(error) => return format!("could not be run again: {error}"),
        };
        let save = |path: &String, text: &str| {
            let saved = File::create_new(path).and_then(|mut file| file.write_all(text.as_bytes()));
            saved.map_err(|error| format!("{path}: {error}"))
        };
        match save(&path, &text).and_then(|()| save(&script, &as_script)) {
            Ok(()) => {
                format!(
                    "saved {what}: {path} (vmatlas check --replay {path}), {script} (vmatlas lab {script})"
                )
            }
            Err(error) => error,
        }
    };
    programs.take(PROGRAMS_MAX).enumerate().map(save).collect()
}

fn replay(file: &Path, defect: Option<Mutation>) -> anyhow::Result<ExitCode> {
    let shown = || file.display().to_string();
    let text = std::fs::read_to_string(file).with_context(shown)?;
    let program = fuzz::Program::parse(&text).map_err(|line| anyhow::anyhow!("{}: {line}", shown()))?;
    if let Some(defect) = defect {
        writeln!(io::stderr(), "{}", defect_told(&format!("{defect:?}")))?;
    }
    match beside::replay(&program, defect).with_context(shown)? {
        Replayed::Same => {
            writeln!(
                io::stderr(),
                "{}: {} lines, twin and kernel do the same",
                shown(),
                program.lines.len()
            )?;
            Ok(ExitCode::SUCCESS)
        }
        Replayed::Differs(found) => {
            write!(io::stderr(), "{found}")?;
            Ok(ExitCode::from(DIVERGED))
        }
    }
}
