//! The fuzzer's programs as scripts: they do the same, and a changed twin is found by them too.

use check::fuzz::{self, Act, Direction};
use lab::{Child, Done, On, Outcome, Script, Session, Shown};

/// Runs a script; returns how it ended and the C form of each call that is said by a word.
fn run(session: &mut Session, text: &str) -> (Outcome, Vec<String>) {
    let mut calls = Vec::new();
    let see = |done: &Done, _: &Session| {
        let did = done.shown.iter().find_map(|shown| match shown {
            Shown::Did(did) => Some(did.what.clone()),
            _ => None,
        });
        calls.extend(did.map(|what| format!("{}: {what}", done.line)));
    };
    let script = Script { name: "case", text };
    (lab::run(session, script, see).expect("a session"), calls)
}

#[test]
fn every_line_of_a_script_is_the_call_of_its_program() {
    for index in 0..24 {
        let program = fuzz::program_text(11, index).expect("a world");
        if program.lines.iter().any(|line| matches!(line.act, Act::Crowd(_))) {
            continue;
        }
        let text = fuzz::script(&program, fuzz::direction_of(index));
        let mut session = Session::start(On::Both, Child::Alone).expect("a child");
        let (outcome, calls) = run(&mut session, &text);
        assert!(matches!(outcome, Outcome::Fine), "program {index}: {outcome:?}\n{text}");
        // Each call, in order; lines of processes that are gone were left out.
        let mut said = calls.iter();
        for line in &program.lines {
            if let Act::Call(call) = line.act {
                let call = call.to_string();
                let lived = text.lines().count() == program.lines.len() + 1;
                let found = said.any(|what| what.ends_with(&format!(": {call}")));
                assert!(found || !lived, "program {index} never says {call}\n{text}");
            }
        }
    }
}

#[test]
fn the_program_of_each_rule_holds_as_a_script() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/rules");
    let mut done = 0;
    for entry in std::fs::read_dir(folder).expect("the programs' folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "elf") {
            // A file to execute: that would replace the child. `crates/check/tests/rules.rs` compares it.
            continue;
        }
        let program = std::fs::read_to_string(&path).expect("a program");
        let program = fuzz::Program::parse(&program).expect("a program");
        if program.lines.iter().any(|line| matches!(line.act, Act::Crowd(_))) {
            // A map of 65,000 lines after every line takes minutes; `crates/check/tests/rules.rs` compares it once.
            continue;
        }
        let text = fuzz::script(&program, Direction::TopDown);
        let mut session = Session::start(On::Both, Child::Alone).expect("a child");
        let (outcome, _) = run(&mut session, &text);
        assert!(matches!(outcome, Outcome::Fine), "{}: {outcome:?}\n{text}", path.display());
        done += 1;
    }
    assert!(done >= 23, "only {done} programs were found");
}

#[test]
fn locked_memory_is_limited_for_whoever_has_no_privilege() {
    let text = "fuzz unprivileged\nlimit memlock = 16K\nmmap 64K rw private anon locked\nexpect EAGAIN\n\
                expect why \"RLIMIT_MEMLOCK\"\na = mmap 64K rw private anon\nmlock a 64K\nexpect ENOMEM\n\
                mlockall current\nexpect ENOMEM\nmlock a 16K\nexpect ok\nmlock a+16K 1\nexpect ENOMEM\n";
    let mut session = Session::start(On::Both, Child::Alone).expect("a child");
    let (outcome, _) = run(&mut session, text);
    assert!(matches!(outcome, Outcome::Fine), "{outcome:?}");
}

#[test]
fn the_fuzzers_world_is_begun_in_once_and_beside_a_kernel() {
    let mut session = Session::start(On::Twin, Child::Alone).expect("a twin");
    let (outcome, _) = run(&mut session, "fuzz\n");
    assert!(matches!(outcome, Outcome::Failed(_)), "{outcome:?}");
    let mut session = Session::start(On::Both, Child::Alone).expect("a child");
    let (outcome, _) = run(&mut session, "brk\nfuzz\n");
    assert!(matches!(outcome, Outcome::Failed(ref complaint) if complaint.line == 2), "{outcome:?}");
}

#[cfg(feature = "mutants")]
#[test]
fn a_changed_twin_is_found_by_the_script_of_the_case() {
    use std::sync::Mutex;
    use std::time::Duration;

    use check::fuzz::Plan;
    use mm::Mutation;

    for mutation in [Mutation::HintRoundedUp, Mutation::OffsetIgnored, Mutation::ProtectAtomic] {
        let cases = Mutex::new(Vec::new());
        let plan = Plan {
            seed: 5,
            time: Duration::from_secs(60),
            divergences_max: 1,
            mutation: Some(mutation),
            ..Plan::default()
        };
        let keep = |found: &fuzz::Finding| cases.lock().expect("a list").push(found.clone());
        fuzz::run(&plan, &keep).expect("a world");
        let cases = cases.into_inner().expect("a list");
        let case = cases.first().expect("a divergence");
        let text = fuzz::script(&case.program, case.direction);
        let mut changed = Session::start_changed(mutation).expect("a child");
        let (outcome, _) = run(&mut changed, &text);
        assert!(matches!(outcome, Outcome::Diverged(_)), "{mutation:?}: {outcome:?}\n{text}");
        let mut session = Session::start(On::Both, Child::Alone).expect("a child");
        let (outcome, _) = run(&mut session, &text);
        assert!(matches!(outcome, Outcome::Fine), "{mutation:?}: {outcome:?}\n{text}");
    }
}
