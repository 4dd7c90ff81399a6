//! Huge pages by advice: what recordings and `check --pages` know of them, and what reports say is wasted or missed.

use serde_json::Value;

use crate::guest::{Build, guest};
use crate::recording::Report;
use crate::run::{Run, User, is_root, users, vmatlas};
use crate::scratch::Scratch;

const MIB: u64 = 1 << 20;

/// Whether faults tell how memory was accessed, and those in kernel mode are seen.
fn sees_all(user: User) -> bool {
    is_root() && user == User::Same && sys::perf::FaultTracepoints::find().is_ok()
}

fn has_huge_pages() -> bool {
    let has = sys::probe::gives_huge_pages();
    if !has {
        println!("SKIPPED: huge pages, this machine gives none");
    }
    has
}

/// Records the guest doing one of its things.
fn recorded(user: User, words: &[&str]) -> Option<Report> {
    let program = guest("huge_pages", Build::Dynamic)?;
    let scratch = Scratch::new("huge-pages");
    let mut all = vec![program.display().to_string()];
    all.extend(words.iter().map(|word| (*word).to_owned()));
    let run = Run::new(&scratch, all).user(user).flags(&["-q", "--faults", "1"]);
    let ran = run.recorded();
    assert_eq!((ran.shell_status(), ran.stdout.as_str()), (0, "done\n"), "{}", ran.stderr);
    Some(Report::open(&scratch.path("recording.vmatlas")))
}

/// The pages that the kernel was asked for because of huge pages.
fn asked_for_huge(by: &Value) -> u64 {
    let rows = by.as_array().expect("a list");
    let huge = rows.iter().find(|row| row["why"] == "a huge page");
    huge.map_or(0, |row| row["pages"].as_u64().expect("a count"))
}

/// Whether a huge page came is the free memory's to decide, and khugepaged's: where the kernel had to be asked of pages of
/// which every fault was told, it is for that, and nothing differs.
#[test]
fn huge_pages_of_recordings_are_predicted_or_asked_by_their_name() {
    for user in users() {
        let Some(report) = recorded(*user, &[]) else { return };
        report.assert_held();
        let pages = report.at("/proof/pages");
        println!("as {user:?}: {pages}");
        assert_eq!(report.number("/proof/pages/all/differing"), 0, "as {user:?}: {pages:#}");
        assert!(report.number("/proof/pages/at_exit/anonymous_compared") > 10_000, "{pages:#}");
        let lost = report.list("/notes").iter().any(|note| note["kind"] == "lost");
        if sees_all(*user) && !lost {
            let huge = asked_for_huge(report.at("/proof/pages/all/resynced_by"));
            assert!(report.number("/proof/pages/all/anonymous_resynced") <= huge, "{pages:#}");
        }
    }
}

#[test]
fn check_predicts_huge_pages_or_asks_by_their_name() {
    let Some(program) = guest("huge_pages", Build::Dynamic) else { return };
    for user in users() {
        let scratch = Scratch::new("huge-check");
        let mut all = vec![vmatlas().display().to_string()];
        all.extend(["check", "--pages", "--json", "--report", "check.json", "--"].map(String::from));
        all.push(program.display().to_string());
        let ran = Run::new(&scratch, all).user(*user).alone();
        assert_eq!(ran.shell_status(), 0, "as {user:?}: {}", ran.stderr);
        let report: Value = serde_json::from_str(&scratch.read("check.json")).expect("--json prints JSON");
        let count = |name: &str| report[name].as_u64().expect("a count");
        let why = &report["pages_resynced_by"];
        println!(
            "as {user:?}: {} anonymous, {} asked: {why}",
            count("pages_anon"),
            count("pages_resynced_anon")
        );
        assert_eq!(count("pages_differing"), 0, "as {user:?}: {}", report["pages_differ"]);
        assert!(count("pages_anon") > 10_000, "as {user:?}: {report:#}");
        if sees_all(*user) {
            let huge = asked_for_huge(why);
            assert!(count("pages_resynced_anon") <= huge, "as {user:?}: {why}");
        }
    }
}

/// The finding of a kind: exactly one.
fn finding<'a>(report: &'a Report, kind: &str) -> &'a Value {
    let found: Vec<_> = report.list("/findings").iter().filter(|finding| finding["kind"] == kind).collect();
    let [finding] = found[..] else { panic!("one {kind}: {:#?}", report.at("/findings")) };
    finding
}

/// 32 bytes touched hold 64 MiB: the report says so, how much holds only zeros, and who touched it.
#[test]
fn huge_pages_touched_once_each_are_told_as_bloat() {
    if !has_huge_pages() {
        return;
    }
    for user in users() {
        let Some(report) = recorded(*user, &["sparse"]) else { return };
        assert!(report.number("/resident/huge") >= 60 * MIB, "{:#}", report.at("/resident"));
        assert!(report.number("/resident/huge_beside") >= 60 * MIB, "{:#}", report.at("/resident"));
        let bloat = finding(&report, "huge_page_bloat");
        let evidence = bloat["evidence"].as_str().expect("a text");
        assert!(evidence.contains(" in huge pages hold only zeros"), "{evidence}");
        assert!(evidence.contains(" came from one place"), "{evidence}");
        assert!(bloat["bytes"].as_u64() >= Some(60 * MIB), "{bloat:#}");
        let frames = bloat["frames"].as_array().expect("a list");
        assert!(frames.iter().any(|frame| frame["function"] == "touches_sparsely"), "{frames:#?}");
    }
}

/// Eight mappings of 3 MiB that are advised for huge pages and hold none, as no border of 2 MiB has 2 MiB beyond it.
#[test]
fn mappings_without_room_for_a_huge_page_are_told() {
    for user in users() {
        let Some(report) = recorded(*user, &["misaligned"]) else { return };
        if !report.list("/findings").iter().any(|finding| finding["kind"] == "missed_huge_pages") {
            let setting = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled");
            assert!(!setting.is_ok_and(|text| !text.contains("[never]")), "{:#}", report.at("/findings"));
            return;
        }
        let missed = finding(&report, "missed_huge_pages");
        let evidence = missed["evidence"].as_str().expect("a text");
        let words = "24.0 MiB in 8 mappings of 2 MiB or more that hold no aligned 2 MiB: ";
        assert!(evidence.starts_with(words), "{evidence}");
        assert!(evidence.ends_with(" of 3.0 MiB begins 516 KiB after a border of 2 MiB"), "{evidence}");
    }
}
