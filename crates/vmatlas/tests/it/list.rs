//! The real programs that vmatlas is shown on: what each needs, the files it finds in its folder, its words.

use std::fs;
use std::path::{Path, PathBuf};

use crate::guest::{Build, guest};
use crate::run::{has, is_full};
use crate::scratch::{Scratch, shared_folder};

/// A command with the files it reads.
pub(crate) struct Program {
    /// What it is called in the list.
    pub(crate) name: &'static str,
    /// What must be installed.
    pub(crate) needs: &'static str,
    /// Names and texts of the files in its folder.
    pub(crate) files: Vec<(&'static str, String)>,
    /// Its words.
    pub(crate) words: Vec<String>,
}

impl Program {
    fn new(name: &'static str, needs: &'static str, words: &[&str]) -> Self {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        Self { name, needs, files: Vec::new(), words }
    }

    fn with(mut self, file: &'static str, text: impl Into<String>) -> Self {
        self.files.push((file, text.into()));
        self
    }

    /// Makes a folder of its own with its files; `None` where it can't run here, which is printed.
    pub(crate) fn folder(&self) -> Option<Scratch> {
        if !has(self.needs) {
            return None;
        }
        let scratch = Scratch::new(self.name);
        for (name, text) in &self.files {
            fs::write(scratch.path(name), text).expect("our own folder");
        }
        Some(scratch)
    }
}

/// Picks the size of an input: the quick or the long form.
pub(crate) fn size<T>(quick: T, long: T) -> T {
    if is_full() { long } else { quick }
}

pub(crate) fn python() -> Program {
    let code = "import json, ssl, sqlite3, asyncio; print(json.dumps([ssl.OPENSSL_VERSION_INFO[0] > 0, 1]))";
    Program::new("python3", "python3", &["python3", "-c", code])
}

pub(crate) fn node() -> Program {
    let script = "const rows = [];\n\
                  for (let i = 0; i < COUNT; i++) rows.push({ number: i, text: String(i).repeat(3) });\n\
                  console.log(JSON.stringify(rows).length);\n";
    let script = script.replace("COUNT", size("20000", "2000000"));
    Program::new("node", "node", &["node", "rows.js"]).with("rows.js", script)
}

fn java_source() -> String {
    let source = "import java.util.*;\npublic class Rows {\n    public static void main(String[] words) {\n\
                  List<String> rows = new ArrayList<>();\n\
                  for (int i = 0; i < COUNT; i++) rows.add(Integer.toString(i));\n\
                  System.out.println(rows.size());\n    }\n}\n";
    source.replace("COUNT", size("10000", "3000000"))
}

pub(crate) fn javac() -> Program {
    Program::new("javac", "javac", &["javac", "Rows.java"]).with("Rows.java", java_source())
}

/// Compiles in memory and runs: one process.
pub(crate) fn java() -> Program {
    Program::new("java", "java", &["java", "-Xmx256m", "Rows.java"]).with("Rows.java", java_source())
}

pub(crate) fn rustc() -> Option<Program> {
    let source = "use std::collections::BTreeMap;\nfn main() {\n\
                  let map: BTreeMap<u32, String> = (0..9).map(|n| (n, n.to_string())).collect();\n\
                  println!(\"{map:?}\");\n}\n";
    let rustc = rustc_for_all()?;
    let rustc = rustc.to_str().expect("a plain path");
    Some(Program::new("rustc", "cc", &[rustc, "-O", "map.rs"]).with("map.rs", source))
}

pub(crate) fn gcc() -> Program {
    let source = "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\nint main(void) { puts(\"compiled\"); }\n";
    Program::new("gcc", "cc", &["cc", "-O2", "-o", "a", "a.c"]).with("a.c", source)
}

pub(crate) fn sqlite() -> Program {
    let script = "PRAGMA journal_mode = WAL;\nPRAGMA mmap_size = 268435456;\n\
                  CREATE TABLE rows (number INTEGER, word TEXT);\n\
                  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < COUNT)\n\
                  INSERT INTO rows SELECT i, hex(i * 7919 % 65536) FROM n;\n\
                  CREATE INDEX by_word ON rows (word, number);\nSELECT count(DISTINCT word) FROM rows;\n";
    let script = script.replace("COUNT", size("20000", "1000000"));
    let words = ["sh", "-c", "rm -f base.db*; exec sqlite3 base.db < script.sql"];
    Program::new("sqlite3", "sqlite3", &words).with("script.sql", script)
}

pub(crate) fn sort() -> Program {
    let lines = size("300000", "3000000");
    let make = format!("seq 1 {lines} | awk '{{ print ($1 * 7919) % 1000003 }}'");
    let words = format!("{make} > lines; sort -n --parallel=2 -S 64M lines | sha256sum");
    Program::new("sort", "sort", &["bash", "-c", &words])
}

pub(crate) fn git() -> Program {
    let script = "git init -q . && git config user.name a && git config user.email a@b && i=0; \
                  while [ $i -lt COUNT ]; do i=$((i+1)); printf 'commit refs/heads/main\\ncommitter a <a@b> %d +0000\\n\
                  data 8\\nmessage\\n\\nM 644 inline f%d\\ndata 2\\nx\\n\\n' $((1700000000 + i)) $i; done \
                  | git fast-import --quiet && git log --stat main | sha256sum";
    let script = format!(
        "rm -rf rows && mkdir rows && cd rows && export HOME=$PWD GIT_CONFIG_NOSYSTEM=1 && {}",
        script.replace("COUNT", size("100", "5000"))
    );
    Program::new("git", "git", &["sh", "-c", &script])
}

/// What a shell makes of a script.
pub(crate) fn shell(name: &'static str, script: &str) -> Program {
    Program::new(name, "sh", &["sh", "-c", script])
}

pub(crate) fn children() -> Program {
    let script = "i=0; while [ $i -lt 200 ]; do i=$((i+1)); /bin/true; done; echo $i";
    shell("children200", script)
}

/// The server and its load as children of one shell.
pub(crate) fn redis() -> Program {
    let script = "redis-server --port 0 --unixsocket $PWD/socket --save '' --daemonize no > log &\n\
                  until [ \"$(redis-cli -s socket ping 2> answer)\" = PONG ]; do sleep 0.1; done\n\
                  redis-benchmark -s socket -n COUNT -q -t set,get,lpush,lrange_100 > rates\n\
                  redis-cli -s socket shutdown nosave; wait; test -s rates\n";
    let script = script.replace("COUNT", size("2000", "100000"));
    Program::new("redis", "redis-server", &["sh", "-c", &script])
}

/// A guest that makes 64 threads.
pub(crate) fn threads() -> Option<Program> {
    Some(Program::new("threads64", "sh", &[path_of("threads64")?.as_str()]))
}

/// A guest that executes itself.
pub(crate) fn execs() -> Option<Program> {
    Some(Program::new("exec_self", "sh", &[path_of("exec_self")?.as_str()]))
}

fn path_of(name: &str) -> Option<String> {
    guest(name, Build::Dynamic).map(|path| path.display().to_string())
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
