//! `vmatlas check`: programs with the twin beside them, as root and as an ordinary user.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::guest::{Build, guest};
use crate::run::{Ran, Run, User, has, until, users, vmatlas, wait};
use crate::scratch::Scratch;

/// Guests that end by themselves, without arguments and input.
const GUESTS: &[&str] = &[
    "alt_stack",
    "clone3_thread",
    "deleted_file",
    "descriptions",
    "edges",
    "exec_from_thread",
    "exec_self",
    "exit_group_busy",
    "fork",
    "fork_beside",
    "grows_down",
    "hello",
    "huge_pages",
    "huge_zeroes",
    "layouts",
    "leftover",
    "locks",
    "memfd",
    "mmap_loop",
    "no_new_privs",
    "odd_names",
    "overlapping",
    "own_filter",
    "own_listener",
    "recursion",
    "rings",
    "sysv_shm",
    "threads64",
    "untraced",
    "userfault",
    "vfork_exec",
    "whose_limits",
];

/// Checks a command and returns the report.
fn check(scratch: &Scratch, user: User, command: &[&Path]) -> Value {
    check_with(scratch, user, &[], command)
}

fn check_with(scratch: &Scratch, user: User, options: &[&str], command: &[&Path]) -> Value {
    let (ran, report) = run(scratch, user, options, command);
    assert_eq!(report["diverged"], 0, "{command:?} as {user:?}: {report:#}");
    assert_eq!(report["unmodelled"], Value::Array(Vec::new()), "{command:?} as {user:?}");
    assert_eq!(ran.shell_status(), 0, "{command:?} as {user:?}");
    report
}

/// Checks a command, whatever is found.
fn run(scratch: &Scratch, user: User, options: &[&str], command: &[&Path]) -> (Ran, Value) {
    let mut words = vec![vmatlas(), Path::new("check"), Path::new("--json")];
    words.extend(options.iter().map(Path::new));
    words.push(Path::new("--"));
    words.extend(command);
    let ran = Run::new(scratch, words).user(user).alone();
    let report: Value = serde_json::from_str(&ran.stderr)
        .unwrap_or_else(|error| panic!("{command:?} as {user:?}: {error}: {}", ran.stderr));
    assert_eq!(report["schema"], "vmatlas.check/1");
    (ran, report)
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

/// The copies by which open files are told apart are no more than the mappings keep anyway: locks go when they would, pipes
/// end.
#[test]
fn a_program_sees_its_open_files_as_it_does_alone() {
    let Some(program) = guest("descriptions", Build::Dynamic) else { return };
    for user in users() {
        let scratch = Scratch::new("check-descriptions");
        let alone = Run::new(&scratch, [&program]).user(*user).alone();
        let words = [vmatlas(), Path::new("check"), Path::new("--"), &program];
        let checked = Run::new(&scratch, words).user(*user).alone();
        assert_eq!((alone.shell_status(), checked.shell_status()), (0, 0), "{}", checked.stderr);
        assert_eq!(alone.stdout, checked.stdout, "{user:?}");
        assert!(alone.stdout.contains("locks moved over yes free yes"), "{}", alone.stdout);
    }
}

#[test]
fn the_whole_map_is_compared_as_often_as_every_says() {
    let Some(program) = guest("mmap_loop", Build::Dynamic) else { return };
    let check = |every: &str| {
        let words: &[&Path] = &[&program, Path::new("300")];
        check_with(&Scratch::new("check-every"), User::Same, &["--every", every], words)
    };
    let (always, seldom) = (check("1"), check("100"));
    let count = |report: &Value, name: &str| report[name].as_u64().expect("a count");
    for report in [&always, &seldom] {
        assert!(count(report, "predicted") > 600, "{report:#}");
    }
    assert!(count(&always, "maps_compared") >= count(&always, "predicted"), "{always:#}");
    assert_eq!(count(&always, "ranges_compared"), 0, "{always:#}");
    // Besides: at exec and at the end.
    assert!((6..20).contains(&count(&seldom, "maps_compared")), "{seldom:#}");
    assert!(count(&seldom, "ranges_compared") > 500, "{seldom:#}");
}

/// A call of 32 bits is not modelled: what it did is taken over when it is over, and the calls after it are predicted.
#[test]
fn a_call_of_32_bits_is_taken_over_when_it_is_over() {
    let Some(program) = guest("i386_calls", Build::Dynamic) else { return };
    for user in users() {
        let scratch = Scratch::new("check-i386");
        let words = [vmatlas(), Path::new("check"), Path::new("--json"), Path::new("--"), &program];
        let ran = Run::new(&scratch, words).user(*user).alone();
        if ran.stdout.starts_with("no calls of 32 bits") {
            println!("SKIPPED: a call of 32 bits, the kernel has none");
            return;
        }
        assert_eq!(ran.stdout, "mapped 0 0 0\n", "{user:?}");
        let report: Value = serde_json::from_str(&ran.stderr).expect("--json prints JSON");
        assert_eq!(report["diverged"], 0, "{user:?}: {report:#}");
        assert_eq!(report["unmodelled"].as_array().map(Vec::len), Some(1), "{user:?}: {report:#}");
        assert_eq!(ran.shell_status(), 3, "{user:?}: {report:#}");
    }
}

/// One thread is inside an `mlock` that has split its mapping while the other makes calls: which came first is not
/// seen, and each of these is predicted all the same. What the `mlock` answers is an input, for a userfaultfd has its pages:
/// its own ranges are left to its end.
#[test]
fn calls_of_two_threads_at_once_are_put_in_order() {
    let Some(program) = guest("overlapping", Build::Dynamic) else { return };
    let report = check(&Scratch::new("check"), User::Same, &[&program]);
    if crate::run::is_root() {
        assert!(report["order_uncertain"].as_u64() > Some(0), "{report:#}");
    }
    let locked = report["inputs"]["mlock"].as_u64().unwrap_or(0);
    assert_eq!(
        report["ranges_left_out"].as_u64() > Some(0),
        locked > 0,
        "nothing else was half done: {report:#}"
    );
}

/// A fork is held while another thread maps memory, from after its copy to the moment at which the child is told of: the
/// child has the map from before.
#[test]
fn a_child_has_the_map_of_the_moment_at_which_it_was_copied() {
    let Some(program) = guest("fork_held", Build::Dynamic) else { return };
    let report = check(&Scratch::new("check"), User::Same, &[&program]);
    if crate::run::is_root() {
        assert_eq!(report["order_uncertain"], 2, "{report:#}");
    }
}

/// What happens after the last call is compared when the memory is left: at an end, though nobody may open its map any more, and
/// before another program is executed. A call of another thread that changes no map hides no difference.
#[test]
fn what_no_call_follows_is_compared_at_the_last_moment() {
    let Some(program) = guest("ring_advises", Build::Dynamic) else { return };
    // A call of the kernel's on an ordinary user's memory is not held by his userfaultfd.
    let ways = |user| {
        ["ends", "hides", "executes", "beside"].map(|how| (user, how)).into_iter().take(match user {
            User::Same => 4,
            User::Ordinary => 3,
        })
    };
    for (user, how) in users().iter().flat_map(|user| ways(*user)) {
        let words: &[&Path] = &[&program, Path::new(how)];
        let (ran, report) = run(&Scratch::new("check-last"), user, &[], words);
        if ran.stdout == "no ring\n" {
            println!("SKIPPED: a change that no call tells, {user:?} gets no io_uring or userfaultfd here");
            continue;
        }
        assert_eq!(
            (ran.shell_status(), &report["diverged"]),
            (3, &Value::from(1)),
            "{user:?} {how}: {report:#}"
        );
    }
}

/// Of a program of 32 bits nothing is compared, and the report says so though it makes no memory call.
#[test]
fn a_program_of_32_bits_is_not_taken_for_checked() {
    let Some(program) = guest("ends32", Build::ThirtyTwo) else { return };
    for user in users() {
        let (ran, report) = run(&Scratch::new("check-32"), *user, &[], &[&program]);
        let unmodelled = serde_json::json!([{ "call": "a program of 32 bits", "count": 1 }]);
        assert_eq!((ran.shell_status(), &report["unmodelled"]), (3, &unmodelled), "{user:?}: {report:#}");
    }
}

/// A process is killed inside a call on a memory that another has too, which goes on: what the call did by then is asked for
/// once, and all that follows is compared.
#[test]
fn a_call_that_its_process_does_not_live_to_see_the_end_of_is_settled() {
    let Some(program) = guest("killed_inside", Build::Dynamic) else { return };
    for (user, how) in users().iter().flat_map(|user| ["brings", "maps"].map(|how| (*user, how))) {
        let words: &[&Path] = &[&program, Path::new(how)];
        let report = check_with(&Scratch::new("check-killed"), user, &["--pages"], words);
        let count = |name: &str| report[name].as_u64().expect("a count");
        assert!(count("calls") > 100 && count("pages_anon") > 1000, "{user:?} {how}: {report:#}");
        assert_eq!(count("order_uncertain") + count("ranges_left_out"), 0, "{user:?} {how}: {report:#}");
        assert_eq!(count("pages_differing"), 0, "{user:?} {how}: {report:#}");
        assert!(count("pages_moving") * 10 < count("pages_anon"), "{user:?} {how}: {report:#}");
    }
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
            // khugepaged joins the pages of some when it likes, and free memory decides: which is asked for by its name. And
            // one has the kernel write where the program only reads (docs/check.md, Limits).
            let asks = ["userfault", "huge_pages", "huge_zeroes", "whose_limits"].contains(name);
            if sees_all && !asks {
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

/// `timeout` and the like end the program by way of vmatlas, and the report is finished.
#[test]
fn a_check_that_is_ended_reports_all_the_same() {
    for signal in [Signal::TERM, Signal::ALARM] {
        let scratch = Scratch::new("check-ended");
        let words =
            ["check", "--json", "--report", "report.json", "--", "sh", "-c", "echo > begun; exec sleep 100"];
        let words = [&[vmatlas().to_str().expect("a plain path")][..], &words].concat();
        let mut child = Run::new(&scratch, words).start_alone(Stdio::null());
        until("the program", || scratch.path("begun").exists().then_some(()));
        kill_process(Pid::from_child(&child), signal).expect("it lives");
        let status = wait(&mut child, Duration::from_secs(60), "check");
        assert!(status.success(), "{status:?}");
        let report: Value = serde_json::from_str(&scratch.read("report.json")).expect("--json prints JSON");
        assert_eq!(
            (&report["diverged"], &report["processes"]),
            (&Value::from(0), &Value::from(1)),
            "{report:#}"
        );
    }
}

/// The same where the program has ended, and what it left is waited for: the report has what was seen by then. `timeout` sends its
/// signal twice.
#[test]
fn a_check_that_is_ended_while_it_waits_for_what_is_left_reports_all_the_same() {
    for signal in [Signal::TERM, Signal::INT] {
        let scratch = Scratch::new("check-left");
        let words = ["check", "--json", "--report", "report.json", "--", "sh", "-c"];
        let words = [&[vmatlas().to_str().expect("a plain path")][..], &words].concat();
        let script = "sleep 100 & echo $! > sleeps; echo $$ > began";
        let mut child = Run::new(&scratch, [&words[..], &[script]].concat()).start_alone(Stdio::null());
        let number =
            |name: &str| std::fs::read_to_string(scratch.path(name)).ok()?.trim().parse::<i32>().ok();
        let began = until("the program", || number("began"));
        until("its end", || (!Path::new(&format!("/proc/{began}")).exists()).then_some(()));
        for _ in 0..2 {
            kill_process(Pid::from_child(&child), signal).expect("it is waited for");
        }
        let status = wait(&mut child, Duration::from_secs(60), "check");
        let sleeps = number("sleeps").and_then(Pid::from_raw).expect("it was written before");
        kill_process(sleeps, Signal::KILL).expect("nobody else ended it");
        assert!(status.success(), "{status:?}");
        let report: Value = serde_json::from_str(&scratch.read("report.json")).expect("--json prints JSON");
        assert_eq!(
            (&report["diverged"], &report["processes"]),
            (&Value::from(0), &Value::from(2)),
            "{report:#}"
        );
    }
}

#[test]
fn a_report_is_not_written_over_and_its_place_is_tried_first() {
    let scratch = Scratch::new("check-report");
    std::fs::write(scratch.path("there"), "precious").expect("our own folder");
    let check = |args: &[&str]| {
        let words = [&[vmatlas().to_str().expect("a plain path"), "check"][..], args].concat();
        Run::new(&scratch, words).alone()
    };
    for (place, complaint) in [("there", "--force"), ("no/such/file", "no/such/file")] {
        let ran = check(&["--report", place, "--", "sh", "-c", "echo ran"]);
        assert_eq!((ran.shell_status(), ran.stdout.as_str()), (1, ""), "{}", ran.stderr);
        assert!(ran.stderr.contains(complaint) && ran.stderr.lines().count() == 1, "{}", ran.stderr);
    }
    assert_eq!(scratch.read("there"), "precious");
    let ran = check(&["--report", "there", "--force", "--", "sh", "-c", "echo ran"]);
    assert_eq!((ran.shell_status(), ran.stdout.as_str(), ran.stderr.as_str()), (0, "ran\n", ""));
    assert!(scratch.read("there").contains("0 diverged"), "{}", scratch.read("there"));
}

#[test]
fn without_permission_to_trace_it_says_so() {
    let Some(forbids) = guest("no_ptrace", Build::Dynamic) else { return };
    for user in users() {
        let scratch = Scratch::new("no-ptrace");
        let words = [&forbids, vmatlas(), Path::new("check"), Path::new("--"), Path::new("true")];
        let ran = Run::new(&scratch, words).user(*user).alone();
        assert_eq!(ran.shell_status(), 1, "{user:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("can't be traced: ptrace"), "{user:?}: {}", ran.stderr);
        assert_eq!(ran.stderr.lines().count(), 1, "{user:?}: {}", ran.stderr);
    }
}

/// In a user namespace of its own root's capabilities do not lift the limits of memory, and there is no network.
#[test]
fn a_container_without_privilege_and_network_is_no_other() {
    let scratch = Scratch::new("container");
    let alone = Run::new(&scratch, ["unshare", "--user", "--map-root-user", "--net", "true"]).alone();
    if !has("unshare") || !alone.status.success() {
        println!("SKIPPED: check in a container, user namespaces can't be made here");
        return;
    }
    let Some(locks) = guest("locks", Build::Dynamic) else { return };
    let words = ["unshare", "--user", "--map-root-user", "--net"].map(Path::new);
    let words = [&words[..], &[vmatlas(), Path::new("check"), Path::new("--"), &locks]].concat();
    let ran = Run::new(&scratch, words).alone();
    assert_eq!(ran.shell_status(), 0, "{}", ran.stderr);
    assert!(ran.stderr.contains(" 0 diverged"), "{}", ran.stderr);
    assert_eq!(ran.stdout, "locked ENOMEM EPERM EPERM\n");
}
