//! Pages of real programs: how far they are predicted, by `check --pages` at every call and by recordings at every
//! checkpoint. `VMATLAS_TESTS=full` takes more programs, and 20 million pages.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::guest::{Build, guest};
use crate::list::rustc_for_all;
use crate::recording::Report;
use crate::run::{Run, User, has, is_full, is_root, users, vmatlas};
use crate::scratch::Scratch;

/// A server that saves in a forked child, while it goes on.
const REDIS: &str = "redis-server --port 0 --unixsocket $PWD/socket --save '' --daemonize no > log &\n\
    redis() { redis-cli -s socket \"$@\" > answer 2>&1; cat answer; }\n\
    until [ \"$(redis ping)\" = PONG ]; do sleep 0.1; done\n\
    n=0; while [ $n -lt 20000 ]; do n=$((n+1)); echo \"set key$n value$n\"; done | redis > /dev/null\n\
    redis bgsave > /dev/null\n\
    n=0; while [ $n -lt 2000 ]; do n=$((n+1)); echo \"set key$n other$n\"; done | redis > /dev/null\n\
    until redis info persistence | grep -q rdb_bgsave_in_progress:0; do sleep 0.1; done\n\
    redis shutdown nosave > /dev/null; wait; test -s dump.rdb";

const JAVA: &str = "public class Rows { public static void main(String[] words) { int[] rows = new int[1000000];\n\
    for (int i = 0; i < rows.length; i++) rows[i] = i; System.out.println(rows[77]); } }\n";

/// A program: what must be installed, whether it is run only where the long tests are wanted, its words.
type Program = (&'static str, bool, Vec<String>);

fn programs() -> Vec<Program> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_string()).collect::<Vec<_>>();
    let sql = "create table rows(a, b); with recursive n(i) as (select 1 union all select i + 1 from n where \
               i < 20000) insert into rows select i, i * 7 from n; select sum(b) from rows;";
    let sort =
        "seq 1 100000 | awk '{ print ($1 * 7919) % 1000003 }' > lines; sort -n --parallel=2 lines -o sorted";
    let rustc = is_full().then(rustc_for_all).flatten().map(|path| path.display().to_string());
    vec![
        (
            "python3",
            false,
            words(&["python3", "-c", "import json; print(len(json.dumps(list(range(50000)))))"]),
        ),
        ("sqlite3", false, words(&["sqlite3", ":memory:", sql])),
        ("sort", false, words(&["sh", "-c", sort])),
        ("redis-server", true, words(&["sh", "-c", REDIS])),
        ("node", true, words(&["node", "-e", "console.log([...Array(100000).keys()].map(String).length)"])),
        ("javac", true, words(&["sh", "-c", "javac Rows.java && exec java -Xmx256m Rows"])),
        ("cc", rustc.is_some() || !is_full(), words(&[&rustc.unwrap_or_default(), "-O", "a.rs"])),
    ]
}

/// Runs each program as every user in a folder of its own with what it reads.
fn each(look: impl Fn(&Scratch, User, &[String])) {
    for (needs, is_long, words) in programs() {
        if is_long && !is_full() || !has(needs) {
            continue;
        }
        for user in users() {
            let scratch = Scratch::new("pages");
            fs::write(scratch.path("Rows.java"), JAVA).expect("our own folder");
            fs::write(scratch.path("a.rs"), "fn main() { println!(\"{:?}\", std::env::args()); }\n")
                .expect("our own folder");
            look(&scratch, *user, &words);
        }
    }
}

/// Whether faults tell how memory was accessed, and those in kernel mode are seen.
fn sees_all(user: User) -> bool {
    is_root() && user == User::Same && sys::perf::FaultTracepoints::find().is_ok()
}

#[test]
fn check_predicts_the_pages_of_real_programs() {
    each(|scratch, user, words| {
        let mut all = vec![vmatlas().display().to_string()];
        all.extend(["check", "--pages", "--json", "--report", "check.json", "--"].map(String::from));
        all.extend_from_slice(words);
        Run::new(scratch, all).user(user).limit(Duration::from_secs(300)).alone();
        let report: Value = serde_json::from_str(&scratch.read("check.json")).expect("--json prints JSON");
        let count = |name: &str| report[name].as_u64().expect("a count");
        let why = &report["pages_resynced_by"];
        println!(
            "{words:?} as {user:?}: {} pages compared, {} anonymous, {} resynced, {} of them anonymous: {why}",
            count("pages_compared"),
            count("pages_anon"),
            count("pages_resynced"),
            count("pages_resynced_anon"),
        );
        assert!(count("pages_compared") > 1000 && count("pages_anon") > 100, "{words:?}: {report:#}");
        assert_eq!(count("pages_differing"), 0, "{words:?} as {user:?}: {}", report["pages_differ"]);
        if sees_all(user) {
            assert_eq!(count("pages_resynced_anon"), 0, "{words:?}: {why}");
        }
    });
}

/// What other threads touch while the kernel is asked may be in its word, or come after it; what they touch while a call
/// gives pages up, or a fork copies them, is there after it, or not.
#[test]
fn check_tells_what_another_thread_touches_meanwhile_from_a_difference() {
    let Some(touching) = guest("touching", Build::Dynamic) else { return };
    for (user, how) in
        users().iter().flat_map(|user| ["zeros", "dropped", "ended", "forked"].map(|how| (*user, how)))
    {
        let scratch = Scratch::new("touching");
        let words = ["check", "--pages", "--json", "--report", "check.json", "--"].map(Path::new);
        let all = [vmatlas()].into_iter().chain(words).chain([touching.as_path(), Path::new(how)]);
        let ran = Run::new(&scratch, all).user(user).limit(Duration::from_secs(100)).alone();
        let report: Value = serde_json::from_str(&scratch.read("check.json")).expect("--json prints JSON");
        assert_eq!(report["pages_differing"], 0, "{user:?} {how}: {}", report["pages_differ"]);
        assert!(report["pages_anon"].as_u64() >= Some(10_000), "{report:#}");
        assert_eq!(ran.shell_status(), 0, "{user:?} {how}: {}", ran.stderr);
        if sees_all(user) {
            assert_eq!(report["pages_resynced_anon"], 0, "{how}: {}", report["pages_resynced_by"]);
        }
    }
}

#[test]
fn recordings_predict_the_pages_of_real_programs() {
    each(|scratch, user, words| {
        let run = Run::new(scratch, words).user(user).flags(&["-q", "--faults", "1"]);
        let ran = run.limit(Duration::from_secs(300)).recorded();
        assert_eq!(ran.shell_status(), 0, "{words:?} as {user:?}: {}", ran.stderr);
        let report = Report::open(&scratch.path("recording.vmatlas"));
        let number = |name: &str| report.number(&format!("/proof/pages/{name}"));
        let pages = report.at("/proof/pages");
        println!(
            "{words:?} as {user:?}: at exit {} anonymous pages predicted, {} asked; {} of files asked; {}/{} totals",
            number("at_exit/anonymous_predicted"),
            number("at_exit/anonymous_resynced"),
            number("at_exit/resynced") - number("at_exit/anonymous_resynced"),
            number("totals_matched"),
            number("checkpoints"),
        );
        assert!(number("at_exit/anonymous_compared") > 20, "{words:?}: {pages:#}");
        assert_eq!(number("at_exit/anonymous_differing"), 0, "{words:?} as {user:?}: {pages:#}");
        assert_eq!(number("all/differing"), 0, "{words:?} as {user:?}: {pages:#}");
        // Reading takes its time: what came and went meanwhile is said apart.
        assert_eq!(number("totals_matched") + number("totals_moving"), number("checkpoints"), "{pages:#}");
        let lost = report.list("/notes").iter().any(|note| note["kind"] == "lost");
        if sees_all(user) && !lost {
            assert_eq!(number("all/anonymous_resynced"), 0, "{words:?}: {pages:#}");
            assert_eq!(number("at_exit/anonymous_predicted"), number("at_exit/anonymous_compared"));
        }
        // What the report adds up is the kernel's own sum, unless that was read a moment later than the pages.
        if number("totals_moving") == 0 {
            assert_eq!(report.at("/resident/residue"), 0, "{words:?}: {}", report.at("/resident"));
        }
    });
}

/// 100 GiB mapped, of which 20 million pages are resident (the shared page of zeros, to spare this machine), replay in
/// less than 2 GiB: of addresses, which memory is a part of.
#[test]
fn pages_without_number_are_few_runs() {
    let Some(vast) = guest("vast", Build::Dynamic) else { return };
    let pages: u64 = if is_full() { 20_000_000 } else { 200_000 };
    let scratch = Scratch::new("vast");
    let run =
        Run::new(&scratch, [vast.as_os_str(), pages.to_string().as_ref()]).limit(Duration::from_secs(600));
    let ran = run.recorded();
    assert_eq!(ran.shell_status(), 0, "{}", ran.stderr);
    let script = "ulimit -v 2097152 && exec \"$0\" report --json \"$1\"";
    let words = [Path::new("sh"), Path::new("-c"), Path::new(script), vmatlas(), &run.recording()];
    let output = Command::new(words[0]).args(&words[1..]).output().expect("a shell");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).expect("--json prints JSON");
    let pages_proof = &report["proof"]["pages"];
    assert_eq!(pages_proof["all"]["differing"], 0, "{pages_proof:#}");
    let there = pages_proof["at_exit"]["compared"].as_u64().expect("a count");
    assert!(there >= pages, "{there} of {pages} pages: {pages_proof:#}");
    assert!(report["memory"]["peak_size"]["bytes"].as_u64() >= Some(100 << 30), "{}", report["memory"]);
}
