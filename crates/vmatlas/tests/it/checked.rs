//! `vmatlas check` on every real program of the list: nothing diverges, nothing is unmodelled. A line each says what
//! was compared.
//!
//! `VMATLAS_TESTS=full cargo test -p vmatlas --test it -- checked:: --test-threads=1 --nocapture` takes the long inputs
//! and runs each program three times: layouts are random.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::list::{self, Program, size};
use crate::run::{Run, User, users, vmatlas};

/// Checks a program as every user, once or three times.
fn check(program: Option<Program>) {
    let Some(program) = program else { return };
    println!();
    for user in users() {
        for run in 1..=size(1, 3) {
            let Some(scratch) = program.folder() else { return };
            let checked = check_once(&program, &scratch, *user);
            println!("{} as {user:?}, run {run}: {}", program.name, line(&checked));
            assert_eq!(checked["diverged"], 0, "{} as {user:?}: {checked:#}", program.name);
            assert_eq!(checked["unmodelled"], Value::Array(Vec::new()), "{} as {user:?}", program.name);
            assert!(checked["predicted"].as_u64() > Some(10), "{checked:#}");
        }
    }
}

fn check_once(program: &Program, scratch: &crate::scratch::Scratch, user: User) -> Value {
    let mut words = vec![vmatlas(), Path::new("check"), Path::new("--json")];
    words.extend(["--report", "check.json", "--"].map(Path::new));
    words.extend(program.words.iter().map(Path::new));
    let ran = Run::new(scratch, words).user(user).limit(Duration::from_secs(size(120, 900))).alone();
    let report: Value = serde_json::from_str(&scratch.read("check.json"))
        .unwrap_or_else(|error| panic!("{} as {user:?}: {error}: {}", program.name, ran.stderr));
    assert_eq!(ran.shell_status(), 0, "{} as {user:?}: {}{report:#}", program.name, ran.stderr);
    report
}

/// What was compared, on one line.
fn line(report: &Value) -> String {
    let count = |name: &str| report[name].as_u64().expect("a count");
    format!(
        "{} calls, {} predicted, {} diverged, {} unmodelled, {} maps, {} ranges, {} in uncertain order, {} processes, \
         {} threads",
        count("calls"),
        count("predicted"),
        count("diverged"),
        report["unmodelled"].as_array().expect("a list").len(),
        count("maps_compared"),
        count("ranges_compared"),
        count("order_uncertain"),
        count("processes"),
        count("threads"),
    )
}

#[test]
fn python() {
    check(Some(list::python()));
}

#[test]
fn node() {
    check(Some(list::node()));
}

#[test]
fn javac() {
    check(Some(list::javac()));
}

#[test]
fn java() {
    check(Some(list::java()));
}

#[test]
fn rustc() {
    check(list::rustc());
}

#[test]
fn gcc() {
    check(Some(list::gcc()));
}

#[test]
fn sqlite() {
    check(Some(list::sqlite()));
}

#[test]
fn sort() {
    check(Some(list::sort()));
}

#[test]
fn redis_under_its_benchmark() {
    check(Some(list::redis()));
}

#[test]
fn git() {
    check(Some(list::git()));
}

#[test]
fn a_shell_loop_with_200_children() {
    check(Some(list::children()));
}

#[test]
fn threads64() {
    check(list::threads());
}

#[test]
fn exec_of_itself() {
    check(list::execs());
}
