//! In a terminal: Ctrl-C, Ctrl-Z and `fg`, a password, the background, a shell in the shell.

use std::path::Path;
use std::time::Duration;

use crate::guest::{Build, guest};
use crate::killed::{children, status_field};
use crate::recording::Report;
use crate::run::{User, until, users, vmatlas};
use crate::scratch::Scratch;
use crate::tty::Tty;

/// A program that goes on printing until it is ended.
fn ticks() -> Option<String> {
    guest("ticks", Build::Dynamic).map(|program| program.display().to_string())
}

fn record(flags: &str, command: &str) -> String {
    format!("{} record {flags} --force -o r.vmatlas -- {command}", vmatlas().display())
}

fn status(tty: &mut Tty) -> String {
    tty.line("echo status=$?.");
    tty.wait_for("status=");
    tty.wait_for(".")
}

fn report(scratch: &Scratch) -> Report {
    Report::open(Path::new(&scratch.path("r.vmatlas")))
}

#[test]
fn ctrl_c_reaches_the_program_and_the_report_is_printed() {
    let Some(ticks) = ticks() else { return };
    for user in users() {
        let scratch = Scratch::new("ctrl-c");
        let mut tty = Tty::bash(&scratch, *user);
        tty.line(&record("", &ticks));
        tty.wait_for("tick 3.");
        tty.keys("\x03");
        let printed = tty.wait_for("ready> ");
        assert!(printed.contains("twin: "), "no report: {printed}");
        assert_eq!(status(&mut tty), "130");
        let report = report(&scratch);
        assert_eq!(report.at("/run/end/signal"), 2);
        report.assert_held();
    }
}

#[test]
fn a_program_that_handles_ctrl_c_goes_on() {
    let scratch = Scratch::new("trap");
    let mut tty = Tty::bash(&scratch, User::Same);
    // Begun is what the keys must end, when nothing of it is left to be made: a shell that has not yet made its child,
    // or a child that still has the shell's handler, would take the signal and sleep on, recorded or not.
    let inner = "sh -c \"echo begun.; exec sleep 20\"";
    let script = format!("trap \"echo caught.\" INT; {inner}; echo went on; exit 4");
    tty.line(&record("-q", &format!("sh -c '{script}'")));
    tty.wait_for("begun.");
    tty.keys("\x03");
    tty.wait_for("caught.");
    tty.wait_for("went on");
    tty.wait_for("ready> ");
    assert_eq!(status(&mut tty), "4");
    report(&scratch).assert_held();
}

#[test]
fn ctrl_z_stops_both_and_fg_brings_both_back() {
    let Some(ticks) = ticks() else { return };
    for user in users() {
        let scratch = Scratch::new("ctrl-z");
        let mut tty = Tty::bash(&scratch, *user);
        tty.line(&record("-q", &ticks));
        tty.wait_for("tick 3.");
        tty.keys("\x1a");
        tty.wait_for("Stopped");
        tty.wait_for("ready> ");
        let front = children(tty.leader());
        assert_eq!(front.len(), 1, "one job");
        // The tracer is a child of the front too, in a session of its own, and goes on.
        let traced = |pid: &u32| status_field(*pid, "TracerPid").is_some_and(|tracer| tracer != "0");
        let program: Vec<u32> = children(front[0]).into_iter().filter(traced).collect();
        assert_eq!(program.len(), 1, "one program");
        for pid in [front[0], program[0]] {
            let state = status_field(pid, "State").expect("it lives");
            // A stopped program that is traced shows as "t (tracing stop)".
            assert!(state.starts_with(['T', 't']), "{pid} is in state {state}");
        }
        let printed = tty.all().len();
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(tty.all().len(), printed, "it goes on printing: {}", tty.all());
        tty.line("fg");
        tty.wait_for("tick ");
        tty.keys("\x1a");
        tty.wait_for("Stopped");
        tty.wait_for("ready> ");
        tty.line("bg; sleep 0.3; echo now.; fg");
        tty.wait_for("now.");
        tty.wait_for("tick ");
        tty.keys("\x03");
        tty.wait_for("ready> ");
        assert_eq!(status(&mut tty), "130");
        let report = report(&scratch);
        assert_eq!(report.at("/run/end/signal"), 2);
        report.assert_held();
    }
}

#[test]
fn a_shell_that_runs_one_command_after_another_can_be_stopped_at_any_moment() {
    let scratch = Scratch::new("vfork-stop");
    let mut tty = Tty::bash(&scratch, User::Same);
    tty.line(&record("-q", "sh -c 'echo begun.; while :; do /bin/true; done'"));
    tty.wait_for("begun.");
    for round in 0..8 {
        // Most moments are between a vfork and its exec, in which the maker cannot be stopped.
        std::thread::sleep(Duration::from_millis(100 + round * 7));
        tty.keys("\x1a");
        tty.wait_for("Stopped");
        tty.wait_for("ready> ");
        tty.line("fg");
        tty.wait_for_job();
    }
    std::thread::sleep(Duration::from_millis(300));
    tty.keys("\x03");
    tty.wait_for("ready> ");
    report(&scratch).assert_held();
}

#[test]
fn a_stop_of_the_program_alone_stops_the_job() {
    let scratch = Scratch::new("stop");
    let mut tty = Tty::bash(&scratch, User::Same);
    tty.line(&record("-q", "sh -c 'kill -STOP $$; echo went on; exit 6'"));
    tty.wait_for("Stopped");
    tty.wait_for("ready> ");
    tty.line("fg");
    tty.wait_for("went on");
    tty.wait_for("ready> ");
    assert_eq!(status(&mut tty), "6");
    report(&scratch).assert_held();
}

#[test]
fn a_password_is_read_from_the_terminal() {
    let Some(program) = guest("password", Build::Dynamic) else { return };
    for user in users() {
        let scratch = Scratch::new("password");
        let mut tty = Tty::start(&scratch, *user, &["sh", "-c", &record("-q", &program.to_string_lossy())]);
        tty.wait_for("password: ");
        tty.line("open sesame");
        tty.wait_for("11 letters");
        assert!(!tty.all().contains("sesame"), "it was echoed: {}", tty.all());
        assert!(tty.end().success());
        report(&scratch).assert_held();
    }
}

#[test]
fn a_reader_in_the_background_is_stopped_until_fg() {
    let scratch = Scratch::new("background");
    let mut tty = Tty::bash(&scratch, User::Same);
    tty.line(&format!("{} &", record("-q", "sh -c 'read line; echo got $line.'")));
    tty.wait_for("ready> ");
    until("the job has stopped", || {
        tty.line("jobs; echo asked.");
        tty.wait_for("asked.").contains("Stopped").then_some(())
    });
    tty.wait_for("ready> ");
    tty.line("fg");
    tty.wait_for_job();
    tty.line("a word");
    tty.wait_for("got a word.");
    tty.wait_for("ready> ");
    report(&scratch).assert_held();
}

#[test]
fn a_shell_in_the_shell_has_jobs_of_its_own() {
    let scratch = Scratch::new("nested");
    let mut tty = Tty::bash(&scratch, User::Same);
    tty.line(&format!("PS1='inner> ' {}", record("-q", "bash --norc --noprofile --noediting -i")));
    tty.wait_for("inner> ");
    // Begun is what the keys must stop: a shell that has not yet made its child would not heed them.
    tty.line("sh -c 'echo begun.; exec sleep 100'");
    tty.wait_for("begun.");
    tty.keys("\x1a");
    tty.wait_for("Stopped");
    tty.wait_for("inner> ");
    tty.line("kill -KILL %1; wait %1; stty -echo; exit 7");
    tty.wait_for("ready> ");
    assert_eq!(status(&mut tty), "7");
    report(&scratch).assert_held();
}

#[test]
fn a_terminal_that_goes_away_ends_the_program_and_the_recording() {
    let Some(ticks) = ticks() else { return };
    let scratch = Scratch::new("hangup");
    let mut tty = Tty::bash(&scratch, User::Same);
    tty.line(&record("-q", &ticks));
    tty.wait_for("tick 3.");
    // The leader of the session dies: the kernel hangs up on the job in the foreground.
    drop(tty);
    let report = until("the end of the recording", || {
        let report = report(&scratch);
        report.at("/recording/incomplete").is_null().then_some(report)
    });
    report.assert_held();
}
