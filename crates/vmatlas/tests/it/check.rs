//! `vmatlas check`: programs with the twin beside them, as root and as an ordinary user.

use std::path::Path;

use serde_json::Value;

use crate::guest::{Build, guest};
use crate::run::{Run, User, has, users, vmatlas};
use crate::scratch::Scratch;

/// Guests that end by themselves, without arguments and input.
const GUESTS: &[&str] = &[
    "alt_stack",
    "clone3_thread",
    "deleted_file",
    "exec_from_thread",
    "exec_self",
    "exit_group_busy",
    "fork",
    "grows_down",
    "hello",
    "huge_zeroes",
    "leftover",
    "memfd",
    "mmap_loop",
    "no_new_privs",
    "odd_names",
    "overlapping",
    "own_filter",
    "own_listener",
    "recursion",
    "sysv_shm",
    "threads64",
    "userfault",
    "vfork_exec",
];

/// Checks a command and returns the report.
fn check(scratch: &Scratch, user: User, command: &[&Path]) -> Value {
    check_with(scratch, user, &[], command)
}

fn check_with(scratch: &Scratch, user: User, options: &[&str], command: &[&Path]) -> Value {
    let mut words = vec![vmatlas(), Path::new("check"), Path::new("--json")];
    words.extend(options.iter().map(Path::new));
    words.push(Path::new("--"));
    words.extend(command);
    let ran = Run::new(scratch, words).user(user).alone();
    let report: Value = serde_json::from_str(&ran.stderr)
        .unwrap_or_else(|error| panic!("{command:?} as {user:?}: {error}: {}", ran.stderr));
    assert_eq!(report["schema"], "vmatlas.check/1");
    assert_eq!(report["diverged"], 0, "{command:?} as {user:?}: {report:#}");
    assert_eq!(report["unmodelled"], Value::Array(Vec::new()), "{command:?} as {user:?}");
    assert_eq!(ran.shell_status(), 0, "{command:?} as {user:?}");
    report
}

#[test]
fn no_guest_diverges() {
    for user in users() {
        for name in GUESTS {
            let Some(program) = guest(name, Build::Dynamic) else { return };
            let report = check(&Scratch::new("check"), *user, &[&program]);
            let count = |name: &str| report[name].as_u64().expect("a count");
            assert!(count("calls") > 5 && count("maps_compared") + count("ranges_compared") > 5, "{name}");
        }
    }
}

/// One thread is inside an `mlock` that has split its mapping while the other makes calls: which came first is not
/// seen, and each is predicted all the same.
#[test]
fn calls_of_two_threads_at_once_are_put_in_order() {
    let Some(program) = guest("overlapping", Build::Dynamic) else { return };
    let report = check(&Scratch::new("check"), User::Same, &[&program]);
    if crate::run::is_root() {
        assert!(report["order_uncertain"].as_u64() > Some(0), "{report:#}");
    }
    assert_eq!(report["ranges_left_out"], 0, "nothing was half done: {report:#}");
}

#[test]
fn real_programs_do_not_diverge() {
    let programs: &[&[&str]] = &[
        &["python3", "-c", "import json, ssl, sqlite3"],
        &["node", "-e", "console.log([...Array(100000).keys()].map(String).length)"],
        &["sh", "-c", "for i in 1 2 3 4 5 6 7 8; do /bin/true; done"],
        &["git", "--version"],
    ];
    for words in programs {
        if !has(words[0]) {
            continue;
        }
        for user in users() {
            let command: Vec<&Path> = words.iter().map(Path::new).collect();
            let report = check(&Scratch::new("check-real"), *user, &command);
            assert!(report["predicted"].as_u64() > Some(10), "{words:?}");
        }
    }
}

#[test]
fn the_pages_of_every_guest_are_predicted_or_asked_for_a_reason() {
    for user in users() {
        for name in GUESTS {
            let Some(program) = guest(name, Build::Dynamic) else { return };
            let scratch = Scratch::new("check-pages");
            let report = check_with(&scratch, *user, &["--pages"], &[&program]);
            let count = |name: &str| report[name].as_u64().expect("a count");
            assert!(count("pages_compared") > 100, "{name}");
            assert_eq!(count("pages_differing"), 0, "{name} as {user:?}: {}", report["pages_differ"]);
            let sees_all =
                crate::run::is_root() && *user == User::Same && sys::perf::FaultTracepoints::find().is_ok();
            if sees_all && name != &"userfault" {
                assert_eq!(count("pages_resynced_anon"), 0, "{name}: {}", report["pages_resynced_by"]);
            }
        }
    }
}

#[test]
fn a_saved_program_runs_again() {
    let scratch = Scratch::new("check-replay");
    let file = scratch.path("one.calls");
    std::fs::write(&file, "0 call 11 0x200000000 0x1000 0 0 0 0\n").expect("our own folder");
    let words = [vmatlas(), Path::new("check"), Path::new("--replay"), &file];
    let ran = Run::new(&scratch, words).alone();
    assert_eq!(ran.shell_status(), 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("twin and kernel do the same"), "{}", ran.stderr);
    std::fs::write(&file, "0 jump\n").expect("our own folder");
    let ran = Run::new(&scratch, words).alone();
    assert_eq!(ran.shell_status(), 1);
    assert!(ran.stderr.contains("line 1: 0 jump"), "{}", ran.stderr);
}
