//! A recording at a moment: with and without states kept in its file, as a whole and one process of it.

use crate::guest::{Build, guest};
use crate::run::{Run, vmatlas};
use crate::scratch::Scratch;

/// What `vmatlas` prints on stdout with these words.
fn prints(scratch: &Scratch, words: &[&str]) -> String {
    let words: Vec<_> =
        [vmatlas().to_str().expect("a plain path")].into_iter().chain(words.iter().copied()).collect();
    let ran = Run::new(scratch, &words).alone();
    assert_eq!(ran.shell_status(), 0, "{words:?}: {}", ran.stderr);
    ran.stdout
}

#[test]
fn every_moment_is_the_same_with_and_without_states() {
    let Some(program) = guest("churn", Build::Dynamic) else { return };
    let scratch = Scratch::new("moments");
    let program = program.to_str().expect("a plain path").to_owned();
    prints(&scratch, &["record", "--quiet", "-o", "f.vmatlas", "--", &program, "40000"]);
    // The report adds states as well: it gets the recording, the rest a copy.
    std::fs::copy(scratch.path("f.vmatlas"), scratch.path("g.vmatlas")).expect("our own folder");
    let size = || std::fs::metadata(scratch.path("g.vmatlas")).expect("it was recorded").len();
    let recorded = size();
    let report = prints(&scratch, &["report", "f.vmatlas", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&report).expect("JSON");
    let half = report["run"]["duration_ns"].as_u64().expect("a number") / 2_000_000;
    let moments = ["@peak".into(), "@end".into(), "#70000".into(), "#12".into(), format!("@{half}ms")];
    let moments = moments.map(|moment: String| format!("g.vmatlas{moment}"));
    let before = moments.each_ref().map(|moment| prints(&scratch, &["map", moment, "--json", "--no-write"]));
    assert_eq!(size(), recorded, "--no-write leaves the file as it is");
    let after = moments.each_ref().map(|moment| prints(&scratch, &["map", moment, "--json"]));
    assert!(size() > recorded, "the first reader adds the states");
    assert_eq!(before, after);
    assert_ne!(before[2], before[3], "the moments differ");
}

/// Two moments of one recording: each side is what `map` says of it, and the kinds add up to the whole.
#[test]
fn two_moments_are_compared() {
    let Some(program) = guest("wasteful", Build::Dynamic) else { return };
    let scratch = Scratch::new("moments-diff");
    let program = program.to_str().expect("a plain path").to_owned();
    prints(&scratch, &["record", "--quiet", "-o", "f.vmatlas", "--", &program]);
    let json = |words: &[&str]| {
        let text = prints(&scratch, words);
        serde_json::from_str::<serde_json::Value>(&text).expect("JSON")
    };
    let report = json(&["report", "f.vmatlas", "--json"]);
    let half = report["run"]["duration_ns"].as_u64().expect("a number") / 2_000_000;
    let (early, late) = (format!("f.vmatlas@{half}ms"), "f.vmatlas@end");
    let diff = json(&["diff", &early, late, "--json"]);
    let size = |value: &serde_json::Value| value["size"].as_u64().expect("a number");
    for (side, moment) in [("before", early.as_str()), ("after", late)] {
        let map = json(&["map", moment, "--json"]);
        assert_eq!(diff["total"][side], map["total"], "{side}");
        let kinds = diff["kinds"].as_array().expect("a list").iter();
        assert_eq!(kinds.map(|kind| size(&kind[side])).sum::<u64>(), size(&map["total"]), "{side}");
    }
    assert_ne!(diff["total"]["before"], diff["total"]["after"], "it was still growing");
}

#[test]
fn one_process_of_several() {
    let Some(program) = guest("fork", Build::Dynamic) else { return };
    let scratch = Scratch::new("moments-process");
    let program = program.to_str().expect("a plain path").to_owned();
    prints(&scratch, &["record", "--quiet", "-o", "f.vmatlas", "--", &program]);
    let report = prints(&scratch, &["report", "f.vmatlas", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&report).expect("JSON");
    let processes = report["processes"].as_array().expect("a list");
    let pids: Vec<i64> = processes.iter().map(|process| process["pid"].as_i64().expect("a number")).collect();
    assert!(pids.len() >= 2, "{pids:?}");
    for pid in pids {
        let map = prints(&scratch, &["map", "f.vmatlas@end", "--process", &pid.to_string(), "--json"]);
        let map: serde_json::Value = serde_json::from_str(&map).expect("JSON");
        assert_eq!(map["pid"].as_i64(), Some(pid));
    }
    let ran =
        Run::new(&scratch, [vmatlas().to_str().expect("plain"), "map", "f.vmatlas#5", "--process", "1"])
            .alone();
    assert_eq!(ran.shell_status(), 1);
    assert!(ran.stderr.contains("process 1 does not live at that moment"), "{}", ran.stderr);
}
