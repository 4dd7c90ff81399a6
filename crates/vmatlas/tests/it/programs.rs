//! Real programs, recorded as root and as an ordinary user: the same status and output as without vmatlas, and a twin
//! that holds every mapping. `VMATLAS_TESTS=full` makes the inputs larger.

use std::fs;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::guest::{Build, guest};
use crate::list::{self, Program, size};
use crate::recording::Report;
use crate::run::{Run, User, has, until, users, wait};
use crate::scratch::Scratch;

/// Whether a program's processes make memory calls from several threads at the same time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Threads {
    One,
    Many,
}

/// Runs a program with and without vmatlas, as every user.
fn same(program: &Program, threads: Threads, look: impl Fn(&Report)) {
    for user in users() {
        let Some(scratch) = program.folder() else { return };
        let words = &program.words;
        let run = Run::new(&scratch, words).user(*user).limit(Duration::from_secs(size(120, 600)));
        let (ran, report) = run.same_recorded();
        assert_eq!(ran.shell_status(), 0, "{words:?} as {user:?}: {} {}", ran.stdout, ran.stderr);
        match threads {
            Threads::One => report.assert_held(),
            Threads::Many => report.assert_held_but_for_races(),
        }
        look(&report);
    }
}

#[test]
fn python() {
    same(&list::python(), Threads::One, |report| {
        assert!(report.calls("mmap") > 50);
        assert!(report.kind_size("heap") > 0);
    });
}

#[test]
fn node() {
    same(&list::node(), Threads::Many, |report| assert!(report.number("/run/threads") > 2));
}

#[test]
fn java() {
    if !has("java") {
        return;
    }
    for program in [list::javac(), list::java()] {
        same(&program, Threads::Many, |report| assert!(report.number("/run/threads") > 5));
    }
}

#[test]
fn rustc() {
    let Some(rustc) = list::rustc() else { return };
    same(&rustc, Threads::Many, |report| assert!(report.number("/run/processes") > 1));
}

#[test]
fn gcc() {
    same(&list::gcc(), Threads::One, |report| {
        assert!(report.number("/run/processes") >= 4, "driver, compiler, assembler, linker");
    });
}

#[test]
fn sqlite() {
    same(&list::sqlite(), Threads::One, |report| assert!(report.calls("munmap") > 3));
}

#[test]
fn sort() {
    same(&list::sort(), Threads::Many, |report| {
        assert!(report.number("/run/threads") > report.number("/run/processes"), "sort has a second thread");
    });
}

#[test]
fn git() {
    same(&list::git(), Threads::One, |report| assert!(report.number("/run/processes") > 4));
}

#[test]
fn a_shell_loop_with_200_children() {
    same(&list::children(), Threads::One, |report| report.assert_processes(201));
}

#[test]
fn redis_under_its_benchmark() {
    if !has("redis-server") || !has("redis-benchmark") {
        return;
    }
    for user in users() {
        let scratch = Scratch::new("redis");
        let words = [
            "redis-server",
            "--port",
            "0",
            "--unixsocket",
            "socket",
            "--unixsocketperm",
            "777",
            "--save",
            "",
        ];
        let words = [&words[..], &["--pidfile", "pid", "--daemonize", "no", "--logfile", "log"]].concat();
        let run = Run::new(&scratch, words).user(*user);
        let mut server = run.start_recorded();
        let pid = until("the server", || {
            let pid = fs::read_to_string(scratch.path("pid")).ok()?;
            scratch.path("socket").exists().then(|| pid.trim().parse::<i32>().ok())?
        });
        let requests = size("2000", "100000");
        let benchmark =
            ["redis-benchmark", "-s", "socket", "-n", requests, "-q", "-t", "set,get,lpush,lrange_100"];
        let load = Run::new(&scratch, benchmark).limit(Duration::from_secs(120)).alone();
        assert!(load.status.success(), "{}", load.stderr);
        kill_process(Pid::from_raw(pid).expect("not 0"), Signal::TERM).expect("the server lives");
        let status = wait(&mut server, Duration::from_secs(60), "the server");
        assert!(status.success(), "{status:?} as {user:?}");
        let report = Report::open(&run.recording());
        report.assert_held_but_for_races();
        assert!(report.number("/run/threads") > 2, "its background threads");
        assert_eq!(report.at("/run/end/exit"), 0);
    }
}

#[test]
fn many_threads_and_many_execs_at_once() {
    let Some(threads) = guest("threads64", Build::Dynamic) else { return };
    let Some(execs) = guest("exec_self", Build::Dynamic) else { return };
    let script = format!("{} > /dev/null & {} & wait $!; echo $?; wait", threads.display(), execs.display());
    same(&list::shell("both", &script), Threads::Many, |report| {
        report.assert_processes(3);
        assert_eq!(report.number("/run/threads"), 67);
    });
}

#[test]
fn the_report_of_a_run_reads_as_one() {
    let scratch = Scratch::new("read");
    let ran = Run::new(&scratch, ["sh", "-c", "echo out"])
        .flags(&["--color", "never"])
        .user(User::Ordinary)
        .recorded();
    assert_eq!(ran.stdout, "out\n");
    for words in ["sh -c 'echo out'", "twin: ", "main stack", "libc.so.6"] {
        assert!(ran.stderr.contains(words), "{words:?} is not in:\n{}", ran.stderr);
    }
}
