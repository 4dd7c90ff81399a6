//! The programs: real ones, each doing work of a second or more.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

/// What can be asked for by name.
pub const NAMES: [&str; 7] = ["python", "node", "javac", "rustc", "sort", "sqlite", "loop"];

/// A program to be run.
pub struct Program {
    /// Its name in the table.
    pub name: &'static str,
    /// What it does.
    pub what: String,
    /// The command and its arguments.
    pub words: Vec<OsString>,
    /// What it reads.
    pub input: Option<PathBuf>,
}

const PYTHON: &str = "\
import json, ssl, sqlite3, asyncio, collections
table = collections.defaultdict(list)
for n in range(600_000):
    table[n % 1009].append((n, str(n), {'n': n}))
text = json.dumps({k: [row[0] for row in rows] for k, rows in table.items()})
assert len(json.loads(text)) == 1009
";

const NODE: &str = "\
const rows = [];
for (let n = 0; n < 900000; n++) rows.push({ n, text: 'row ' + n, parts: [n, n + 1] });
const text = JSON.stringify(rows);
const back = JSON.parse(text);
const sums = new Map();
for (const row of back) sums.set(row.n % 1009, (sums.get(row.n % 1009) || 0) + row.parts[1]);
if (sums.size !== 1009) throw new Error('wrong');
";

const SQLITE: &str = "\
CREATE TABLE t(a INTEGER, b TEXT, c REAL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000)
INSERT INTO t SELECT i * 7919 % 1000003, 'row ' || i, i / 3.0 FROM n;
CREATE INDEX t_a ON t(a);
CREATE INDEX t_b ON t(b);
SELECT count(*), sum(a) FROM t WHERE b > 'row 5';
";

/// Makes the programs' inputs and returns those whose command is installed; the others are named on stderr.
pub fn all(dir: &Path) -> Result<Vec<Program>> {
    let write = |name: &str, text: String| {
        let path = dir.join(name);
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        Ok::<_, anyhow::Error>(path)
    };
    let lines = write("lines", numbers())?;
    let statements = write("statements.sql", SQLITE.to_owned())?;
    write("work.py", PYTHON.to_owned())?;
    write("work.js", NODE.to_owned())?;
    write("Work.java", java())?;
    write("work.rs", rust())?;
    let program = |name, what: &str, words: &[&str], input| Program {
        name,
        what: what.to_owned(),
        words: words.iter().map(OsString::from).collect(),
        input,
    };
    let programs = vec![
        program("python", "imports, 600,000 rows, JSON", &[&python(), "work.py"], None),
        program("node", "900,000 objects, JSON there and back", &["node", "work.js"], None),
        program("javac", "one file of 120 classes", &["javac", "-d", "classes", "Work.java"], None),
        program(
            "rustc",
            "-O on one file of 400 functions",
            &[&rustc(), "-O", "--crate-type", "lib", "work.rs"],
            None,
        ),
        program(
            "sort",
            "3,000,000 lines, two threads",
            &["sort", "-n", "--parallel=2", "-S", "512M"],
            Some(lines),
        ),
        program("sqlite", "1,000,000 rows, two indexes", &["sqlite3", ":memory:"], Some(statements)),
    ];
    Ok(programs.into_iter().filter(is_here).collect())
}

/// The interpreter itself, where `python3` is a script that looks for one.
fn python() -> String {
    said_by("python3", &["-c", "import sys; print(sys.executable)"]).unwrap_or_else(|| "python3".to_owned())
}

/// The compiler itself, where `rustc` is a program that looks for one.
fn rustc() -> String {
    let sysroot = said_by("rustc", &["--print", "sysroot"]);
    sysroot.map_or_else(|| "rustc".to_owned(), |sysroot| format!("{sysroot}/bin/rustc"))
}

fn said_by(command: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(command).args(args).output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn is_here(program: &Program) -> bool {
    let mut command = Command::new(&program.words[0]);
    let asked = command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let here = asked.is_ok_and(|status| status.success());
    if !here {
        eprintln!("NOT MEASURED: {}, it is not installed", program.name);
    }
    here
}

/// Lines in no order.
fn numbers() -> String {
    let mut text = String::new();
    let mut x = 1u64;
    for _ in 0..3_000_000 {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let _ = writeln!(text, "{}", x >> 33);
    }
    text
}

fn java() -> String {
    let mut text = String::from("import java.util.*;\nimport java.util.stream.*;\n");
    for class in 0..120 {
        let _ = writeln!(
            text,
            "class Part{class} {{\n  private final Map<String, List<Integer>> rows = new HashMap<>();\n\
             \x20 void add(String key, int n) {{ rows.computeIfAbsent(key, k -> new ArrayList<>()).add(n + {class}); }}\n\
             \x20 int sum() {{ return rows.values().stream().flatMap(List::stream).mapToInt(n -> n).sum(); }}\n\
             \x20 record Pair<A, B>(A a, B b) {{}}\n\
             \x20 List<Pair<String, Integer>> all() {{ return rows.entrySet().stream().map(e -> new Pair<>(e.getKey(), \
             e.getValue().size())).sorted(Comparator.comparing(p -> p.a())).collect(Collectors.toList()); }}\n}}"
        );
    }
    text.push_str(
        "class Work { public static void main(String[] args) { System.out.println(new Part0().sum()); } }\n",
    );
    text
}

fn rust() -> String {
    let mut text = String::from("use std::collections::BTreeMap;\n");
    for n in 0..400 {
        let _ = writeln!(
            text,
            "pub fn part{n}(words: &[&str]) -> BTreeMap<String, usize> {{\n    let mut counts = BTreeMap::new();\n\
             \x20   for (at, word) in words.iter().enumerate() {{ *counts.entry(format!(\"{{word}}{n}\")).or_insert({n}) += at; }}\n\
             \x20   counts\n}}"
        );
    }
    text
}
