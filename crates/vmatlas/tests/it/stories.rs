//! Who and when: the life of an address, what a crash leaves, and resident memory by stack for other tools.

use std::path::Path;
use std::process::Command;

use crate::guest::{Build, guest};
use crate::run::{Ran, Run, User, has, is_root, users, vmatlas};
use crate::scratch::Scratch;

/// Runs `vmatlas` with these words; returns its status as a shell shows it, its output and its errors.
fn run(scratch: &Scratch, words: &[&str]) -> (i32, String, String) {
    let words: Vec<_> =
        [vmatlas().to_str().expect("a plain path")].into_iter().chain(words.iter().copied()).collect();
    let ran = Run::new(scratch, &words).alone();
    (ran.shell_status(), ran.stdout, ran.stderr)
}

/// Records a guest; the folder then holds `f.vmatlas`.
fn recorded(name: &str, args: &[&str]) -> Option<(Scratch, i32, String)> {
    let (scratch, ran) = recorded_by(User::Same, name, args)?;
    Some((scratch, ran.shell_status(), ran.stderr))
}

fn recorded_by(user: User, name: &str, args: &[&str]) -> Option<(Scratch, Ran)> {
    let program = guest(name, Build::Dynamic)?;
    let scratch = Scratch::new(name);
    let program = program.to_str().expect("a plain path");
    let vmatlas = vmatlas().to_str().expect("a plain path");
    let mut words = vec![vmatlas, "record", "--force", "--faults", "1", "-o", "f.vmatlas", "--", program];
    words.extend_from_slice(args);
    let mut ran = Run::new(&scratch, &words).user(user).alone();
    // On a machine that lets the tracer wait, the kernel drops faults and the report says so: of those nobody is told.
    for _ in 0..5 {
        if !ran.stderr.contains("they came faster than they could be read") {
            break;
        }
        ran = Run::new(&scratch, &words).user(user).alone();
    }
    Some((scratch, ran))
}

#[test]
fn a_crash_leaves_the_life_of_its_address() {
    let Some((scratch, status, report)) = recorded("after_unmap", &[]) else { return };
    assert_eq!(status, 139, "the program's own end");
    let crash = report.find("SIGSEGV at").map(|at| &report[at..]).expect("the report ends with the crash");
    let order =
        ["use_buffer", "use after unmap", "mapped by mmap", "make_buffer", "main", "page first touched"];
    let order =
        order.iter().chain(&["fill_buffer", "unmapped by munmap", "drop_buffer", "while nothing was mapped"]);
    let mut rest = crash;
    for words in order {
        let at =
            rest.find(words).unwrap_or_else(|| panic!("{words} is missing or out of order in:\n{crash}"));
        rest = &rest[at + words.len()..];
    }
    // The same by hand: the address stands in the first line.
    let address = crash.split_whitespace().find(|word| word.starts_with("0x")).expect("an address");
    let (status, explained, errors) = run(&scratch, &["explain", "f.vmatlas@peak", address]);
    assert_eq!(status, 0, "{errors}");
    assert!(explained.contains("mapped by mmap") && explained.contains("drop_buffer"), "{explained}");
}

#[test]
fn a_crash_tells_what_took_the_right_away() {
    for (how, status, signal, verdict, last) in [
        ("truncate", 135, "SIGBUS at", "or lies past the end of the file", &["write_again"][..]),
        (
            "protect",
            139,
            "SIGSEGV at",
            "its protection became PROT_READ",
            &["protected as PROT_READ by mprotect", "take_away", "write_again"],
        ),
        (
            "guard",
            139,
            "SIGSEGV at",
            "a guard: it was put there",
            &[
                "made a guard, contents dropped, by madvise",
                "take_away",
                "while a guard was there",
                "write_again",
            ],
        ),
    ] {
        let Some((_scratch, ended, report)) = recorded("bad_access", &[how]) else { return };
        if ended == 2 {
            println!("SKIPPED: a crash at {how}, this kernel does not know the call");
            continue;
        }
        assert_eq!(ended, status, "the program's own end: {report}");
        let report = report.split_whitespace().collect::<Vec<_>>().join(" ");
        let crash = report.find(signal).map(|at| &report[at..]).expect("the report ends with the crash");
        let order = ["write_again", verdict, "mapped by mmap", "main", "page first touched"];
        let mut rest = crash;
        for words in order.iter().chain(last) {
            let at = rest.find(words).unwrap_or_else(|| panic!("{words} is missing in:\n{crash}"));
            rest = &rest[at + words.len()..];
        }
    }
}

#[test]
fn a_crash_is_told_however_few_faults_are_recorded() {
    let Some(program) = guest("after_unmap", Build::Dynamic) else { return };
    let scratch = Scratch::new("crash-sampled");
    let program = program.to_str().expect("a plain path");
    let (status, _, report) =
        run(&scratch, &["record", "--faults", "9973", "-o", "f.vmatlas", "--", program]);
    assert_eq!(status, 139, "the program's own end");
    let crash = report.find("SIGSEGV at").map(|at| &report[at..]).expect("the report ends with the crash");
    assert!(crash.contains("use_buffer") && crash.contains("use after unmap"), "{crash}");
}

#[test]
fn resident_memory_by_stack_adds_up_in_every_format() {
    let Some((scratch, status, _)) = recorded("churn", &["2000"]) else { return };
    assert_eq!(status, 0);
    let export = |to: &str| {
        let (status, out, errors) = run(&scratch, &["export", "f.vmatlas", "--to", to]);
        assert_eq!(status, 0, "{to}: {errors}");
        out
    };
    let json: serde_json::Value = serde_json::from_str(&export("json")).expect("JSON");
    let resident = json["resident"].as_u64().expect("a number");
    let rows = json["rows"].as_array().expect("rows");
    assert_eq!(rows.iter().map(|row| row["resident"].as_u64().unwrap_or(0)).sum::<u64>(), resident);
    let folded = export("folded");
    let lines = folded.lines().map(|line| line.rsplit_once(' ').expect("a stack and a number"));
    assert_eq!(lines.clone().map(|(_, bytes)| bytes.parse::<u64>().expect("bytes")).sum::<u64>(), resident);
    // Kept: each hundredth mapping, made by main.
    assert!(lines.clone().any(|(stack, _)| stack.contains(";main;")), "{folded}");
    let speedscope: serde_json::Value = serde_json::from_str(&export("speedscope")).expect("JSON");
    let weights = speedscope["profiles"][0]["weights"].as_array().expect("weights");
    assert_eq!(weights.iter().filter_map(serde_json::Value::as_u64).sum::<u64>(), resident);
    assert_eq!(export("csv").lines().next(), Some("resident,size,dirty,shared,copied,pieces,name,stack"));
    for by in ["kind", "object", "thread", "line"] {
        let (status, out, errors) = run(&scratch, &["report", "f.vmatlas", "--by", by, "--json"]);
        assert_eq!(status, 0, "{by}: {errors}");
        let view: serde_json::Value = serde_json::from_str(&out).expect("JSON");
        assert_eq!(view["resident"].as_u64(), Some(resident), "{by}");
    }
}

#[test]
fn lines_are_added_by_the_first_that_reads_a_recording() {
    let Some(program) = guest("churn", Build::Dynamic) else { return };
    let scratch = Scratch::new("lines");
    let own = scratch.path("churn");
    std::fs::copy(program, &own).expect("our own folder");
    let program = own.to_str().expect("a plain path");
    let record = |file: &str, lines: &str| {
        let words = ["record", "-q", "--embed-symbols", lines, "-o", file, "--", program, "500"];
        assert_eq!(run(&scratch, &words).0, 0);
        recording::Reader::open(scratch.path(file)).expect("it was just written").symbols().expect("whole")
    };
    let has_line = |symbols: &recording::Symbols| {
        let functions = symbols.places.iter().flat_map(|place| &place.functions);
        assert!(functions.clone().any(|function| *function.name == *b"main"));
        functions.clone().any(|function| function.file.ends_with(b"churn.c") && function.line > 0)
    };
    let symbols = record("f.vmatlas", "yes").expect("names");
    assert_eq!((symbols.detail, has_line(&symbols)), (recording::Detail::Functions, false));
    let (status, by_line, errors) = run(&scratch, &["report", "f.vmatlas", "--by", "line"]);
    assert_eq!(status, 0, "{errors}");
    assert!(by_line.contains("churn.c:"), "{by_line}");
    let read = |file: &str| {
        let mut reader = recording::Reader::open(scratch.path(file)).expect("it is there");
        assert_eq!(reader.completeness(), recording::Completeness::Finished);
        reader.symbols().expect("whole").expect("names")
    };
    let added = read("f.vmatlas");
    assert_eq!((added.detail, has_line(&added)), (recording::Detail::Lines, true));
    assert_eq!((added.chains, added.ends), (symbols.chains, symbols.ends));
    // Or at once; or never.
    let at_once = record("g.vmatlas", "lines").expect("names");
    assert_eq!((at_once.detail, has_line(&at_once)), (recording::Detail::Lines, true));
    assert_eq!(record("h.vmatlas", "no"), None);
    // Another program at the path: its lines are not this one's.
    assert_eq!(record("i.vmatlas", "yes").map(|symbols| symbols.detail), Some(recording::Detail::Functions));
    std::fs::remove_file(program).expect("our own file");
    std::fs::copy("/bin/true", program).expect("every system has it");
    let (status, _, errors) = run(&scratch, &["report", "i.vmatlas", "--by", "line"]);
    assert_eq!((status, has_line(&read("i.vmatlas"))), (0, false), "{errors}");
}

#[test]
fn pprof_reads_what_is_written_for_it() {
    if !has("go") {
        return;
    }
    let Some((scratch, _, _)) = recorded("churn", &["500"]) else { return };
    let (status, _, errors) = run(&scratch, &["export", "f.vmatlas", "--to", "pprof", "-o", "p.pb.gz"]);
    assert_eq!(status, 0, "{errors}");
    let (status, _, errors) = run(&scratch, &["export", "f.vmatlas", "--to", "pprof", "-o", "p.pb.gz"]);
    assert_eq!((status, errors.contains("exists")), (1, true), "nothing is written over: {errors}");
    let mut go = Command::new("go");
    let output = go
        .args(["tool", "pprof", "-top", "-cum"])
        .arg(scratch.path("p.pb.gz"))
        .output()
        .expect("go was found");
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        println!("SKIPPED: pprof, go tool pprof does not run here");
        return;
    }
    assert!(text.contains("Type: resident") && text.contains(" main"), "{text}");
}

#[test]
fn waste_is_found_with_the_place_behind_it() {
    let Some((scratch, status, _)) = recorded("wasteful", &[]) else { return };
    assert_eq!(status, 0);
    let (status, json, errors) = run(&scratch, &["report", "f.vmatlas", "--json"]);
    assert_eq!(status, 0, "{errors}");
    let report: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let findings = report["findings"].as_array().expect("a list");
    for (kind, place) in [
        ("churn", "churns"),
        ("growth", "grows"),
        ("pages_given_up", "gives_up"),
        ("split_mappings", "cuts"),
        ("fault_storm", "storms"),
    ] {
        let of_kind: Vec<_> = findings.iter().filter(|finding| finding["kind"] == kind).collect();
        let [finding] = of_kind[..] else { panic!("one of {kind}: {findings:#?}") };
        let frames = finding["frames"].as_array().expect("a list");
        let is_there = frames.iter().any(|frame| frame["function"] == place);
        assert!(is_there, "{kind} by {place}: {frames:#?}");
    }
    let (_, text, _) = run(&scratch, &["report", "f.vmatlas"]);
    for words in ["Findings", "mapped and unmapped 1,600 times", "in 160 mappings", "2,560 mappings more"] {
        assert!(text.contains(words), "{words} in:\n{text}");
    }
    let Some((scratch, _, _)) = recorded("hello", &[]) else { return };
    let (_, text, _) = run(&scratch, &["report", "f.vmatlas"]);
    assert!(!text.contains("Findings"), "{text}");
}

#[test]
fn who_mapped_and_who_touched_are_the_chains_of_the_source() {
    for (times, how, first) in [("3", "call", "main"), ("3", "thread", "worker"), ("500", "call", "main")] {
        let Some((scratch, status, _)) = recorded("callers", &[times, how]) else { return };
        assert_eq!(status, 0);
        // The guest's own output, once more of a run that is recorded.
        let program = guest("callers", Build::Dynamic).expect("it was just built");
        let program = program.to_str().expect("a plain path");
        let words = [
            "record",
            "--force",
            "--no-report",
            "--faults",
            "1",
            "-o",
            "f.vmatlas",
            "--",
            program,
            times,
            how,
        ];
        let (_, address, _) = run(&scratch, &words);
        let (status, json, errors) = run(&scratch, &["explain", "f.vmatlas@peak", address.trim(), "--json"]);
        assert_eq!(status, 0, "{errors}");
        let explained: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        let chain = |what: &str| -> Vec<String> {
            let steps = explained["story"].as_array().expect("a list").iter();
            let step =
                steps.clone().find(|step| step["what"].as_str().is_some_and(|text| text.starts_with(what)));
            let frames =
                step.unwrap_or_else(|| panic!("{what}: {json}"))["frames"].as_array().expect("a list");
            let names = frames.iter().map(|frame| frame["function"].as_str().expect("a name").to_owned());
            names.skip_while(|name| name != "leaf").collect()
        };
        let times: usize = times.parse().expect("a number");
        let middle = std::iter::repeat_n("middle", times);
        let expected: Vec<&str> =
            ["leaf", "inner"].into_iter().chain(middle).chain(["outer", first]).collect();
        assert_eq!(chain("mapped by mmap")[..expected.len()], expected[..], "{how}");
        // At a fault a few KiB of the stack are copied.
        let touched = chain("page first touched");
        let length = touched.len().min(expected.len());
        assert!(length >= 20.min(expected.len()), "{touched:?}");
        assert_eq!(touched[..length], expected[..length], "{how}");
    }
}

/// Runs Python with a module that need not be installed; `None`, said as skipped, where it is not.
fn python(scratch: &Scratch, module: &str, script: &str, args: &[&str]) -> Option<String> {
    if !has("python3") {
        return None;
    }
    let python = |words: &[&str]| {
        let words: Vec<&str> = ["python3"].into_iter().chain(words.iter().copied()).collect();
        Run::new(scratch, &words).alone()
    };
    if python(&["-c", &format!("import {module}")]).shell_status() != 0 {
        println!("SKIPPED: what needs Python's {module}, it is not installed");
        return None;
    }
    let words: Vec<&str> = ["-c", script].into_iter().chain(args.iter().copied()).collect();
    let ran = python(&words);
    assert_eq!(ran.shell_status(), 0, "{}", ran.stderr);
    Some(ran.stdout)
}

#[test]
#[cfg(not(feature = "parquet"))]
fn a_build_without_parquet_names_the_feature() {
    let Some((scratch, status, _)) = recorded("churn", &["20"]) else { return };
    assert_eq!(status, 0);
    let words = ["export", "f.vmatlas", "--to", "parquet", "-o", "f.parquet"];
    let (status, out, errors) = run(&scratch, &words);
    assert_eq!((status, out.as_str()), (1, ""), "{errors}");
    assert!(errors.contains("--features parquet") && errors.trim_end().lines().count() == 1, "{errors}");
    assert!(!scratch.path("f.parquet").exists());
}

#[test]
#[cfg(feature = "parquet")]
fn a_database_reads_parquet_and_answers_the_documented_queries() {
    let Some((scratch, status, _)) = recorded("churn", &["2000"]) else { return };
    assert_eq!(status, 0);
    let (status, json, errors) = run(&scratch, &["export", "f.vmatlas", "--to", "json"]);
    assert_eq!(status, 0, "{errors}");
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    for file in ["a.parquet", "b.parquet"] {
        let (status, _, errors) = run(&scratch, &["export", "f.vmatlas", "--to", "parquet", "-o", file]);
        assert_eq!(status, 0, "{errors}");
    }
    let sums = r#"
import duckdb
print(*duckdb.sql("select sum(resident), sum(size), sum(pieces), count(*) from 'a.parquet'").fetchall()[0])
print(duckdb.sql("select stack from 'a.parquet' where stack like '%;main;%'").fetchall()[0][0])
"#;
    let Some(read) = python(&scratch, "duckdb", sums, &[]) else { return };
    let number = |value: &serde_json::Value| value.as_u64().expect("a number").to_string();
    let rows = json["rows"].as_array().expect("rows").len().to_string();
    let expected =
        [number(&json["resident"]), number(&json["size"]), number(&json["pieces"]), rows].join(" ");
    assert_eq!(read.lines().next(), Some(expected.as_str()));
    assert!(read.contains(";main;"), "{read}");
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/parquet.md");
    let docs = std::fs::read_to_string(docs).expect("the schema is documented");
    let queries: Vec<&str> =
        docs.split("```sql").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(queries.len(), 3);
    for query in queries {
        let script = "import duckdb, sys; print(len(duckdb.sql(sys.argv[1]).fetchall()))";
        let rows = python(&scratch, "duckdb", script, &[query]).expect("it was there");
        assert_ne!(rows.trim(), "0", "{query}");
    }
}

#[test]
fn other_tools_read_what_is_written_for_them() {
    let Some((scratch, status, _)) = recorded("churn", &["500"]) else { return };
    assert_eq!(status, 0);
    for (to, file) in [("folded", "f.folded"), ("speedscope", "f.json")] {
        let (status, _, errors) = run(&scratch, &["export", "f.vmatlas", "--to", to, "-o", file]);
        assert_eq!(status, 0, "{errors}");
    }
    if has("inferno-flamegraph") {
        let ran = Run::new(&scratch, ["inferno-flamegraph", "f.folded"]).alone();
        assert_eq!(ran.shell_status(), 0, "{}", ran.stderr);
        assert!(ran.stdout.contains("<svg") && ran.stdout.contains("main"), "{}", ran.stdout);
    }
    let script = "\
import json, jsonschema
# The parts of https://www.speedscope.app/file-format-schema.json that a sampled profile is made of.
number, text = {'type': 'number'}, {'type': 'string'}
frame = {'type': 'object', 'required': ['name'], 'additionalProperties': False,
         'properties': {'name': text, 'file': text, 'line': number, 'col': number}}
profile = {'type': 'object', 'additionalProperties': False,
           'required': ['endValue', 'name', 'samples', 'startValue', 'type', 'unit', 'weights'],
           'properties': {'endValue': number, 'startValue': number, 'name': text, 'type': {'const': 'sampled'},
                          'unit': {'enum': ['bytes']}, 'weights': {'type': 'array', 'items': number},
                          'samples': {'type': 'array', 'items': {'type': 'array', 'items': number}}}}
schema = {'type': 'object', 'required': ['$schema', 'profiles', 'shared'], 'additionalProperties': False,
          'properties': {'$schema': {'const': 'https://www.speedscope.app/file-format-schema.json'},
                         'activeProfileIndex': number, 'exporter': text, 'name': text,
                         'profiles': {'type': 'array', 'items': profile},
                         'shared': {'type': 'object', 'required': ['frames'],
                                    'properties': {'frames': {'type': 'array', 'items': frame}}}}}
file = json.load(open('f.json'))
jsonschema.validate(file, schema)
frames = len(file['shared']['frames'])
assert all(0 <= no < frames for sample in file['profiles'][0]['samples'] for no in sample)
print(frames)
";
    let Some(frames) = python(&scratch, "jsonschema", script, &[]) else { return };
    assert!(frames.trim().parse::<u32>().is_ok_and(|frames| frames > 1), "{frames}");
}

#[test]
fn nothing_binary_goes_to_a_terminal() {
    let Some((scratch, _, _)) = recorded("hello", &[]) else { return };
    let vmatlas = vmatlas();
    let words = [vmatlas.to_str().expect("a plain path"), "export", "f.vmatlas", "--to", "pprof"];
    let mut tty = crate::tty::Tty::start(&scratch, crate::run::User::Same, &words);
    tty.wait_for("this format is binary and the output a terminal: give -o FILE");
    assert_eq!(tty.end().code(), Some(1));
}

#[test]
fn two_moments_and_two_builds_are_compared_by_call_site() {
    let Some((scratch, status, _)) = recorded("churn", &["2000"]) else { return };
    assert_eq!(status, 0);
    // Growth within a run: at its first event there was nothing.
    let words = ["report", "f.vmatlas", "--by", "line", "--from", "#1", "--to", "peak", "--json"];
    let (status, json, errors) = run(&scratch, &words);
    assert_eq!(status, 0, "{errors}");
    let growth: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(growth["before"]["total"]["resident"], 0);
    let rows = growth["rows"].as_array().expect("rows").iter();
    let grown: u64 = rows.map(|row| row["after"]["resident"].as_u64().expect("a number")).sum();
    assert_eq!(growth["after"]["total"]["resident"], grown);
    assert!(grown > 0 && json.contains("main (churn.c:"), "{json}");
    // Another build: other addresses, other lines, another name, twice the work.
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guests/churn.c");
    let source = format!("\n\n\n{}", std::fs::read_to_string(source).expect("a guest"));
    std::fs::create_dir(scratch.path("elsewhere")).expect("our own folder");
    std::fs::write(scratch.path("elsewhere/churn.c"), source).expect("our own folder");
    let other = scratch.path("other");
    let mut cc = Command::new("cc");
    let cc = cc.args(["-w", "-O1", "-g", "-static", "-o"]).arg(&other).arg(scratch.path("elsewhere/churn.c"));
    assert!(cc.status().expect("cc was found").success());
    let other = other.to_str().expect("a plain path");
    let words = ["record", "-q", "--faults", "1", "-o", "g.vmatlas", "--", other, "4000"];
    assert_eq!(run(&scratch, &words).0, 0);
    for by in ["stack", "line", "kind", "object", "thread"] {
        let words = ["diff", "f.vmatlas", "g.vmatlas", "--by", by, "--json"];
        let (status, json, errors) = run(&scratch, &words);
        assert_eq!(status, 0, "{by}: {errors}");
        let diff: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        let sum = |side: &str| -> u64 {
            let rows = diff["rows"].as_array().expect("rows").iter();
            rows.map(|row| row[side]["resident"].as_u64().expect("a number")).sum()
        };
        let total = |side: &str| diff[side]["total"]["resident"].as_u64().expect("a number");
        assert_eq!(
            i128::from(sum("after")) - i128::from(sum("before")),
            i128::from(total("after")) - i128::from(total("before")),
            "{by}: what is left out has not changed"
        );
        if by == "line" {
            let rows = diff["rows"].as_array().expect("rows").iter();
            let main =
                rows.clone().find(|row| row["name"].as_str().is_some_and(|name| name.starts_with("main (")));
            let main = main.unwrap_or_else(|| panic!("main is on both sides: {json}"));
            // How much of a library comes beside what is touched is the page cache's to say.
            let dirty = |side: &str| main[side]["dirty"].as_u64().expect("a number");
            assert!(dirty("before") > 0 && dirty("after") > dirty("before"), "{main}");
        }
    }
    let (status, text, errors) = run(&scratch, &["diff", "f.vmatlas", "g.vmatlas", "--by", "stack"]);
    assert_eq!(status, 0, "{errors}");
    assert!(text.contains("CHANGE") && text.contains("from f.vmatlas") && text.contains("total"), "{text}");
}

/// What `explain` says of a page in a process of a recording, each step with its functions.
fn life(scratch: &Scratch, address: u64, pid: &str) -> Vec<(String, Vec<String>)> {
    let address = format!("{address:#x}");
    let words = ["explain", "f.vmatlas", &address, "--process", pid, "--json"];
    let (status, json, errors) = run(scratch, &words);
    assert_eq!(status, 0, "{errors}");
    let explained: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let steps = explained["story"].as_array().expect("a list").iter();
    let step = |step: &serde_json::Value| {
        let frames = step["frames"].as_array().expect("a list").iter();
        let names = frames.filter_map(|frame| frame["function"].as_str()).map(str::to_owned);
        (step["what"].as_str().expect("words").to_owned(), names.collect())
    };
    steps.map(step).collect()
}

#[test]
fn what_a_vector_of_advice_drops_is_told_and_known() {
    for how in ["descriptor", "self"] {
        let Some((scratch, ran)) = recorded_by(User::Same, "advised_vector", &[how]) else { return };
        if ran.shell_status() == 2 {
            println!("SKIPPED: advice to itself by a {how}, this kernel does not take it");
            continue;
        }
        assert_eq!(ran.shell_status(), 0, "{}", ran.stderr);
        let (address, pid) = ran.stdout.trim().split_once(' ').expect("an address and a process");
        let address = u64::from_str_radix(address.trim_start_matches("0x"), 16).expect("an address");
        for page in 0..4 {
            let life = life(&scratch, address + page * 4096, pid);
            let dropped = life.iter().filter(|(what, frames)| {
                what.starts_with("contents dropped by process_madvise(")
                    && frames.contains(&"drop".to_owned())
            });
            assert_eq!(dropped.count(), usize::from(page % 2 == 0), "page {page} by a {how}: {life:#?}");
        }
        // What it did to pages is known.
        let report = ran.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(report.contains(" 0 differ"), "{report}");
    }
}

/// What is known of the other side when one writes after a fork.
enum Other {
    Had,
    Unknown,
}

/// A recording of a fork, and whose.
struct Told<'a> {
    scratch: &'a Scratch,
    is_root: bool,
    child: &'a str,
}

impl Told<'_> {
    /// The life of a page in one process: who wrote to it since the fork, or that nobody did.
    fn expect(&self, address: u64, pid: &str, writer: Option<(Other, &str)>) {
        let life = life(self.scratch, address, pid);
        let shared = format!("shared with the forked process {}", self.child);
        let at = life.iter().position(|(what, _)| what.starts_with(&shared));
        let at = at.unwrap_or_else(|| panic!("{shared}: {life:#?}"));
        let (before, after) = life.split_at(at);
        let first = &before.last().expect("it was touched").0;
        assert!(first.starts_with("page first touched at"), "{life:#?}");
        assert_eq!(first.ends_with("(written)"), self.is_root, "{life:#?}");
        // A page may raise a fault again for the kernel's own reasons.
        let is_told =
            |(what, _): &&(String, _)| what != "the memory ended" && !what.starts_with("page faulted");
        let since: Vec<_> = after[1..].iter().filter(is_told).collect();
        let Some((other, function)) = writer else {
            return assert!(since.is_empty(), "neither wrote, or only the other did: {life:#?}");
        };
        let [(what, frames)] = since[..] else { panic!("one write: {life:#?}") };
        let fork = format!("the fork of process {}", self.child);
        let whole = match other {
            // Without the privilege it is not told whether a fault read or wrote.
            _ if !self.is_root => what.contains(&fork) && what.contains("read or written was not told"),
            Other::Had => what.starts_with("copied on write at") && what.ends_with(&format!("since {fork}")),
            Other::Unknown => what.contains(&fork) && what.contains("copied on write, or taken over"),
        };
        assert!(whole && frames.iter().any(|name| name == function), "{life:#?}");
    }
}

#[test]
fn who_copied_a_page_after_a_fork_is_told_and_a_read_is_no_copy() {
    for &user in users() {
        let Some((scratch, ran)) = recorded_by(user, "written_after_fork", &[]) else { return };
        assert_eq!(ran.shell_status(), 0, "{}", ran.stderr);
        let words: Vec<&str> = ran.stdout.split_whitespace().collect();
        let [address, parent, child] = words[..] else { panic!("an address and two processes: {words:?}") };
        let address = u64::from_str_radix(address.trim_start_matches("0x"), 16).expect("an address");
        let told = Told { is_root: user == User::Same && is_root(), scratch: &scratch, child };
        told.expect(address, child, Some((Other::Had, "child_writes")));
        told.expect(address, parent, Some((Other::Unknown, "parent_writes_after")));
        told.expect(address + 4096, child, None);
        told.expect(address + 4096, parent, None);
        told.expect(address + 8192, child, None);
        told.expect(address + 8192, parent, Some((Other::Had, "parent_writes")));
    }
}

#[test]
fn what_a_fork_shared_and_who_copied_it_is_told() {
    let Some((scratch, status, _)) = recorded("shared_pages", &[]) else { return };
    assert_eq!(status, 0);
    let (status, json, errors) = run(&scratch, &["report", "f.vmatlas", "--json"]);
    assert_eq!(status, 0, "{errors}");
    let report: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let processes = report["processes"].as_array().expect("a list");
    assert_eq!(processes.len(), 2);
    let fork = &processes[1]["fork"];
    let number = |name: &str| fork[name].as_u64().expect("a number");
    // 200 pages were written before the fork; of these the child writes 40 and the parent 15 others.
    assert!((200 * 4096..300 * 4096).contains(&number("shared")), "{fork}");
    assert!((40 * 4096..60 * 4096).contains(&number("copied_by_child")), "{fork}");
    assert!((15 * 4096..35 * 4096).contains(&number("copied_by_parent")), "{fork}");
    let writers = fork["writers"].as_array().expect("a list");
    let has = |in_child: bool, function: &str, bytes: u64| {
        writers.iter().any(|writer| {
            let frames = writer["frames"].as_array().expect("a list");
            writer["in_child"] == in_child
                && writer["bytes"].as_u64() == Some(bytes)
                && frames.iter().any(|frame| frame["function"] == function)
        })
    };
    assert!(has(true, "child_writes", 40 * 4096), "{fork:#}");
    assert!(has(false, "parent_writes", 15 * 4096), "{fork:#}");
    let (_, text, _) = run(&scratch, &["report", "f.vmatlas"]);
    assert!(text.contains("when forked") && text.contains("copied since by it"), "{text}");
    let pid = processes[1]["pid"].as_i64().expect("a number").to_string();
    let words = ["report", "f.vmatlas@peak", "--by", "stack", "--process", &pid, "--json"];
    let (status, json, errors) = run(&scratch, &words);
    assert_eq!(status, 0, "{errors}");
    let view: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert!(view["copied"].as_u64() >= Some(40 * 4096), "{}", view["copied"]);
    let sum: u64 =
        view["rows"].as_array().expect("rows").iter().filter_map(|row| row["copied"].as_u64()).sum();
    assert_eq!(view["copied"].as_u64(), Some(sum));
}
