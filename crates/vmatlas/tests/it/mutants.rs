//! `vmatlas check` on twins with one rule changed: what differs is found, told, saved, and shown again.
//!
//! Only with the feature `mutants`, with which `cargo xtask mutants` builds.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::guest::{Build, guest};
use crate::run::{Ran, Run, User, is_root, users, vmatlas};
use crate::scratch::Scratch;

/// The status that says: twin and kernel differ.
const DIVERGED: i32 = 3;

/// One rule changed, and the edge of `guests/edges.c` where that shows.
struct Changed {
    rule: &'static str,
    edge: &'static str,
    /// The call's name.
    call: &'static str,
    /// What the report's text says besides.
    told: &'static [&'static str],
}

const MERGE: Changed = Changed {
    rule: "NoAnonVma",
    edge: "merge",
    call: "mprotect",
    told: &["merged with the mapping above", "    kernel ", "    twin "],
};
const ERRNO: Changed = Changed {
    rule: "SealOverHoles",
    edge: "seal",
    call: "mseal",
    told: &["the kernel answered ENOMEM, the twin 0", "the twin's reasons: allowed"],
};
const PLACE: Changed = Changed {
    rule: "HintRoundedUp",
    edge: "hint",
    call: "mmap",
    told: &["the kernel answered 0x", "the twin's reasons: allowed"],
};
const ORDER: Changed = Changed {
    rule: "ErrnoOrderSwapped",
    edge: "order",
    call: "mmap",
    told: &["the kernel answered EBADF, the twin EINVAL", "EINVAL from mm/mmap.c: do_mmap"],
};

impl Changed {
    /// Checks the edge with the rule changed.
    fn check(&self, scratch: &Scratch, user: User, options: &[&str], program: &Path) -> Ran {
        let mut words = vec![vmatlas(), Path::new("check"), Path::new("--mutant"), Path::new(self.rule)];
        words.extend(options.iter().map(Path::new));
        words.extend([Path::new("--"), program, Path::new(self.edge)]);
        Run::new(scratch, words).user(user).alone()
    }

    fn told_of_the_rule(&self) -> String {
        format!("the twin has been given the defect {}", self.rule)
    }

    /// Where the guest met the edge, by its own word.
    fn place(&self, ran: &Ran) -> u64 {
        let mut words = ran.stdout.split(' ');
        assert_eq!(words.next(), Some(self.edge), "{}{}", ran.stdout, ran.stderr);
        let place = words.next().and_then(|word| word.strip_prefix("0x")).expect("an address");
        u64::from_str_radix(place, 16).expect("an address")
    }

    /// Demands that exactly the call at the edge is told, with why.
    fn is_told(&self, ran: &Ran) {
        assert_eq!(ran.shell_status(), DIVERGED, "{}", ran.stderr);
        let first = ran.stderr.lines().next();
        assert_eq!(first, Some(self.told_of_the_rule().as_str()), "{}", ran.stderr);
        let told: Vec<&str> = ran.stderr.lines().filter(|line| line.starts_with("diverged: ")).collect();
        assert!(told.len() == 1 && told[0].contains(&format!(": {}(0x", self.call)), "{}", ran.stderr);
        let (_, args) = told[0].split_once("(0x").expect("just seen");
        let at = args.split(',').next().and_then(|at| u64::from_str_radix(at, 16).ok()).expect("an address");
        let room = self.place(ran)..self.place(ran) + 16 * 4096;
        assert!(room.contains(&at), "another call: {}{}", ran.stdout, ran.stderr);
        for words in self.told {
            assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
        }
        assert!(ran.stderr.contains(" 1 diverged;"), "{}", ran.stderr);
    }
}

/// The files with this ending that a check left.
fn saved(scratch: &Scratch, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(scratch.folder()).expect("our own folder");
    let paths = entries.map(|entry| entry.expect("our own folder").path());
    paths.filter(|path| path.extension().is_some_and(|of| of == ending)).collect()
}

#[test]
fn a_divergence_is_told_saved_and_shown_again() {
    let Some(program) = guest("edges", Build::Dynamic) else { return };
    for changed in [MERGE, ERRNO, PLACE] {
        for user in users() {
            let scratch = Scratch::new("mutant");
            let ran = changed.check(&scratch, *user, &[], &program);
            changed.is_told(&ran);
            let (programs, scripts) = (saved(&scratch, "calls"), saved(&scratch, "vm"));
            assert_eq!((programs.len(), scripts.len()), (1, 1), "{}", ran.stderr);
            let name = programs[0].file_name().expect("a file").to_string_lossy();
            let line = format!("saved the shortest program that shows it: {name} ");
            assert!(ran.stderr.contains(&line), "{}", ran.stderr);
            replay(&scratch, &changed, *user, &programs[0]);
        }
    }
}

/// With the rule changed the saved program differs again, at the same call; without, it never did.
fn replay(scratch: &Scratch, changed: &Changed, user: User, program: &Path) {
    let words = [vmatlas(), Path::new("check"), Path::new("--replay"), program];
    let sound = Run::new(scratch, words).user(user).alone();
    assert_eq!(sound.shell_status(), 0, "{}", sound.stderr);
    assert!(sound.stderr.contains("twin and kernel do the same"), "{}", sound.stderr);
    let words = [&words[..], &[Path::new("--mutant"), Path::new(changed.rule)]].concat();
    let again = Run::new(scratch, words).user(user).alone();
    assert_eq!(again.shell_status(), DIVERGED, "{}", again.stderr);
    assert!(again.stderr.starts_with(&changed.told_of_the_rule()), "{}", again.stderr);
    let differs = again.stderr.lines().find(|line| line.starts_with("# differs at: "));
    assert!(differs.is_some_and(|line| line.contains(&format!("# {}(", changed.call))), "{}", again.stderr);
    assert!(again.stderr.contains("# the twin's reasons: "), "{}", again.stderr);
}

/// Of a call about no memory no program can be made.
#[test]
fn the_order_of_checks_is_told_as_json_and_as_text() {
    let Some(program) = guest("edges", Build::Dynamic) else { return };
    let scratch = Scratch::new("mutant-order");
    ORDER.is_told(&ORDER.check(&scratch, User::Same, &[], &program));
    assert_eq!(saved(&scratch, "calls"), Vec::<PathBuf>::new());
    let ran = ORDER.check(&scratch, User::Same, &["--json"], &program);
    assert_eq!(ran.shell_status(), DIVERGED, "{}", ran.stderr);
    let report: Value = serde_json::from_str(&ran.stderr).expect("--json prints JSON");
    let count = |name: &str| report[name].as_u64().expect("a count");
    assert_eq!((count("diverged"), count("predicted") + 1), (1, count("calls")), "{report:#}");
    assert_eq!(report["defect"], ORDER.rule);
    let found = report["divergences"].as_array().expect("a list");
    assert_eq!((found.len(), &found[0]["program"]), (1, &Value::Null), "{report:#}");
    assert_eq!((&found[0]["kernel"], &found[0]["twin"]), (&Value::from(-9), &Value::from(-22)));
    let text = |name: &str| found[0][name].as_str().expect("a text");
    assert!(
        text("call").starts_with("mmap(0x") && text("reasons").contains("mm/mmap.c: do_mmap"),
        "{report:#}"
    );
}

/// The map stays the same: only the pages tell, and only those who are told of every fault.
#[test]
fn pages_that_differ_are_told_where_every_fault_is_seen() {
    const SAID: &str = ": the twin says anonymous, the kernel absent (2 pages in all)";
    let Some(program) = guest("edges", Build::Dynamic) else { return };
    let changed = Changed { rule: "DontunmapKeepsLock", edge: "unlocked", call: "mremap", told: &[] };
    for user in users() {
        let scratch = Scratch::new("mutant-pages");
        let ran = changed.check(&scratch, *user, &[], &program);
        assert_eq!(ran.shell_status(), 0, "{}", ran.stderr);
        let ran = changed.check(&scratch, *user, &["--pages", "--json"], &program);
        let report: Value = serde_json::from_str(&ran.stderr).expect("--json prints JSON");
        let sees_all = is_root() && *user == User::Same && sys::perf::FaultTracepoints::find().is_ok();
        if !sees_all {
            let asked = report["pages_resynced_by"].as_array().expect("a list");
            let unseen =
                asked.iter().find(|one| one["why"] == "faults not seen").expect("they are asked for");
            assert!(unseen["pages"].as_u64() >= Some(2), "{report:#}");
            assert_eq!((ran.shell_status(), &report["pages_differing"]), (0, &Value::from(0)), "{report:#}");
            continue;
        }
        assert_eq!(ran.shell_status(), DIVERGED, "{report:#}");
        assert_eq!((&report["pages_differing"], &report["diverged"]), (&Value::from(2), &Value::from(0)));
        let grown = changed.place(&ran) + 4 * 4096;
        let range = format!("{grown:x}-{:x}", grown + 2 * 4096);
        let line = report["pages_differ"][0].as_str().expect("a text");
        assert!(line.contains(": mremap(") && line.ends_with(&format!("{range}{SAID}")), "{range}: {line}");
        let ran = changed.check(&scratch, *user, &["--pages"], &program);
        assert_eq!(ran.shell_status(), DIVERGED, "{}", ran.stderr);
        let told = ran.stderr.lines().find(|line| line.starts_with("pages differ: after call "));
        assert!(told.is_some_and(|line| line.ends_with(SAID)), "{}", ran.stderr);
        assert!(ran.stderr.contains(" 2 differ, ") && ran.stderr.contains(" 0 diverged;"), "{}", ran.stderr);
    }
}

#[test]
fn a_rule_that_there_is_not_is_wrong_usage() {
    let scratch = Scratch::new("mutant-none");
    let words =
        [vmatlas(), Path::new("check"), Path::new("--mutant"), Path::new("NoSuchRule"), Path::new("true")];
    let ran = Run::new(&scratch, words).alone();
    assert_eq!(ran.shell_status(), 2);
    assert!(ran.stderr.contains("no such rule"), "{}", ran.stderr);
}
