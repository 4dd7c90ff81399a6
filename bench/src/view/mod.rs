//! The rows of `view`: how soon a large recording is seen, how smoothly it is scrubbed, how large the one file is, and
//! what `top` takes of a processor.
//!
//! Frames are those of headless Chromium, which draws without a graphics card: beside their times stand those of the
//! page's own scripts, which a card does not change.

mod top;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, ensure};
use timeline::{Keeper, Replay};

use crate::browser::Browser;
use crate::clock::median;
use crate::map::binary;
use crate::seek::{Scratch, generate};
use crate::{Options, Save, run_dir};

/// Events of the recording that is opened, where none are asked for.
const EVENTS: u64 = 10_000_000;
/// Events of the one that is scrubbed.
const EVENTS_SCRUBBED: u64 = 1_000_000;
/// Times that it is opened.
const ROUNDS: usize = 5;
/// How long reading all of it may take on a slow machine.
const READ_MAX: Duration = Duration::from_secs(600);
/// Frames of each way of moving.
const FRAMES: usize = 300;
/// The targets of the design.
const PICTURE_MAX: f64 = 1.0;
const FRAME_MS_MAX: f64 = 1000.0 / 60.0;
const HTML_MIB_MAX: f64 = 5.0;
const TOP_PERCENT_MAX: f64 = 2.0;

/// Runs all rows.
pub fn run(options: &Options) -> Result<()> {
    let events = match options.rest.first() {
        Some(text) => text.parse().with_context(|| format!("{text:?} is not a number of events"))?,
        None => EVENTS,
    };
    let binary = binary()?;
    let mut text = String::from("| what | measured | target |\n|---|---|---|\n");
    let browser = Browser::start();
    let large = recording("large", events)?;
    picture(&binary, &browser, &large.0, events, &mut text)?;
    html(&binary, &large.0, events, &mut text)?;
    drop(large);
    let small = recording("small", EVENTS_SCRUBBED.min(events))?;
    scrub(&binary, &browser, &small.0, &mut text)?;
    drop(browser);
    let percent = top::percent(&binary)?;
    text += &format!(
        "| `top` of 1,000 mappings, a refresh a second | {percent:.2} % of a processor | {} |\n",
        verdict(percent, TOP_PERCENT_MAX, " %")
    );
    print!("{text}");
    if options.save == Save::Yes {
        let dir = run_dir::create()?;
        std::fs::write(dir.join("view.md"), format!("# `cargo xtask bench view`\n\n{text}"))?;
        println!("\nsaved in {}", dir.display());
    }
    Ok(())
}

fn verdict(reached: f64, limit: f64, unit: &str) -> String {
    let word = if reached <= limit { "met" } else { "MISSED" };
    format!("{limit:.1}{unit}: {word}")
}

/// A recording with the states that `record` adds at its end.
fn recording(name: &str, events: u64) -> Result<Scratch> {
    let file = std::env::temp_dir().join(format!("vmatlas-view-{name}-{}.vmatlas", std::process::id()));
    let file = Scratch(file);
    generate::write(&file.0, events)?;
    let _ = Replay::open(&file.0)?.with_keeper(Keeper::in_file(&file.0, 0)?).finish();
    Ok(file)
}

/// `vmatlas view`, ended with the measurement.
struct Serving {
    child: Child,
    url: String,
    begun: SystemTime,
}

impl Serving {
    fn start(binary: &Path, recording: &Path) -> Result<Self> {
        let mut command = Command::new(binary);
        command.args(["view", "--no-open"]).arg(recording).stdout(Stdio::piped());
        let begun = SystemTime::now();
        let mut child = command.spawn().context("our own binary")?;
        let out = child.stdout.take().context("a pipe")?;
        let mut serving = Self { child, url: String::new(), begun };
        BufReader::new(out).read_line(&mut serving.url)?;
        ensure!(serving.url.starts_with("http://127.0.0.1:"), "no address: {:?}", serving.url);
        Ok(serving)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// From the start of the command to the first picture of the whole run: time axis, resident memory, bands.
fn picture(binary: &Path, browser: &Browser, recording: &Path, events: u64, text: &mut String) -> Result<()> {
    let (mut seconds, mut processor) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let serving = Serving::start(binary, recording)?;
        browser.go(serving.url.trim());
        browser.until(
            "['draft', 'whole'].includes(document.documentElement.dataset.picture) && VM.pictureAt > 0",
        );
        processor.push(processor_time(serving.child.id())?.as_secs_f64());
        let at = browser.value("VM.pictureAt").as_f64().context("a time")?;
        let begun = serving.begun.duration_since(SystemTime::UNIX_EPOCH)?.as_secs_f64();
        seconds.push(at / 1000.0 - begun);
    }
    let most = seconds.iter().copied().fold(0.0, f64::max);
    let picture = median(&mut seconds);
    *text += &format!(
        "| first picture of {events} events | {picture:.2} s (most {most:.2} s; the server's processor time by then \
         {:.2} s) | {} |\n",
        median(&mut processor),
        verdict(picture, PICTURE_MAX, " s"),
    );
    let serving = Serving::start(binary, recording)?;
    let begin = Instant::now();
    browser.go(serving.url.trim());
    while browser.value("document.documentElement.dataset.ready === 'yes'") != true {
        ensure!(begin.elapsed() < READ_MAX, "it is not read after {READ_MAX:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
    *text += &format!("| all of it read | {:.1} s | |\n", begin.elapsed().as_secs_f64());
    Ok(())
}

/// What a process has taken of the processors, all its threads together.
fn processor_time(pid: u32) -> Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after_name = stat.rsplit_once(") ").context("no name in stat")?.1;
    let fields: Vec<&str> = after_name.split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
    // A tick is a hundredth of a second on every Linux that people use.
    Ok(Duration::from_millis(ticks * 10))
}

fn html(binary: &Path, recording: &Path, events: u64, text: &mut String) -> Result<()> {
    let page = Scratch(recording.with_extension("html"));
    let begin = Instant::now();
    let mut command = Command::new(binary);
    command.arg("view").arg(recording).arg("--html").arg(&page.0).arg("--force").stderr(Stdio::piped());
    let output = command.output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mib = std::fs::metadata(&page.0)?.len() as f64 / f64::from(1 << 20);
    *text += &format!(
        "| one file of {events} events | {mib:.2} MiB in {:.1} s | {} |\n",
        begin.elapsed().as_secs_f64(),
        verdict(mib, HTML_MIB_MAX, " MiB")
    );
    Ok(())
}

/// Moves in each frame; tells the times between frames, and how long the page's scripts took in each, those that it
/// puts off to another time too.
const SCRUB: &str = "
    const [intervals, scripts] = [[], []];
    const [frameOf, later] = [window.requestAnimationFrame, window.setTimeout];
    let [last, spent] = [null, 0];
    const counted = (call) => (...words) => {
      const begun = performance.now();
      call(...words);
      spent += performance.now() - begun;
    };
    window.requestAnimationFrame = (call) => frameOf(counted(call));
    window.setTimeout = (call, ms) => later(counted(call), ms);
    return new Promise((done) => {
      const frame = (now) => {
        if (last !== null) { intervals.push(now - last); scripts.push(spent); }
        [last, spent] = [now, 0];
        const part = intervals.length / @FRAMES@;
        if (part >= 1) {
          [window.requestAnimationFrame, window.setTimeout] = [frameOf, later];
          return done([intervals, scripts]);
        }
        @MOVE@
        frameOf(frame);
      };
      frameOf(frame);
    });";

fn scrub(binary: &Path, browser: &Browser, recording: &Path, text: &mut String) -> Result<()> {
    let serving = Serving::start(binary, recording)?;
    browser.open(serving.url.trim());
    let bands = browser.value("VM.rects.length");
    let moves = [
        ("the cursor over the whole run", "VM.set({ now: part * VM.duration });"),
        (
            "a tenth of the run, moved along",
            "VM.set({ from: part * 0.9 * VM.duration, to: (part * 0.9 + 0.1) * VM.duration });",
        ),
        (
            "zooming in and out",
            "{ const wide = VM.duration * (0.02 + 0.98 * Math.abs(1 - 2 * part)); VM.set({ from: VM.duration / 2 - wide / 2, to: VM.duration / 2 + wide / 2, now: part * VM.duration }); }",
        ),
    ];
    for (what, moving) in moves {
        let script = SCRUB.replace("@FRAMES@", &FRAMES.to_string()).replace("@MOVE@", moving);
        let told = browser.run(&script);
        let numbers = |at: usize| -> Vec<f64> {
            told[at].as_array().into_iter().flatten().filter_map(serde_json::Value::as_f64).collect()
        };
        let (mut intervals, mut scripts) = (numbers(0), numbers(1));
        ensure!(intervals.len() == FRAMES, "{} frames of {FRAMES}", intervals.len());
        let (frame, script) = (median(&mut intervals), median(&mut scripts));
        let late = intervals.iter().filter(|ms| **ms > FRAME_MS_MAX * 1.5).count();
        *text += &format!(
            "| {what}, {bands} bands | a frame {frame:.1} ms, {late} of {FRAMES} late; its scripts {script:.1} ms, 99 % \
             {:.1} ms, most {:.1} ms | {} |\n",
            scripts[scripts.len() * 99 / 100],
            scripts[scripts.len() - 1],
            verdict(frame, FRAME_MS_MAX + 0.1, " ms"),
        );
    }
    Ok(())
}
