//! Memory of allocators in real processes: where their own memory is not named it is told by its shape, and said so.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;

use crate::guest::{Build, guest};
use crate::map::json;
use crate::run::{Run, User, has, until};
use crate::scratch::Scratch;

/// A library of this name, where the machine has one.
fn library(name: &str) -> Option<PathBuf> {
    let folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib", "/lib"];
    let found = folders.iter().map(|folder| Path::new(folder).join(name)).find(|path| path.exists());
    if found.is_none() {
        println!("SKIPPED: memory of {name}, it is not installed");
    }
    found
}

/// Runs a program until it has printed `ready`, and returns its map.
fn map_of(words: &[&str]) -> Value {
    let scratch = Scratch::new("allocators");
    let mut child = Run::new(&scratch, words).user(User::Same).start_alone(Stdio::piped());
    until("the program is ready", || {
        std::fs::read_to_string(scratch.path("alone.stdout")).ok()?.contains("ready").then_some(())
    });
    let map = json(&["map", &child.id().to_string()]);
    drop(child.stdin.take());
    child.wait().expect("our own child");
    map
}

/// Resident bytes of the mappings whose kind is `arena` by a rule that says this.
fn told(map: &Value, rule: &str) -> u64 {
    let mappings = map["mappings"].as_array().expect("a list");
    let holds = |mapping: &&Value| {
        let leaves = mapping["leaves"].as_array().expect("a list");
        leaves.iter().all(|leaf| {
            leaf["kind"] == "arena" && leaf["rule"].as_str().is_some_and(|text| text.contains(rule))
        })
    };
    mappings.iter().filter(holds).filter_map(|mapping| mapping["rss"].as_u64()).sum()
}

/// Most of what the program holds is told as this allocator's.
fn assert_told(map: &Value, rule: &str, bytes_min: u64) {
    let bytes = told(map, rule);
    assert!(bytes >= bytes_min, "{bytes} of {bytes_min} bytes by {rule:?}: {:#}", map["kinds"]);
    let arena = map["kinds"].as_array().into_iter().flatten().find(|row| row["kind"] == "arena");
    let inferred = rule.contains("inferred");
    assert_eq!(arena.and_then(|row| row["inferred"].as_bool()), Some(inferred), "{:#}", map["kinds"]);
}

#[test]
fn preloaded_allocators_are_told_by_the_shape_of_their_memory() {
    let Some(program) = guest("blocks", Build::Dynamic) else { return };
    let program = program.display().to_string();
    for (file, name) in [
        ("libjemalloc.so.2", "jemalloc"),
        ("libmimalloc.so.2.0", "mimalloc"),
        ("libtcmalloc_minimal.so.4", "tcmalloc"),
    ] {
        let Some(path) = library(file) else { continue };
        // tcmalloc takes from brk first: that is the heap, whoever divides it.
        let preload = format!("LD_PRELOAD={}", path.display());
        let map = map_of(&["env", "TCMALLOC_SKIP_SBRK=1", &preload, &program]);
        assert_told(&map, &format!("inferred: size and alignment as {name}"), 32 << 20);
        assert_eq!(map["heap"], Value::Null, "glibc's allocator was not used");
    }
    let map = map_of(&[&program]);
    assert!(
        map["heap"]["arenas"][0]["chunks"]["in_use"]["bytes"].as_u64() > Some(32 << 20),
        "{:#}",
        map["heap"]
    );
}

#[test]
fn runtimes_with_allocators_of_their_own_are_told() {
    let python = "x = [str(i) for i in range(400000)]\nprint('ready', flush=True)\ninput()";
    if has("python3") {
        assert_told(&map_of(&["python3", "-c", python]), "inferred: size and alignment as CPython", 16 << 20);
    }
    let node = "globalThis.x = []; for (let i = 0; i < 400000; i++) x.push({i}); console.log('ready'); process.stdin.resume()";
    if has("node") {
        assert_told(&map_of(&["node", "-e", node]), "inferred: size and alignment as V8", 8 << 20);
    }
}

/// Builds a Go program with threads that holds 25 MiB and prints `ready`.
pub(crate) fn go_program(scratch: &Scratch) -> Option<PathBuf> {
    if !has("go") {
        return None;
    }
    let source = "package main\nimport (\"fmt\"; \"os\"; \"runtime\"; \"time\")\nvar keep [][]byte\nfunc main() {\n\
        for i := 0; i < 4; i++ { go func() { runtime.LockOSThread(); time.Sleep(time.Hour) }() }\n\
        for i := 0; i < 400; i++ { b := make([]byte, 64 << 10); for j := range b { b[j] = 1 }; keep = append(keep, b) }\n\
        time.Sleep(100 * time.Millisecond)\nfmt.Println(\"ready\")\nos.Stdin.Read(make([]byte, 1)) }\n";
    std::fs::write(scratch.path("main.go"), source).expect("our own folder");
    let program = scratch.path("program");
    let mut build = std::process::Command::new("go");
    build.args(["build", "-o"]).arg(&program).arg("main.go").current_dir(scratch.folder());
    let built = build.env("GOFLAGS", "-mod=mod").env("GO111MODULE", "off").output().expect("go was found");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    Some(program)
}

#[test]
fn the_heap_of_a_go_program_is_told_though_stacks_lie_in_it() {
    let scratch = Scratch::new("go");
    let Some(program) = go_program(&scratch) else { return };
    let map = map_of(&[&program.display().to_string()]);
    // Go names its memory where the kernel has names.
    let bytes = told(&map, "Go's runtime").max(told(&map, "named so by the program"));
    assert!(bytes >= 24 << 20, "{bytes}: {:#}", map["kinds"]);
    assert_eq!(map["heap"], Value::Null);
}

#[test]
fn the_heap_of_a_java_program_is_told() {
    if !has("java") || !has("javac") {
        return;
    }
    let scratch = Scratch::new("java");
    let source = "public class Hold { public static void main(String[] a) throws Exception {\n\
        byte[][] kept = new byte[400][]; for (int i = 0; i < 400; i++) {\n\
        kept[i] = new byte[100000]; java.util.Arrays.fill(kept[i], (byte) 1); }\n\
        System.out.println(\"ready\"); System.in.read(); System.out.println(kept.length); } }\n";
    std::fs::write(scratch.path("Hold.java"), source).expect("our own folder");
    let built = std::process::Command::new("javac").arg("Hold.java").current_dir(scratch.folder()).status();
    assert!(built.expect("javac was found").success());
    let folder = scratch.folder().display().to_string();
    for collector in ["-XX:+UseSerialGC", "-XX:+UseG1GC"] {
        let map = map_of(&["java", "-Xint", "-Xmx256m", collector, "-cp", &folder, "Hold"]);
        let bytes = told(&map, "inferred: size and alignment as the Java virtual machine");
        assert!(bytes >= 38 << 20, "{collector}: {bytes}: {:#}", map["kinds"]);
        let kinds: Vec<&str> =
            map["kinds"].as_array().into_iter().flatten().filter_map(|row| row["kind"].as_str()).collect();
        assert!(
            ["jit_code", "reservation", "thread_stack"].iter().all(|kind| kinds.contains(kind)),
            "{kinds:?}"
        );
    }
}
