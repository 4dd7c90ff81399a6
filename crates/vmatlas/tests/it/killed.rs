//! `kill -9` of either process of vmatlas at random moments: every recording opens, and is right as far as it goes.

use std::path::Path;
use std::process::Child;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, Signal, kill_process};

use crate::guest::{Build, guest};
use crate::recording::Report;
use crate::run::{Run, User, until, wait};
use crate::scratch::Scratch;

/// Random numbers, enough to pick moments with.
struct Moments(u64);

impl Moments {
    fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        Self(now.as_nanos() as u64 | 1)
    }

    fn below(&mut self, milliseconds: u64) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        Duration::from_micros(self.0 % (milliseconds * 1000))
    }
}

/// Returns the value of a field of `/proc/PID/status`.
pub(crate) fn status_field(pid: u32, name: &str) -> Option<String> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    Some(line[name.len() + 1..].trim().to_string())
}

/// Returns the processes whose parent is this one.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").expect("there is /proc").flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|child| status_field(*child, "PPid").is_some_and(|parent| parent == pid.to_string()))
        .collect()
}

/// The tracer of a recorded program: the one that its status names.
pub(crate) fn tracer_of(front: u32) -> Option<u32> {
    let tracers =
        children(front).into_iter().filter_map(|child| status_field(child, "TracerPid")?.parse().ok());
    tracers.into_iter().find(|tracer| *tracer != 0)
}

fn kill(pid: u32) {
    let pid = Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("not 0");
    // It may have ended by itself.
    let _ = kill_process(pid, Signal::KILL);
}

/// Opens what was recorded; `None` if the file was not begun.
fn open(path: &Path) -> Option<Report> {
    let begun = path.metadata().is_ok_and(|metadata| metadata.len() > 0);
    begun.then(|| Report::open(path))
}

fn assert_right(report: &Report) {
    report.assert_consistent();
    assert_eq!(report.list("/proof/differences").len(), 0, "{:#}", report.at("/proof"));
    assert_eq!(report.at("/proof/mappings_matched"), report.at("/proof/mappings"));
}

/// Starts a program of so many rounds of forks and memory calls, each round with its line of output.
fn start(scratch: &Scratch, user: User, rounds: u32) -> Option<(Run<'_>, Child)> {
    let fork = guest("fork", Build::Dynamic)?;
    let map = guest("mmap_loop", Build::Dynamic)?;
    let script =
        format!("for i in $(seq {rounds}); do {} && {} 1000 || exit 9; done", fork.display(), map.display());
    let run = Run::new(scratch, ["sh", "-c", &script]).user(user);
    let child = run.start_recorded();
    Some((run, child))
}

#[test]
fn a_tracer_killed_at_50_random_moments_leaves_a_recording_that_opens_and_a_program_that_goes_on() {
    let mut moments = Moments::new();
    let (mut opened, mut ran) = (0, 0);
    for round in 0..50 {
        let scratch = Scratch::new("killed");
        let user = if round % 2 == 0 { User::Same } else { User::Ordinary };
        let Some((run, mut front)) = start(&scratch, user, 2) else { return };
        let tracer = until("the tracer", || tracer_of(front.id()));
        let delay = moments.below(150);
        std::thread::sleep(delay);
        kill(tracer);
        let status = wait(&mut front, Duration::from_secs(60), "the front without its tracer");
        let printed = scratch.read("recorded.stdout");
        let errors = scratch.read("recorded.stderr");
        assert!(errors.lines().count() <= 1, "killed after {delay:?}: {errors}");
        if status.success() {
            assert_eq!(printed, "each page its own\ndone\n".repeat(2), "killed after {delay:?}: {errors}");
            ran += 1;
        } else {
            // So early that the command was not executed yet.
            assert_eq!(
                (printed.as_str(), errors.is_empty()),
                ("", false),
                "killed after {delay:?}: {status:?}"
            );
        }
        if let Some(report) = open(&run.recording()) {
            assert!(
                errors.is_empty() || report.at("/recording/incomplete").is_string(),
                "called whole: {errors}"
            );
            assert_right(&report);
            opened += 1;
        }
    }
    assert!(
        opened >= 40 && ran >= 40,
        "of 50 programs {ran} ran to their end, {opened} recordings were begun"
    );
}

/// Twenty times a second the guest maps a page and says so.
#[test]
fn what_was_recorded_more_than_a_tenth_of_a_second_ago_is_not_lost() {
    let Some(ticks) = guest("ticks", Build::Static) else { return };
    let scratch = Scratch::new("lost");
    let run = Run::new(&scratch, [&ticks]);
    let mut front = run.start_recorded();
    let tracer = until("the tracer", || tracer_of(front.id()));
    let ticked = || scratch.read("recorded.stdout").lines().count() as u64;
    until("thirty ticks", || (ticked() >= 30).then_some(()));
    kill(tracer);
    let told = ticked();
    // The guest would tick for ever.
    children(front.id()).into_iter().for_each(kill);
    front.kill().expect("it is our child");
    front.wait().expect("it is our child");
    let report = Report::open(&run.recording());
    let recorded = report.calls("mmap");
    // Two ticks are a tenth of a second, which may be lost; the rest is room for a machine with other things to do.
    assert!(recorded + 6 >= told, "{recorded} of {told} ticks are recorded");
    assert!(report.at("/recording/incomplete").is_string());
    assert_right(&report);
}

#[test]
fn a_front_killed_at_random_moments_ends_the_program_and_leaves_the_recording_whole() {
    let mut moments = Moments::new();
    for _ in 0..10 {
        let scratch = Scratch::new("front");
        let Some((run, mut front)) = start(&scratch, User::Same, 200) else { return };
        let tracer = until("the tracer", || tracer_of(front.id()));
        let delay = moments.below(100);
        std::thread::sleep(delay);
        front.kill().expect("it is our child");
        front.wait().expect("it is our child");
        until("the end of the tracer", || status_field(tracer, "Pid").is_none().then_some(()));
        let Some(report) = open(&run.recording()) else { continue };
        assert!(report.at("/recording/incomplete").is_null(), "{}", report.at("/recording/incomplete"));
        assert_right(&report);
        assert_eq!(report.at("/run/end/signal"), 9, "killed after {delay:?}: {:#}", report.at("/run"));
    }
}
