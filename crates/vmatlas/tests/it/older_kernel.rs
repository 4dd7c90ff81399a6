//! Kernels that cannot be asked for pages as runs (before Linux 6.7) or for one mapping (before 6.11).

use crate::guest::{Build, guest};
use crate::recording::Report;
use crate::run::{Run, users, vmatlas};
use crate::scratch::Scratch;

/// `vmatlas` on such a kernel, with these words.
fn on_older_kernel(words: &[&str]) -> Option<Vec<String>> {
    let older = guest("older_kernel", Build::Dynamic)?;
    let all = [older.as_path(), vmatlas()].map(|path| path.display().to_string());
    Some(all.into_iter().chain(words.iter().map(|word| (*word).to_owned())).collect())
}

#[test]
fn recordings_read_pages_one_word_each() {
    let Some(program) = guest("shared_pages", Build::Dynamic) else { return };
    let program = program.display().to_string();
    let words = ["record", "-q", "--faults", "1", "-o", "recording.vmatlas", "--", &program];
    let Some(words) = on_older_kernel(&words) else { return };
    for user in users() {
        let scratch = Scratch::new("older-record");
        let ran = Run::new(&scratch, &words).user(*user).alone();
        assert_eq!(ran.shell_status(), 0, "as {user:?}: {}", ran.stderr);
        let report = Report::open(&scratch.path("recording.vmatlas"));
        report.assert_held();
        let pages = report.at("/proof/pages");
        println!("as {user:?}: {pages}");
        assert!(report.number("/proof/pages/all/compared") > 100, "as {user:?}: {pages:#}");
        assert_eq!(report.number("/proof/pages/all/differing"), 0, "as {user:?}: {pages:#}");
        assert_eq!(report.number("/proof/pages/totals_matched"), report.number("/proof/pages/checkpoints"));
    }
}

/// Which mappings may merge can't be learned there: nothing is passed off as checked.
#[test]
fn check_says_what_it_needs() {
    let Some(words) = on_older_kernel(&["check", "--report", "check.txt", "--", "true"]) else { return };
    for user in users() {
        let scratch = Scratch::new("older-check");
        let ran = Run::new(&scratch, &words).user(*user).alone();
        assert_eq!(ran.shell_status(), 1, "as {user:?}: {}", ran.stderr);
        let needs = "check needs PAGEMAP_SCAN (Linux 6.7 and later): Inappropriate ioctl for device";
        assert!(ran.stderr.contains(needs), "as {user:?}: {}", ran.stderr);
        assert!(!scratch.path("check.txt").exists(), "nothing was checked");
    }
}
