//! What a recording says, held against what others say of the same program: strace, and the program itself.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::guest::{Build, guest};
use crate::run::{Run, User, has, users, vmatlas};
use crate::scratch::Scratch;

/// The memory calls that strace is asked for by name.
const CALLS: &str = "mmap,munmap,mremap,mprotect,brk,madvise,mlock,munlock,msync,mincore,shmat,shmdt";

fn counts_of_strace(scratch: &Scratch, words: &[&str]) -> BTreeMap<String, u64> {
    let trace = format!("trace={CALLS}");
    let words =
        [&["strace", "-f", "-qq", "-o", "log", "-e", &trace, "-e", "signal=none", "--"], words].concat();
    assert!(Run::new(scratch, words).alone().status.success());
    let log = fs::read_to_string(scratch.path("log")).expect("strace wrote it");
    let mut counts = BTreeMap::new();
    for line in log.lines().filter(|line| !line.contains("resumed>")) {
        // A line is `PID call(arguments...`.
        let call =
            line.split_whitespace().nth(1).and_then(|text| text.split('(').next()).expect("strace's form");
        *counts.entry(call.to_string()).or_insert(0) += 1;
    }
    counts
}

#[test]
fn each_call_is_counted_as_strace_counts_it() {
    if !has("strace") {
        return;
    }
    for name in ["hello", "memfd", "sysv_shm", "fork", "vfork_exec", "deleted_file", "grows_down", "set_user"]
    {
        let Some(program) = guest(name, Build::Dynamic) else { return };
        let scratch = Scratch::new("counted");
        let words = [program.to_str().expect("a plain path")];
        let expected = counts_of_strace(&scratch, &words);
        let (_, report) = Run::new(&scratch, words).same_recorded();
        let found: BTreeMap<String, u64> = report
            .list("/run/calls_by_name")
            .iter()
            .map(|row| {
                (row["name"].as_str().expect("a name").to_string(), row["count"].as_u64().expect("a count"))
            })
            .filter(|(call, _)| CALLS.split(',').any(|name| name == call))
            .collect();
        assert_eq!(found, expected, "the calls of {name}");
        assert!(expected["mmap"] > 5);
    }
}

#[test]
fn the_kinds_in_a_recording_are_those_the_program_made() {
    let Some(program) = guest("kinds", Build::Dynamic) else { return };
    for user in users() {
        let scratch = Scratch::new("kinds-recorded");
        let run = Run::new(&scratch, [&program]).user(*user);
        let ran = run.recorded();
        assert!(ran.status.success(), "{}", ran.stderr);
        // The kind, the address and, where it is known, the size.
        let place = |line| {
            let mut words = str::split_whitespace(line);
            words.next().zip(words.next())
        };
        let places: Vec<(&str, &str)> = ran.stdout.lines().filter_map(place).collect();
        assert!(places.len() > 15, "{places:?}");
        let target = format!("{}@end", run.recording().display());
        for (kind, address) in places {
            let explain = Command::new(vmatlas()).args(["explain", &target, address, "--json"]).output();
            let output = explain.expect("the binary runs");
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{address}: {stderr}");
            let explained: Value = serde_json::from_slice(&output.stdout).expect("--json prints JSON");
            // A recording holds no contents of memory, by which alone a block of malloc's own mapping is known.
            let kind = if kind == "malloc_block" { "anonymous" } else { kind };
            assert_eq!(explained["leaf"]["kind"], kind, "{address}: {:#}", explained["leaf"]);
        }
    }
}

#[test]
fn the_faults_of_a_loop_are_seen_or_said_to_be_estimated() {
    let Some(program) = guest("mmap_loop", Build::Dynamic) else { return };
    let scratch = Scratch::new("faults");
    let (_, report) = Run::new(&scratch, [program.as_os_str(), "2000".as_ref()]).same_recorded();
    let faults = report.at("/run/faults");
    let recorded = faults["recorded"].as_u64().expect("a count");
    let all = faults["estimated"].as_u64().unwrap_or(recorded);
    let lost = report.list("/notes").iter().any(|note| note["kind"] == "lost");
    assert!(all >= 2000 || lost, "one fault for each of 2,000 rounds: {faults:#}");
    assert!(faults["minor"].as_u64().is_some_and(|minor| minor >= 2000), "{faults:#}");
}

#[test]
fn with_faults_off_none_is_recorded_and_that_is_said() {
    let Some(program) = guest("mmap_loop", Build::Dynamic) else { return };
    let scratch = Scratch::new("faults-off");
    let run = Run::new(&scratch, [program.as_os_str(), "500".as_ref()]).flags(&["-q", "--faults", "off"]);
    let (_, report) = run.same_recorded();
    report.assert_held();
    assert_eq!(report.number("/run/faults/recorded"), 0);
    let is_said = |note: &&Value| note["text"].as_str().is_some_and(|text| text.contains("faults"));
    assert!(report.list("/notes").iter().any(|note| is_said(&note)), "{:#}", report.at("/notes"));
}

#[test]
fn without_the_command_line_its_words_are_nowhere_in_the_file() {
    let scratch = Scratch::new("secret");
    for (flags, is_there) in [(&["-q", "--no-cmdline"][..], false), (&["-q"], true)] {
        let run = Run::new(&scratch, ["sh", "-c", ": tell-nobody; : ${SECRET_NAME}"]).flags(flags);
        let (_, report) = run.same_recorded();
        assert_eq!(report.at("/run/command").is_null(), !is_there);
        assert_eq!(report.at("/run/command").to_string().contains("tell-nobody"), is_there);
    }
}

#[test]
fn a_report_goes_to_a_file_as_text_or_json() {
    let scratch = Scratch::new("report-file");
    let run = Run::new(&scratch, ["echo", "out"]).flags(&["--report", "text.txt"]).user(User::Ordinary);
    let ran = run.recorded();
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("out\n", ""));
    assert!(fs::read_to_string(scratch.path("text.txt")).expect("it was written").contains("twin: "));
    let run = Run::new(&scratch, ["echo", "out"]).flags(&["--report", "report.json", "--json"]);
    let ran = run.recorded();
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("out\n", ""));
    let json = fs::read(scratch.path("report.json")).expect("it was written");
    let json: Value = serde_json::from_slice(&json).expect("JSON");
    assert_eq!(json["schema"], "vmatlas.report/1");
}
