//! What cannot be run or written ends with one clear line and the status a shell would give.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::run::{Ran, Run, User, has, is_root, vmatlas};
use crate::scratch::Scratch;

fn assert_refused(ran: &Ran, status: i32, words: &[&str]) {
    assert_eq!(ran.shell_status(), status, "{}", ran.stderr);
    assert_eq!(ran.stderr.lines().count(), 1, "one line: {}", ran.stderr);
    assert!(ran.stderr.starts_with("vmatlas: "), "{}", ran.stderr);
    for word in words {
        assert!(ran.stderr.contains(word), "{word} is not in: {}", ran.stderr);
    }
    assert_eq!(ran.stdout, "");
}

/// Runs vmatlas itself with these arguments.
fn vmatlas_with(scratch: &Scratch, user: User, args: &[&str]) -> Ran {
    let program = vmatlas().to_str().expect("a plain path");
    Run::new(scratch, [&[program], args].concat()).user(user).alone()
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("our own file");
}

#[test]
fn a_command_that_is_not_there_gives_127() {
    let scratch = Scratch::new("none");
    let run = Run::new(&scratch, ["vmatlas-no-such-command"]);
    assert_refused(&run.recorded(), 127, &["vmatlas-no-such-command"]);
    assert!(!run.recording().exists(), "a recording of nothing was left");
    assert_refused(&Run::new(&scratch, ["./no/such"]).recorded(), 127, &["./no/such"]);
}

#[test]
fn what_may_not_be_executed_gives_126() {
    let scratch = Scratch::new("text");
    let text = scratch.path("text");
    fs::write(&text, "no program\n").expect("our own folder");
    mode(&text, 0o644);
    let run = Run::new(&scratch, [&text]).user(User::Ordinary);
    assert_refused(&run.recorded(), 126, &["text"]);
    assert!(!run.recording().exists(), "a recording of nothing was left");
    assert_refused(&Run::new(&scratch, [scratch.folder()]).recorded(), 126, &["vmatlas-text"]);
}

#[test]
fn a_script_without_a_first_line_is_run_by_the_shell() {
    let scratch = Scratch::new("script");
    let script = scratch.path("script");
    for text in ["echo hello\n", "#!/bin/sh\necho hello\n"] {
        fs::write(&script, text).expect("our own folder");
        mode(&script, 0o755);
        let ran = Run::new(&scratch, [&script]).recorded();
        assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("hello\n", ""));
    }
}

#[test]
fn an_output_that_is_there_is_not_written_over() {
    let scratch = Scratch::new("there");
    let file = scratch.path("there.vmatlas");
    fs::write(&file, "precious").expect("our own folder");
    let ran = vmatlas_with(&scratch, User::Same, &["record", "-o", "there.vmatlas", "--", "echo", "ran"]);
    assert_refused(&ran, 1, &["there.vmatlas", "--force"]);
    assert_eq!(fs::read_to_string(&file).expect("it is there"), "precious");
}

#[test]
fn an_output_that_cannot_be_made_is_said_before_the_program_runs() {
    let scratch = Scratch::new("nowhere");
    let ran = vmatlas_with(&scratch, User::Same, &["record", "-o", "no/such/r.vmatlas", "--", "echo", "ran"]);
    assert_refused(&ran, 1, &["no/such/r.vmatlas"]);
    if is_root() {
        mode(scratch.folder(), 0o755);
        fs::write(scratch.path("alone.stdout"), "").expect("our own folder");
        let ran = vmatlas_with(&scratch, User::Ordinary, &["record", "--", "echo", "ran"]);
        assert_refused(&ran, 1, &[".vmatlas"]);
    }
}

#[test]
fn the_default_name_and_its_patterns() {
    let scratch = Scratch::new("names");
    let ran = vmatlas_with(&scratch, User::Same, &["record", "-q", "--", "echo", "one"]);
    assert!(ran.status.success(), "{}", ran.stderr);
    let ran =
        vmatlas_with(&scratch, User::Same, &["record", "-q", "-o", "%e-%p-%%.x", "--", "/bin/echo", "two"]);
    assert!(ran.status.success(), "{}", ran.stderr);
    let names = fs::read_dir(scratch.folder()).expect("our own folder").flatten();
    let names: Vec<String> = names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    let is_default = |name: &&String| {
        let pid = name.strip_prefix("vmatlas.echo.").and_then(|rest| rest.strip_suffix(".vmatlas"));
        pid.is_some_and(|pid| pid.parse::<u32>().is_ok())
    };
    assert_eq!(names.iter().filter(is_default).count(), 1, "{names:?}");
    let is_pattern = |name: &&String| {
        let pid = name.strip_prefix("echo-").and_then(|rest| rest.strip_suffix("-%.x"));
        pid.is_some_and(|pid| pid.parse::<u32>().is_ok())
    };
    assert_eq!(names.iter().filter(is_pattern).count(), 1, "{names:?}");
}

#[test]
fn wrong_usage_gives_2() {
    let scratch = Scratch::new("usage");
    for args in
        [&["record"][..], &["record", "--"], &["record", "--no-such-flag", "--", "true"], &["record", "-o"]]
    {
        let ran = vmatlas_with(&scratch, User::Same, args);
        assert_eq!(ran.shell_status(), 2, "{args:?}: {}", ran.stderr);
        assert_eq!(ran.stdout, "");
        assert!(!ran.stderr.is_empty());
    }
}

#[test]
fn a_command_alone_is_record() {
    let scratch = Scratch::new("short");
    let ran = vmatlas_with(&scratch, User::Same, &["--", "sh", "-c", "echo out; exit 9"]);
    assert_eq!(ran.shell_status(), 9, "{}", ran.stderr);
    assert_eq!(ran.stdout, "out\n");
}

#[test]
fn who_is_traced_already_is_told_so() {
    let scratch = Scratch::new("traced");
    if !has("strace") {
        return;
    }
    // A program traced already cannot be given a second tracer.
    let program = vmatlas().to_str().expect("a plain path");
    let words = ["strace", "-f", "-o", "log", program, "record", "-q", "-o", "r", "--", "echo", "ran"];
    let ran = Run::new(&scratch, words).alone();
    assert_eq!(ran.stderr.lines().count(), 1, "one line: {}", ran.stderr);
    assert!(!ran.status.success(), "{}", ran.stderr);
    assert_eq!(ran.stdout, "");
}

#[test]
fn a_pipe_is_no_recording_and_is_not_waited_for() {
    if !has("mkfifo") {
        return;
    }
    let scratch = Scratch::new("fifo");
    let pipe = scratch.path("pipe").display().to_string();
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo was found");
    assert!(made.success());
    for verb in ["report", "view"] {
        assert_refused(&vmatlas_with(&scratch, User::Same, &[verb, &pipe]), 1, &["a pipe"]);
    }
}
