//! What vmatlas inherits from the one who starts it neither hinders it nor is lost on the way to the program.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::guest::{Build, guest};
use crate::run::{Ran, Run, User, has, until, vmatlas, wait};
use crate::scratch::Scratch;

/// Runs a command alone and recorded below a Python prologue.
fn below(prologue: &str, command: &[&str]) -> Option<(Ran, Ran)> {
    if !has("python3") {
        return None;
    }
    let scratch = Scratch::new("inherited");
    let code = format!("import os, resource, signal, sys\n{prologue}\nos.execvp(sys.argv[1], sys.argv[1:])");
    let vmatlas = vmatlas().to_str().expect("a plain path");
    let record = [vmatlas, "record", "-q", "--force", "-o", "r.vmatlas", "--"];
    let run = |words: &[&str]| Run::new(&scratch, [&["python3", "-c", &code], words].concat()).alone();
    let alone = run(command);
    let recorded = run(&[&record, command].concat());
    Some((alone, recorded))
}

fn assert_same(prologue: &str, command: &[&str]) {
    let Some((alone, recorded)) = below(prologue, command) else { return };
    assert_eq!(recorded.status, alone.status, "{prologue}: {}", recorded.stderr);
    assert_eq!(recorded.stdout, alone.stdout, "{prologue}: {}", recorded.stderr);
    assert_eq!(recorded.stderr, alone.stderr, "{prologue}");
}

#[test]
fn ignored_children_do_not_lose_the_status() {
    let ignore = "signal.signal(signal.SIGCHLD, signal.SIG_IGN)";
    assert_same(ignore, &["sh", "-c", "exit 5"]);
    assert_same(ignore, &["sh", "-c", "grep -E 'Sig(Blk|Ign|Cgt)' /proc/self/status"]);
}

#[test]
fn blocked_signals_stay_blocked() {
    let block = "signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())";
    assert_same(block, &["sh", "-c", "grep -E 'Sig(Blk|Ign|Cgt)' /proc/self/status; exit 6"]);
    assert_same(block, &["sh", "-c", "kill -KILL $$"]);
}

#[test]
fn default_and_ignored_signals_stay_so() {
    // Python ignores SIGPIPE itself and puts it back for its children only if asked.
    assert_same(
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)",
        &["sh", "-c", "grep -E 'Sig(Blk|Ign|Cgt)' /proc/self/status"],
    );
    assert_same(
        "signal.signal(signal.SIGPIPE, signal.SIG_DFL)",
        &["sh", "-c", "grep -E 'Sig(Blk|Ign|Cgt)' /proc/self/status"],
    );
}

#[test]
fn scheduling_and_limits_reach_the_program() {
    let Some(program) = guest("surroundings", Build::Dynamic) else { return };
    let program = program.to_str().expect("a plain path");
    for prologue in [
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})",
        "os.nice(5)",
        "os.umask(0o27)",
        "resource.setrlimit(resource.RLIMIT_STACK, (1 << 20, 1 << 20))",
        "resource.setrlimit(resource.RLIMIT_NOFILE, (40, 50))",
        "resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0))",
        "resource.setrlimit(resource.RLIMIT_CORE, (0, 0))",
    ] {
        assert_same(prologue, &[program]);
    }
}

#[test]
fn a_limit_on_file_size_ends_the_recording_not_the_program() {
    let Some(program) = guest("children200", Build::Dynamic) else { return };
    let program = program.to_str().expect("a plain path");
    let limit = "resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))";
    let Some((alone, recorded)) = below(limit, &[program]) else { return };
    assert_eq!(recorded.status, alone.status, "{}", recorded.stderr);
    assert_eq!(recorded.stdout, alone.stdout);
    assert_eq!(recorded.stderr.lines().count(), 1, "one line: {}", recorded.stderr);
}

#[test]
fn a_signal_to_vmatlas_is_one_to_the_program() {
    let scratch = Scratch::new("timeout");
    let vmatlas = vmatlas().to_str().expect("a plain path");
    let words = ["timeout", "100", vmatlas, "record", "-q", "-o", "r.vmatlas", "--", "sh", "-c"];
    let script = "trap 'echo asked to end; exit 9' TERM; echo > begun; while :; do sleep 0.1; done";
    let run = Run::new(&scratch, [&words[..], &[script]].concat()).user(User::Ordinary);
    let mut timeout = run.start_alone(Stdio::null());
    until("the program's trap", || scratch.path("begun").exists().then_some(()));
    // Its time is over.
    kill_process(Pid::from_child(&timeout), Signal::ALARM).expect("it is our child");
    let status = wait(&mut timeout, Duration::from_secs(60), "timeout");
    assert_eq!(scratch.read("alone.stdout"), "asked to end\n", "{}", scratch.read("alone.stderr"));
    assert_eq!(status.code(), Some(124), "{}", scratch.read("alone.stderr"));
    crate::recording::Report::open(&scratch.path("r.vmatlas")).assert_held();
}

#[test]
fn vmatlas_inside_vmatlas_says_why_not() {
    let scratch = Scratch::new("nested");
    let vmatlas = vmatlas().to_str().expect("a plain path");
    let run = Run::new(&scratch, [vmatlas, "record", "-q", "-o", "inner.vmatlas", "--", "echo", "ran"]);
    let ran = run.recorded();
    assert!(!ran.status.success());
    assert_eq!(ran.stdout, "");
    assert_eq!(ran.stderr.lines().count(), 1, "one line: {}", ran.stderr);
}
