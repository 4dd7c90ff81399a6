//! The rows of `seek`: opening a recording of 10 million events and going to any moment of it.
//!
//! Times are of the processor, so that what else the machine does is not counted; the file is in the page cache.

pub mod generate;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use timeline::{Keeper, Replay, Seeker};

use crate::{Options, Save, clock, run_dir};

/// Events of the recording where none are asked for.
const EVENTS: u64 = 10_000_000;
/// Moments gone to.
const SEEKS: u64 = 400;
/// The targets of the design: opening, one seek, the memory of both.
const OPEN_MAX: Duration = Duration::from_millis(300);
const SEEK_MAX: Duration = Duration::from_millis(10);
const MEMORY_MIB_MAX: u64 = 200;

/// Makes the recording, adds states to it, and measures in a process of its own.
pub fn run(options: &Options) -> Result<()> {
    match options.rest.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["child", path] => return measure(Path::new(path)),
        ["make", path, events] => return make(Path::new(path), number(events)?),
        ["replay", path] => {
            let (time, run) = timed(|| Ok(Replay::open(path)?.finish()))?;
            println!("{time:.2?}, {:.0} ns an event", per(time, run.counts.events));
            return Ok(());
        }
        _ => {}
    }
    let events = match options.rest.first() {
        Some(text) => number(text)?,
        None => EVENTS,
    };
    let file = Scratch(std::env::temp_dir().join(format!("vmatlas-seek-{}.vmatlas", std::process::id())));
    let mut lines = vec![format!("| {events} events | |"), "|---|---|".to_string()];
    let (made, ()) = timed(|| generate::write(&file.0, events))?;
    let bytes = std::fs::metadata(&file.0)?.len();
    lines.push(format!("| written in | {made:.1?} |"));
    lines.push(format!("| bytes an event, states apart | {:.2} |", bytes as f64 / events as f64));
    let (plain, _) = timed(|| Ok(Replay::open(&file.0)?.finish()))?;
    lines.push(format!("| one replay, no states | {plain:.1?} ({:.0} ns an event) |", per(plain, events)));
    let (kept, _) = timed(|| Ok(Replay::open(&file.0)?.with_keeper(Keeper::in_file(&file.0, 0)?).finish()))?;
    lines.push(format!("| one replay that adds the states | {kept:.1?} |"));
    let added = std::fs::metadata(&file.0)?.len() - bytes;
    lines.push(format!("| bytes of states an event | {:.2} |", added as f64 / events as f64));
    let output = Command::new(std::env::current_exe()?).args(["seek", "child"]).arg(&file.0).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    lines.push(String::from_utf8_lossy(&output.stdout).trim().to_string());
    let text = lines.join("\n");
    println!("{text}");
    if options.save == Save::Yes {
        let dir = run_dir::create()?;
        std::fs::write(dir.join("seek.md"), format!("# Going to any moment of a recording\n\n{text}\n"))?;
        println!("\nsaved in {}", dir.display());
    }
    Ok(())
}

/// Makes a recording with states and leaves it there, for a look at one part of it alone.
fn make(path: &Path, events: u64) -> Result<()> {
    generate::write(path, events)?;
    Replay::open(path)?.with_keeper(Keeper::in_file(path, 0)?).finish();
    Ok(())
}

fn number(text: &str) -> Result<u64> {
    text.parse().with_context(|| format!("{text:?} is not a number of events"))
}

/// What one reader sees: printed as rows.
fn measure(path: &Path) -> Result<()> {
    let begin = Clock::now();
    let mut seeker = Seeker::open(path)?;
    seeker.to_event(1)?;
    let opened = begin.elapsed();
    let events = seeker.reader().len();
    let mut forwards = Vec::new();
    let mut backwards = Vec::new();
    let mut at = 1;
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..SEEKS {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let target = random % events;
        let begin = Clock::now();
        seeker.to_event(target)?;
        let took = begin.elapsed().as_secs_f64() * 1e3;
        if target > at { &mut forwards } else { &mut backwards }.push(took);
        at = target;
    }
    ensure!(seeker.restored_badly() == 0, "{} states could not be used", seeker.restored_badly());
    let verdict = |is_met: bool| if is_met { "met" } else { "NOT met" };
    println!("| states | {} |", seeker.states());
    println!("| open | {opened:.1?} (target {OPEN_MAX:?}: {}) |", verdict(opened < OPEN_MAX));
    for (what, times) in [("forwards", &mut forwards), ("backwards", &mut backwards)] {
        let median = clock::median(times);
        let most = times.iter().copied().fold(0.0, f64::max);
        let late = times[times.len() * 99 / 100];
        let is_met = most < SEEK_MAX.as_secs_f64() * 1e3;
        println!(
            "| seek {what} | median {median:.2} ms, 99 % {late:.2} ms, most {most:.2} ms (target {SEEK_MAX:?}: {}) |",
            verdict(is_met)
        );
    }
    let mib = peak_mib()?;
    println!(
        "| memory at most | {mib} MiB (target {MEMORY_MIB_MAX} MiB: {}) |",
        verdict(mib < MEMORY_MIB_MAX)
    );
    Ok(())
}

fn peak_mib() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib >> 10)
}

fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(Duration, T)> {
    let begin = Clock::now();
    let result = work()?;
    Ok((begin.elapsed(), result))
}

fn per(time: Duration, events: u64) -> f64 {
    time.as_nanos() as f64 / events as f64
}

/// A time of this process's processor.
struct Clock(Duration);

impl Clock {
    fn now() -> Self {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: it writes one timespec, which is there.
        unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
        Self(Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
    }

    fn elapsed(&self) -> Duration {
        Self::now().0 - self.0
    }
}

/// A file that goes with this value.
pub struct Scratch(pub PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
