//! Real programs, recorded as root and as an ordinary user: the same status and output as without vmatlas, and a twin
//! that holds every mapping. `VMATLAS_TESTS=full` makes the inputs larger.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::guest::{Build, guest};
use crate::recording::Report;
use crate::run::{Run, User, has, is_full, until, users, wait};
use crate::scratch::{Scratch, shared_folder};

/// Picks the size of an input: the quick or the long form.
fn size<T>(quick: T, long: T) -> T {
    if is_full() { long } else { quick }
}

/// Whether a program's processes make memory calls from several threads at the same time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Threads {
    One,
    Many,
}

/// Runs a command with and without vmatlas in a folder that holds these files, as every user.
fn same(program: &str, threads: Threads, files: &[(&str, &str)], words: &[&str], look: impl Fn(&Report)) {
    if !has(program) {
        return;
    }
    for user in users() {
        let scratch = Scratch::new(program);
        for (name, text) in files {
            fs::write(scratch.path(name), text).expect("our own folder");
        }
        let run = Run::new(&scratch, words).user(*user).limit(Duration::from_secs(size(120, 600)));
        let (ran, report) = run.same_recorded();
        assert_eq!(ran.shell_status(), 0, "{words:?} as {user:?}: {} {}", ran.stdout, ran.stderr);
        match threads {
            Threads::One => report.assert_held(),
            Threads::Many => report.assert_held_but_for_races(),
        }
        look(&report);
    }
}

#[test]
fn python() {
    let code = "import json, ssl, sqlite3, asyncio; print(json.dumps([ssl.OPENSSL_VERSION_INFO[0] > 0, 1]))";
    same("python3", Threads::One, &[], &["python3", "-c", code], |report| {
        assert!(report.calls("mmap") > 50);
        assert!(report.kind_size("heap") > 0);
    });
}

#[test]
fn node() {
    let script = "const rows = [];\n\
                  for (let i = 0; i < COUNT; i++) rows.push({ number: i, text: String(i).repeat(3) });\n\
                  console.log(JSON.stringify(rows).length);\n";
    let script = script.replace("COUNT", size("20000", "2000000"));
    same("node", Threads::Many, &[("rows.js", &script)], &["node", "rows.js"], |report| {
        assert!(report.number("/run/threads") > 2)
    });
}

#[test]
fn java() {
    let source = "import java.util.*;\npublic class Rows {\n    public static void main(String[] words) {\n\
                  List<String> rows = new ArrayList<>();\n\
                  for (int i = 0; i < COUNT; i++) rows.add(Integer.toString(i));\n\
                  System.out.println(rows.size());\n    }\n}\n";
    let source = source.replace("COUNT", size("10000", "3000000"));
    let files = [("Rows.java", source.as_str())];
    if !has("java") {
        return;
    }
    same("javac", Threads::Many, &files, &["javac", "Rows.java"], |report| {
        assert!(report.number("/run/threads") > 5)
    });
    same("javac", Threads::Many, &files, &["java", "-Xmx256m", "Rows.java"], |report| {
        assert!(report.number("/run/threads") > 5)
    });
}

#[test]
fn rustc() {
    let Some(rustc) = rustc_for_all() else { return };
    let source = "use std::collections::BTreeMap;\nfn main() {\n\
                  let map: BTreeMap<u32, String> = (0..9).map(|n| (n, n.to_string())).collect();\n\
                  println!(\"{map:?}\");\n}\n";
    let rustc = rustc.to_str().expect("a plain path");
    same("cc", Threads::Many, &[("map.rs", source)], &[rustc, "-O", "map.rs"], |report| {
        assert!(report.number("/run/processes") > 1)
    });
}

/// The compiler itself (not rustup's stand-in), in a place where ordinary users may run it: hard links to its files.
pub(crate) fn rustc_for_all() -> Option<PathBuf> {
    let print = std::process::Command::new("rustc").args(["--print", "sysroot"]).output().ok()?;
    let sysroot = PathBuf::from(String::from_utf8(print.stdout).ok()?.trim());
    let folder = shared_folder().join("rust");
    let mark = folder.join("complete");
    if !mark.exists() {
        for part in ["bin", "lib"] {
            let to = folder.join(part);
            let _ = fs::remove_dir_all(&to);
            link_all(&sysroot.join(part), &to).expect("a folder of links or copies");
        }
        fs::write(mark, "").expect("our own folder");
    }
    Some(folder.join("bin/rustc"))
}

fn link_all(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let (entry, target) = {
            let entry = entry?;
            let target = to.join(entry.file_name());
            (entry, target)
        };
        if entry.file_type()?.is_dir() {
            link_all(&entry.path(), &target)?;
        } else if fs::hard_link(entry.path(), &target).is_err() {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

#[test]
fn gcc() {
    let source = "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\nint main(void) { puts(\"compiled\"); }\n";
    same("cc", Threads::One, &[("a.c", source)], &["cc", "-O2", "-o", "a", "a.c"], |report| {
        assert!(report.number("/run/processes") >= 4, "driver, compiler, assembler, linker");
    });
}

#[test]
fn sqlite() {
    let script = "PRAGMA journal_mode = WAL;\nPRAGMA mmap_size = 268435456;\n\
                  CREATE TABLE rows (number INTEGER, word TEXT);\n\
                  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < COUNT)\n\
                  INSERT INTO rows SELECT i, hex(i * 7919 % 65536) FROM n;\n\
                  CREATE INDEX by_word ON rows (word, number);\nSELECT count(DISTINCT word) FROM rows;\n";
    let script = script.replace("COUNT", size("20000", "1000000"));
    let words = ["sh", "-c", "rm -f base.db*; exec sqlite3 base.db < script.sql"];
    same("sqlite3", Threads::One, &[("script.sql", &script)], &words, |report| {
        assert!(report.calls("munmap") > 3)
    });
}

#[test]
fn sort() {
    let lines = size("300000", "3000000");
    let make = format!("seq 1 {lines} | awk '{{ print ($1 * 7919) % 1000003 }}'");
    let words = format!("{make} > lines; sort -n --parallel=2 -S 64M lines | sha256sum");
    same("sort", Threads::Many, &[], &["bash", "-c", &words], |report| {
        assert!(report.number("/run/threads") > report.number("/run/processes"), "sort has a second thread");
    });
}

#[test]
fn git() {
    let script = "git init -q . && git config user.name a && git config user.email a@b && i=0; \
                  while [ $i -lt COUNT ]; do i=$((i+1)); printf 'commit refs/heads/main\\ncommitter a <a@b> %d +0000\\n\
                  data 8\\nmessage\\n\\nM 644 inline f%d\\ndata 2\\nx\\n\\n' $((1700000000 + i)) $i; done \
                  | git fast-import --quiet && git log --stat main | sha256sum";
    let script = format!(
        "rm -rf rows && mkdir rows && cd rows && export HOME=$PWD GIT_CONFIG_NOSYSTEM=1 && {}",
        script.replace("COUNT", size("100", "5000"))
    );
    same("git", Threads::One, &[], &["sh", "-c", &script], |report| {
        assert!(report.number("/run/processes") > 4)
    });
}

#[test]
fn a_shell_loop_with_200_children() {
    let script = "i=0; while [ $i -lt 200 ]; do i=$((i+1)); /bin/true; done; echo $i";
    same("sh", Threads::One, &[], &["sh", "-c", script], |report| report.assert_processes(201));
}

#[test]
fn redis_under_its_benchmark() {
    if !has("redis-server") || !has("redis-benchmark") {
        return;
    }
    for user in users() {
        let scratch = Scratch::new("redis");
        let words = [
            "redis-server",
            "--port",
            "0",
            "--unixsocket",
            "socket",
            "--unixsocketperm",
            "777",
            "--save",
            "",
        ];
        let words = [&words[..], &["--pidfile", "pid", "--daemonize", "no", "--logfile", "log"]].concat();
        let run = Run::new(&scratch, words).user(*user);
        let mut server = run.start_recorded();
        let pid = until("the server", || {
            let pid = fs::read_to_string(scratch.path("pid")).ok()?;
            scratch.path("socket").exists().then(|| pid.trim().parse::<i32>().ok())?
        });
        let requests = size("2000", "100000");
        let benchmark =
            ["redis-benchmark", "-s", "socket", "-n", requests, "-q", "-t", "set,get,lpush,lrange_100"];
        let load = Run::new(&scratch, benchmark).limit(Duration::from_secs(120)).alone();
        assert!(load.status.success(), "{}", load.stderr);
        kill_process(Pid::from_raw(pid).expect("not 0"), Signal::TERM).expect("the server lives");
        let status = wait(&mut server, Duration::from_secs(20), "the server");
        assert!(status.success(), "{status:?} as {user:?}");
        let report = Report::open(&run.recording());
        report.assert_held_but_for_races();
        assert!(report.number("/run/threads") > 2, "its background threads");
        assert_eq!(report.at("/run/end/exit"), 0);
    }
}

#[test]
fn many_threads_and_many_execs_at_once() {
    let Some(threads) = guest("threads64", Build::Dynamic) else { return };
    let Some(execs) = guest("exec_self", Build::Dynamic) else { return };
    let script = format!("{} > /dev/null & {} & wait $!; echo $?; wait", threads.display(), execs.display());
    same("sh", Threads::Many, &[], &["sh", "-c", &script], |report| {
        report.assert_processes(3);
        assert_eq!(report.number("/run/threads"), 67);
    });
}

#[test]
fn the_report_of_a_run_reads_as_one() {
    let scratch = Scratch::new("read");
    let ran = Run::new(&scratch, ["sh", "-c", "echo out"])
        .flags(&["--color", "never"])
        .user(User::Ordinary)
        .recorded();
    assert_eq!(ran.stdout, "out\n");
    for words in ["sh -c 'echo out'", "twin: ", "main stack", "libc.so.6"] {
        assert!(ran.stderr.contains(words), "{words:?} is not in:\n{}", ran.stderr);
    }
}
