//! `vmatlas lab`: every script of `crates/lab/tests/lab` on both sides and on each alone, as root and as an ordinary
//! user; bad scripts; the statuses.

use std::fs;
use std::path::PathBuf;

use crate::run::{Ran, Run, User, users, vmatlas};
use crate::scratch::Scratch;
use crate::tty::Tty;

/// Runs a script that is given on standard input.
fn lab(scratch: &Scratch, user: User, flags: &[&str], script: &str) -> Ran {
    let program = vmatlas().to_str().expect("a plain path");
    let words = [&[program, "lab"], flags, &["-"]].concat();
    Run::new(scratch, words).user(user).input(script.as_bytes()).alone()
}

/// Tells whether the running kernel is another than the twin's, so that there is nothing to compare.
fn is_other_kernel(scratch: &Scratch) -> bool {
    let ran = lab(scratch, User::Same, &["-q"], "");
    let other = ran.stderr.contains("there is nothing to compare");
    if other {
        println!("SKIPPED: the lab beside the kernel: {}", ran.stderr.trim());
    }
    other
}

fn scripts() -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../lab/tests/lab");
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the scripts' folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|end| end == "vm") {
            let name = path.file_name().expect("a file").to_string_lossy().into_owned();
            found.push((name, fs::read_to_string(&path).expect("a script")));
        }
    }
    found.sort();
    found
}

#[test]
fn every_script_holds_on_both_sides_and_on_each_alone() {
    let scratch = Scratch::new("lab");
    let scripts = scripts();
    assert!(scripts.len() >= 60, "only {} scripts were found", scripts.len());
    let sides: &[&str] = if is_other_kernel(&scratch) { &["twin"] } else { &["both", "kernel", "twin"] };
    for (name, text) in &scripts {
        assert!(text.starts_with("# "), "{name} does not say why");
        for user in users() {
            for side in sides {
                let ran = lab(&scratch, *user, &["-q", "--on", side], text);
                assert_eq!(ran.shell_status(), 0, "{name} on {side} as {user:?}: {}", ran.stderr);
            }
        }
    }
}

#[test]
fn a_wrong_expectation_is_found_on_every_side() {
    let scratch = Scratch::new("lab-wrong");
    let sides: &[&str] = if is_other_kernel(&scratch) { &["twin"] } else { &["both", "kernel", "twin"] };
    for side in sides {
        for (script, line) in [
            ("a = mmap 8K rw private anon\nmunmap a 4K\nexpect ENOMEM\n", 3),
            ("a = mmap 8K rw private anon\nexpect maps a 8K: rw 4K, r 4K\n", 2),
            ("a = mmap 8K rw private anon\ntouch a\nexpect pages a 8K: absent 8K\n", 3),
            ("a = mmap 4K rw private anon\nwrite a \"abc\"\nread a 3\nexpect \"abd\"\n", 4),
            ("a = mmap 4K r private anon\nwrite a \"abc\"\nexpect ok\n", 3),
            ("munmap 1 4K\nmmap 4K rw private anon\n", 1),
            ("munmap 1 4K\n", 1),
        ] {
            let ran = lab(&scratch, User::Same, &["-q", "--on", side], script);
            assert_eq!(ran.shell_status(), 1, "{script} on {side}: {}", ran.stderr);
            assert!(ran.stderr.contains(&format!("input):{line}:")), "{script} on {side}: {}", ran.stderr);
        }
    }
}

#[test]
fn bad_scripts_are_refused_at_their_place() {
    let scratch = Scratch::new("lab-bad");
    for (script, place, what) in [
        ("a = mmap 64K rq private anon", "1:14", "letters of rwx"),
        ("munmap a 4K", "1:8", "nothing called `a`"),
        ("f = file 4K\nmunmap f 4K", "2:8", "not an address"),
        ("a = mmap 4K rw private anon\ntruncate a 1", "2:10", "not a file"),
        ("mmap 99999999999T rw private anon", "1:6", "64 bits"),
        ("munmap 0xffffffffffffffff+1 4K", "1:8", "leaves the range"),
        ("munmap 0-1 4K", "1:8", "leaves the range"),
        ("a = mmap 2T rw private anon noreserve\nfill a 1T 0", "2:8", "at most 1.0 MiB"),
        ("touch 0 1T", "1:9", "at most 256 MiB"),
        ("read 0 1T", "1:8", "at most"),
        ("f = file 1T", "1:10", "at most"),
        ("repeat 9999999 fork", "1:8", "at most 100000"),
        ("call f 1T", "1:8", "at most"),
        ("expect ok", "1:1", "no line before"),
        ("return", "1:1", "no frame"),
        ("free 16", "1:6", "no such block"),
        ("exit", "1:1", "quit"),
        ("goto 7", "1:1", "nothing was done"),
        ("x: fork", "1:1", "no process called"),
        ("c = fork\nc: exit\nc: fork", "3:1", "has ended"),
        ("\"text\"", "1:1", "expected a call"),
        ("read 0 \u{1F980}", "1:8", "means nothing"),
        ("write 0 \"open", "1:9", "no closing quote"),
        ("repeat 9 fork", "1:1", "no room"),
    ] {
        let on = if what == "no room" { "both" } else { "twin" };
        if on == "both" && is_other_kernel(&scratch) {
            continue;
        }
        let ran = lab(&scratch, User::Same, &["-q", "--on", on], script);
        assert_eq!(ran.shell_status(), 1, "{script}: {}", ran.stderr);
        let expected = format!("vmatlas: (standard input):{place}: ");
        assert!(ran.stderr.starts_with(&expected), "{script}: {}", ran.stderr);
        assert!(ran.stderr.contains(what), "{script}: {}", ran.stderr);
        assert!(ran.stderr.contains("^"), "{script}: {}", ran.stderr);
    }
}

#[test]
fn endless_recursion_ends_at_the_stacks_limit() {
    let scratch = Scratch::new("lab-recursion");
    let script = "repeat 100000 call recursion 64K\nexpect SIGSEGV MAPERR\n";
    let ran = lab(&scratch, User::Same, &["-q", "--on", "twin"], script);
    assert_eq!(ran.shell_status(), 0, "{}", ran.stderr);
}

#[test]
fn no_bytes_make_the_lab_panic() {
    let scratch = Scratch::new("lab-bytes");
    let mut state = 7_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    let words = [
        "a",
        "=",
        "mmap",
        "64K",
        "rw",
        "private",
        "anon",
        "@",
        "+",
        "-",
        ":",
        ",",
        "expect",
        "maps",
        "fork",
        "0xffffffffffffffff",
        "\"x\"",
        "munmap",
        "mremap",
        "madvise",
        "dontneed",
        "c",
        "repeat",
        "2",
        "undo",
        "call",
        "malloc",
        "free",
        "brk",
        "file",
        "truncate",
        "thread",
        "goto",
        "\\",
        "é",
        "limit",
        "as",
    ];
    for _ in 0..40 {
        let text: String = (0..400)
            .map(|_| {
                let word = words[next() as usize % words.len()];
                if next() % 7 == 0 { format!("{word}\n") } else { format!("{word} ") }
            })
            .collect();
        // Each line alone, so that the first bad one does not end it.
        for line in text.lines().take(12) {
            let ran = lab(&scratch, User::Same, &["-q", "--on", "twin"], line);
            assert!(ran.shell_status() <= 1, "{line}: {}", ran.stderr);
            assert!(!ran.stderr.contains("panicked"), "{line}: {}", ran.stderr);
        }
    }
}

#[test]
fn the_childs_own_malloc_is_seen_at_work() {
    let scratch = Scratch::new("lab-malloc");
    if is_other_kernel(&scratch) {
        return;
    }
    let script =
        "p = malloc 100\nbig = malloc 1M\ntouch big 1M\npages heap heap_end-heap\nfree big\nfree p\n";
    for user in users() {
        let ran = lab(&scratch, *user, &[], script);
        assert_eq!((ran.shell_status(), ran.stderr.as_str()), (0, ""));
        for part in ["brk(0x", "mmap(0x0, 10", "munmap(0x"] {
            let by = |line: &&str| line.contains(part) && line.contains("made by the C library");
            assert!(ran.stdout.lines().any(|line| by(&line)), "{part} as {user:?}: {}", ran.stdout);
        }
        assert!(ran.stdout.contains("its allocator would map it"), "{}", ran.stdout);
    }
    // A block that is freed twice: the library ends the process, the lab says so at the line.
    let ran = lab(&scratch, User::Same, &["-q"], "p = malloc 100\nfree p\nfree p\n");
    assert_eq!(ran.shell_status(), 1);
    assert!(ran.stderr.starts_with("vmatlas: (standard input):3:1: "), "{}", ran.stderr);
    assert!(ran.stderr.contains("SIGABRT") && ran.stderr.contains('^'), "{}", ran.stderr);
    // A wrong address is a fault like any other.
    let ran = lab(&scratch, User::Same, &["-q"], "free 16\nexpect SIGSEGV MAPERR at 8\np = malloc 10\n");
    assert_eq!((ran.shell_status(), ran.stderr.as_str()), (0, ""));
}

#[test]
fn the_prompt_outlives_its_child_and_remembers_its_lines() {
    let scratch = Scratch::new("lab-prompt");
    if is_other_kernel(&scratch) {
        return;
    }
    let program = vmatlas().to_str().expect("a plain path");
    let state = scratch.folder().join("state");
    let state = format!("XDG_STATE_HOME={}", state.display());
    let words = ["env", &state, "TERM=xterm", program, "lab"];
    let mut tty = Tty::start(&scratch, User::Same, &words);
    tty.wait_for("main 1>");
    // Several lines at once, as a paste gives them.
    tty.keys("p = malloc 100\rfree p\rfree p\r");
    tty.wait_for("SIGABRT");
    tty.wait_for("a new child begins");
    tty.wait_for("main 4>");
    tty.keys("mmap 4K rq private anon\r");
    tty.wait_for("letters of rwx");
    tty.wait_for("main 5>");
    tty.keys("brk +4K\r");
    tty.wait_for("[heap]");
    tty.keys("quit\r");
    assert!(tty.end().success());
    // Another session has the lines of the first; its folder is the user's alone.
    let kept = scratch.folder().join("state/vmatlas/lab_history");
    let kept = fs::read_to_string(&kept).expect("the lines");
    assert!(kept.starts_with("p = malloc 100\nfree p\n") && kept.contains("brk +4K\n"), "{kept}");
    let mut tty = Tty::start(&scratch, User::Same, &words);
    tty.wait_for("main 1>");
    tty.keys("\x1b[A\x1b[A\r");
    tty.wait_for("[heap]");
    tty.keys("\x04");
    assert!(tty.end().success());
    // Where nothing can be kept, the prompt works as well.
    let nowhere = ["env", "XDG_STATE_HOME=/proc/none", program, "lab"];
    let mut tty = Tty::start(&scratch, User::Same, &nowhere);
    tty.wait_for("main 1>");
    tty.keys("brk +4K\r");
    tty.wait_for("[heap]");
    tty.keys("\x04");
    assert!(tty.end().success());
}

#[test]
fn going_back_is_for_the_twin_alone() {
    let scratch = Scratch::new("lab-undo");
    let script = "a = mmap 8K rw private anon\nwrite a \"one\"\nwrite a \"two\"\nundo\nread a 3\nexpect \"one\"\n\
                  munmap a 8K\ngoto 1\nexpect maps a 8K: rw 8K\nread a 3\nexpect zeros\n";
    let ran = lab(&scratch, User::Same, &["-q", "--on", "twin"], script);
    assert_eq!(ran.shell_status(), 0, "{}", ran.stderr);
    if !is_other_kernel(&scratch) {
        let ran = lab(&scratch, User::Same, &["-q"], "brk +4K\nundo\n");
        assert_eq!(ran.shell_status(), 1);
        assert!(ran.stderr.contains("a real process can't go back"), "{}", ran.stderr);
    }
}

#[test]
fn json_is_one_object() {
    let scratch = Scratch::new("lab-json");
    let script = "a = mmap 8K rw private anon\nwhy\nmunmap 1 1\n";
    let ran = lab(&scratch, User::Same, &["--json", "--on", "twin"], script);
    assert_eq!(ran.shell_status(), 1);
    let object: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(object["schema"], "vmatlas.lab/1");
    assert_eq!(object["lines"].as_array().map(Vec::len), Some(3));
    assert_eq!(object["lines"][2]["shown"][0]["did"]["twin"]["errno"], "EINVAL");
    assert_eq!(object["outcome"], "failed");
    assert_eq!(object["complaint"]["line"], 3);
}

#[test]
fn a_moment_of_a_recording_goes_on_in_the_lab() {
    let scratch = Scratch::new("lab-from");
    let run = Run::new(&scratch, ["sh", "-c", "exit 0"]);
    assert_eq!(run.recorded().shell_status(), 0);
    let file = run.recording();
    let file = file.to_str().expect("a plain path");
    let script = "maps\nbrk +64K\nexpect ok\nmunmap 1 1\nexpect EINVAL\na = mmap 8K rw private anon\n\
                  write a \"new\"\nread a 3\nexpect \"new\"\nundo\nundo\nread a 3\nexpect zeros\nread sp-8 1\n";
    let ran = lab(&scratch, User::Same, &["--from", file], script);
    assert_eq!((ran.shell_status(), ran.stderr.as_str()), (0, ""));
    assert!(ran.stdout.contains("[stack]") && ran.stdout.contains("  file /"), "{}", ran.stdout);
    assert!(ran.stdout.contains("from before the lab"), "{}", ran.stdout);
    let ran = lab(&scratch, User::Same, &["--from", &format!("{file}#1")], script);
    assert_eq!(ran.shell_status(), 1);
    assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
}

/// The tour with every address replaced by a letter, in the order of their first appearance, and what differs from one
/// kernel build to the next left out.
fn normalised(tour: &str) -> String {
    let mut known: Vec<String> = Vec::new();
    let mut text = String::new();
    for line in tour.lines().filter(|line| !line.contains("[vvar") && !line.contains("[vdso]")) {
        let mut rest = line;
        while let Some(at) = rest.find(|c: char| c.is_ascii_hexdigit()) {
            let len = rest[at..].find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len() - at);
            let (before, from) = rest.split_at(at);
            let word = from[..len].trim_start_matches("0x");
            let is_address = word.len() >= 8 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
            text.push_str(before);
            if is_address {
                let number = known.iter().position(|one| one == word).unwrap_or_else(|| {
                    known.push(word.to_owned());
                    known.len() - 1
                });
                text.push_str(&format!("<{number}>"));
            } else {
                text.push_str(&from[..len]);
            }
            rest = &from[len..];
        }
        text.push_str(rest);
        text.push('\n');
    }
    text
}

#[test]
fn the_tour_is_what_its_page_says() {
    let scratch = Scratch::new("tour");
    if is_other_kernel(&scratch) {
        return;
    }
    let program = vmatlas().to_str().expect("a plain path");
    let words = ["env", "-u", "COLUMNS", "LC_ALL=C.UTF-8", program, "tour", "--plain"];
    for user in users() {
        let ran = Run::new(&scratch, words).user(*user).alone();
        assert_eq!((ran.shell_status(), ran.stderr.as_str()), (0, ""), "as {user:?}");
        let page = format!("{TOUR_HEAD}\n```\n{}```\n", normalised(&ran.stdout));
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/tour.md");
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&path, &page).expect("the page");
        }
        let known = fs::read_to_string(&path).expect("the page");
        let other = page.lines().zip(known.lines()).find(|(now, then)| now != then);
        assert_eq!(other, None, "now and docs/tour.md (UPDATE_EXPECT=1 writes it)");
        assert_eq!(page.lines().count(), known.lines().count());
    }
}

const TOUR_HEAD: &str = "\
# The tour

What `vmatlas tour --plain` prints: a real child process and the twin side by side, step by step. Addresses stand as
numbers in the order of their first appearance, the kernel's own pages are left out. Written and checked by the test
`crates/vmatlas/tests/it/lab.rs`.
";
