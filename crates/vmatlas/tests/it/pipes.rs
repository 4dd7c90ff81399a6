//! Standard input, output and error are the program's own.

use std::process::{Command, Stdio};

use crate::run::{Run, User, is_full, users, vmatlas};
use crate::scratch::Scratch;

/// Runs a shell's line in which `REC` stands for `vmatlas record` and returns what it printed.
fn shell(scratch: &Scratch, user: User, line: &str) -> String {
    let record = format!("{} record -q --force -o r.vmatlas --", vmatlas().display());
    let mut words: Vec<&str> = user.prefix().to_vec();
    let line = line.replace("REC", &record);
    words.extend(["bash", "-c", &line]);
    let mut command = Command::new(words[0]);
    let output = command.args(&words[1..]).current_dir(scratch.folder()).stdin(Stdio::null()).output();
    String::from_utf8_lossy(&output.expect("bash runs").stdout).into_owned()
}

#[test]
fn it_stands_in_a_pipeline() {
    for user in users() {
        let scratch = Scratch::new("pipe");
        let lines = if is_full() { "1000000" } else { "100000" };
        let last = shell(&scratch, *user, &format!("seq 1 {lines} | REC sort -n | tail -1"));
        assert_eq!(last, format!("{lines}\n"));
    }
}

#[test]
fn a_reader_that_leaves_ends_the_writer_as_ever() {
    let scratch = Scratch::new("sigpipe");
    let printed = shell(&scratch, User::Same, "REC yes | head -2; echo ${PIPESTATUS[0]}");
    assert_eq!(printed, "y\ny\n141\n");
}

#[test]
fn an_ignored_sigpipe_stays_ignored() {
    let scratch = Scratch::new("ignored");
    let line = "trap '' PIPE INT; REC sh -c 'grep SigIgn /proc/self/status'; grep SigIgn /proc/self/status";
    let printed = shell(&scratch, User::Same, line);
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), 2, "{printed}");
    assert_eq!(lines[0], lines[1], "the signals ignored, recorded and alone");
}

#[test]
fn closed_streams_stay_closed() {
    let scratch = Scratch::new("closed");
    for redirection in ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"] {
        let line = format!("(REC sh -c 'ls /proc/self/fd > fds' {redirection}); cat fds; rm fds");
        let alone = shell(&scratch, User::Same, &line.replace("REC", ""));
        assert_eq!(shell(&scratch, User::Same, &line), alone, "{redirection}");
        assert!(!alone.is_empty());
    }
}

#[test]
fn many_bytes_pass_both_ways_unchanged() {
    let scratch = Scratch::new("bytes");
    let bytes: Vec<u8> =
        (0..3_000_000_u32).flat_map(|n| (n.wrapping_mul(2_654_435_761)).to_le_bytes()).collect();
    let ran = Run::new(&scratch, ["sha256sum"]).input(&bytes).same_recorded().0;
    assert!(ran.status.success() && ran.stdout.len() > 64);
}
