//! What a program can see of being recorded: each line of `docs/what-vmatlas-changes.md` has its test here, by the same
//! name, and so has what must stay as it is.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use crate::guest::{Build, guest};
use crate::killed::{status_field, tracer_of};
use crate::run::{Ran, Run, User, has, is_root, until, users, wait};
use crate::scratch::Scratch;

/// Runs a guest alone and recorded as this user and returns what it printed each time.
fn both(name: &str, user: User) -> Option<(Ran, Ran)> {
    let program = guest(name, Build::Dynamic)?;
    let scratch = Scratch::new(name);
    let run = Run::new(&scratch, [&program]).user(user);
    Some((run.alone(), run.recorded()))
}

/// The lines of a status, field to value.
fn fields(text: &str) -> BTreeMap<String, String> {
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs.map(|(name, value)| (name.to_string(), value.trim().to_string())).collect()
}

#[test]
fn status_shows_tracer_seccomp_and_no_new_privs() {
    for user in users() {
        let Some((alone, recorded)) = both("own_status", *user) else { return };
        let (alone, mut recorded) = (fields(&alone.stdout), fields(&recorded.stdout));
        assert_ne!(recorded["TracerPid"], "0");
        assert_eq!(recorded["Seccomp"], "2");
        assert_eq!(recorded["Seccomp_filters"], "1");
        let is_privileged = *user == User::Same && is_root();
        assert_eq!(recorded["NoNewPrivs"], if is_privileged { "0" } else { "1" });
        // The rest is as ever: signals ignored and blocked, speculation, capabilities, threads.
        for changed in ["TracerPid", "Seccomp", "Seccomp_filters", "NoNewPrivs", "Parent"] {
            recorded.insert(changed.into(), alone[changed].clone());
        }
        assert_eq!(recorded, alone);
    }
}

#[test]
fn the_parent_is_vmatlas() {
    let Some((_, recorded)) = both("own_status", User::Same) else { return };
    assert_eq!(fields(&recorded.stdout)["Parent"], "vmatlas");
}

#[test]
fn a_setuid_file_gives_an_ordinary_user_no_privilege() {
    if !is_root() {
        println!("SKIPPED: setuid files, only root can make one");
        return;
    }
    let Some(program) = guest("own_ids", Build::Dynamic) else { return };
    let scratch = Scratch::new("setuid");
    let file = scratch.path("own_ids");
    fs::copy(&program, &file).expect("our own folder");
    std::os::unix::fs::chown(&file, Some(1), Some(1)).expect("we are root");
    fs::set_permissions(&file, Permissions::from_mode(0o6755)).expect("our own file");
    let run = Run::new(&scratch, [&file]).user(User::Ordinary);
    if run.alone().stdout != "1 1\n" {
        println!("SKIPPED: setuid files, they have no effect in the temporary folder");
        return;
    }
    assert_eq!(run.recorded().stdout, "65534 65534\n");
    // For root they have: NO_NEW_PRIVS is not set, and its tracer may trace anybody.
    let as_root = Run::new(&scratch, [&file]);
    assert_eq!(as_root.recorded().stdout, "1 1\n");
}

#[test]
fn no_debugger_works_inside() {
    let Some((alone, recorded)) = both("trace_me", User::Same) else { return };
    assert_eq!(alone.stdout, "traced\n");
    assert_eq!(recorded.stdout, "Operation not permitted\n");
    if has("strace") {
        let scratch = Scratch::new("strace");
        let ran = Run::new(&scratch, ["strace", "-o", "log", "echo", "ran"]).recorded();
        assert!(!ran.status.success(), "strace works inside: {}", ran.stderr);
    }
}

#[test]
fn leak_sanitizer_does_not_work_inside() {
    let Some(program) = guest("hello", Build::LeakSanitizer) else { return };
    let scratch = Scratch::new("leak-sanitizer");
    let run = Run::new(&scratch, [&program]).limit(Duration::from_secs(60));
    assert_eq!(run.alone().shell_status(), 0);
    for flags in [&["-q"][..], &["-q", "--stops"]] {
        let recorded = Run::new(&scratch, [&program]).flags(flags).limit(Duration::from_secs(60)).recorded();
        assert_eq!(recorded.shell_status(), 23, "{}", recorded.stderr);
        assert!(recorded.stderr.contains("LeakSanitizer does not work under ptrace"), "{}", recorded.stderr);
    }
    let run =
        Run::new(&scratch, ["env".as_ref(), "LSAN_OPTIONS=detect_leaks=0".as_ref(), program.as_os_str()]);
    assert_eq!(run.flags(&["-q", "--stops"]).recorded().shell_status(), 0);
}

#[test]
fn strict_seccomp_is_refused() {
    let Some((alone, recorded)) = both("strict", User::Same) else { return };
    assert_eq!(alone.stdout, "mode 0\nstrict");
    assert_eq!(recorded.stdout, "mode 2\nInvalid argument");
}

#[test]
fn a_listener_of_its_own_is_refused() {
    let Some((alone, recorded)) = both("own_listener", User::Same) else { return };
    assert_eq!(alone.stdout, "answered 42\n");
    assert_eq!(recorded.stdout, "no listener: EBUSY\n");
    // What the user is told to do then.
    let Some(program) = guest("own_listener", Build::Dynamic) else { return };
    let scratch = Scratch::new("own-listener");
    let stopped = Run::new(&scratch, [&program]).flags(&["-q", "--stops"]).recorded();
    assert_eq!((stopped.shell_status(), stopped.stdout.as_str()), (0, "answered 42\n"), "{}", stopped.stderr);
}

/// The program's own number, which it writes to a file.
fn program_pid(scratch: &Scratch) -> u32 {
    until("the program", || {
        let pid = fs::read_to_string(scratch.path("pid")).ok()?;
        pid.strip_suffix('\n')?.parse().ok()
    })
}

#[test]
fn killing_vmatlas_itself_kills_the_program() {
    let scratch = Scratch::new("front-killed");
    let run = Run::new(&scratch, ["sh", "-c", "echo $$ > pid; sleep 100; echo > went-on"]);
    let mut front = run.start_recorded();
    let pid = program_pid(&scratch);
    front.kill().expect("it is our child");
    front.wait().expect("it is our child");
    until("the end of the program", || status_field(pid, "Pid").is_none().then_some(()));
    assert!(!scratch.path("went-on").exists());
}

#[test]
fn killing_the_tracer_ends_the_recording_only() {
    let scratch = Scratch::new("tracer-killed");
    let run = Run::new(
        &scratch,
        [
            "sh",
            "-c",
            "mkfifo go; echo $$ > pid; read go < go; ls /dev/null; grep TracerPid /proc/self/status",
        ],
    );
    let mut front = run.start_recorded();
    let pid = program_pid(&scratch);
    let tracer = tracer_of(front.id()).expect("it is traced");
    let tracer = rustix::process::Pid::from_raw(i32::try_from(tracer).expect("a pid")).expect("not 0");
    rustix::process::kill_process(tracer, rustix::process::Signal::KILL).expect("it lives");
    until("the end of the tracer", || (status_field(pid, "TracerPid")? == "0").then_some(()));
    fs::write(scratch.path("go"), "go\n").expect("the program reads it");
    let status = wait(&mut front, Duration::from_secs(60), "the front");
    assert!(status.success(), "{status:?}");
    assert_eq!(scratch.read("recorded.stdout"), "/dev/null\nTracerPid:\t0\n");
    let errors = scratch.read("recorded.stderr");
    assert!(errors.starts_with("vmatlas: the tracer has died") && errors.lines().count() == 1, "{errors}");
}

#[test]
fn its_map_is_what_it_would_be() {
    for user in users() {
        let Some((alone, recorded)) = both("own_map", *user) else { return };
        assert_eq!(recorded.stdout, alone.stdout);
        assert!(alone.stdout.lines().count() > 15);
    }
}

#[test]
fn its_surroundings_are_what_they_would_be() {
    for user in users() {
        let Some((alone, recorded)) = both("surroundings", *user) else { return };
        assert_eq!(recorded.stdout, alone.stdout);
        assert!(alone.stdout.contains("group and session of the one who asked: 1 1"), "{}", alone.stdout);
    }
}

#[test]
fn each_change_in_the_document_has_its_test_here() {
    let document = include_str!("../../../../docs/what-vmatlas-changes.md");
    let tests = include_str!("observer.rs");
    let rows = document.lines().filter(|line| line.starts_with("| ") && line.contains("| `"));
    let named: Vec<&str> = rows.filter_map(|row| row.rsplit('`').nth(1)).collect();
    assert!(named.len() >= 8, "{named:?}");
    for name in &named {
        assert!(tests.contains(&format!("fn {name}()")), "the document names {name}, which is not here");
    }
    let all = tests.split("#[test]\nfn ").skip(1).filter_map(|rest| rest.split('(').next());
    for name in all.filter(|name| *name != "each_change_in_the_document_has_its_test_here") {
        assert!(named.contains(&name), "the document does not name {name}");
    }
}
