//! How a recorded program ends: by each signal, with children left over, as a daemon.

use std::fs;
use std::path::Path;

use crate::guest::{Build, guest};
use crate::recording::Report;
use crate::run::{Run, until, users};
use crate::scratch::Scratch;

#[test]
fn each_signal_that_kills_is_passed_on() {
    let Some(program) = guest("kill_self", Build::Dynamic) else { return };
    for signal in [1, 2, 3, 6, 9, 11, 13, 14, 15, 24, 31, 34] {
        let scratch = Scratch::new("signal");
        let number = signal.to_string();
        let words = [program.as_os_str(), number.as_ref()];
        let (ran, report) = Run::new(&scratch, words).same_recorded();
        assert_eq!(ran.shell_status(), 128 + signal, "{}", ran.stderr);
        assert_eq!(report.at("/run/end/signal"), signal);
        report.assert_held();
    }
}

#[test]
fn a_shell_sees_the_signal() {
    let scratch = Scratch::new("term");
    let (ran, _) = Run::new(&scratch, ["sh", "-c", "kill -TERM $$"]).same_recorded();
    assert_eq!(ran.shell_status(), 143);
}

#[test]
fn a_leftover_child_does_not_hold_the_shell_back_and_is_recorded_to_its_end() {
    let Some(program) = guest("leftover", Build::Dynamic) else { return };
    for user in users() {
        let scratch = Scratch::new("leftover");
        let run = Run::new(&scratch, [program.as_path(), Path::new("go")]).user(*user);
        // The leftover ends later than this: who waited for it would wait too long.
        let ran = run.recorded();
        assert_eq!(ran.shell_status(), 3, "{}", ran.stderr);
        until("the leftover", || {
            let report = Report::open(&run.recording());
            let leftover = report.list("/processes").get(1).map(|process| process["end"].clone());
            leftover.inspect(|end| assert_eq!(*end, "running"))
        });
        fs::write(scratch.path("go"), "").expect("our own folder");
        let report = until("the end of the recording", || {
            let report = Report::open(&run.recording());
            report.at("/recording/incomplete").is_null().then_some(report)
        });
        report.assert_held();
        report.assert_processes(2);
        assert!(report.number("/run/duration_ns") > 1_900_000_000, "the leftover ran two seconds");
    }
}

#[test]
fn with_wait_the_leftover_is_waited_for() {
    let Some(program) = guest("leftover", Build::Dynamic) else { return };
    let scratch = Scratch::new("wait");
    let run = Run::new(&scratch, [&program]).flags(&["--wait", "-q"]);
    assert_eq!(run.recorded().shell_status(), 3);
    let report = Report::open(&run.recording());
    report.assert_held();
    report.assert_processes(2);
}

#[test]
fn a_daemon_lives_on_and_does_its_work() {
    let Some(program) = guest("daemon", Build::Dynamic) else { return };
    for user in users() {
        let scratch = Scratch::new("daemon");
        let (mark, go) = (scratch.path("mark"), scratch.path("go"));
        let run = Run::new(&scratch, [&program, &mark, &go]).user(*user);
        // Who waited for the daemon would wait too long.
        assert!(run.recorded().status.success());
        assert!(!mark.exists(), "nothing has let the daemon go");
        fs::write(&go, "").expect("our own folder");
        until("the daemon's mark", || mark.exists().then_some(()));
    }
}

#[test]
fn what_still_ran_when_the_report_was_made_is_said_so() {
    let Some(program) = guest("leftover", Build::Dynamic) else { return };
    let scratch = Scratch::new("still");
    let run = Run::new(&scratch, [program.as_path(), Path::new("go")]);
    let run = run.flags(&["--report", "report.json", "--json"]);
    let ran = run.recorded();
    fs::write(scratch.path("go"), "").expect("our own folder");
    assert_eq!(ran.shell_status(), 3);
    assert!(ran.stderr.contains("still being recorded"), "{}", ran.stderr);
    let report: serde_json::Value = serde_json::from_str(&scratch.read("report.json")).expect("JSON");
    let processes = report["processes"].as_array().expect("a list");
    assert_eq!(processes.len(), 2, "{report:#}");
    assert_eq!(processes[1]["end"], "running", "{report:#}");
}
