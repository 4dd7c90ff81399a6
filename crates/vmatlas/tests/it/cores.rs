//! Cores of a process with memory of every kind, by gdb and by the kernel, beside what was said of it alive.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::map::{Kinds, json};
use crate::run::{User, has};
use crate::scratch::Scratch;

/// Sizes and mappings by kind; a core does not tell a file mapped shared from one mapped private.
fn kinds(map: &Value, left_out: &[&str]) -> BTreeMap<String, (u64, u64)> {
    let mut kinds: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for row in map["kinds"].as_array().expect("a list") {
        let kind = match row["kind"].as_str().expect("a name") {
            "shared_file" => "private_file",
            kind => kind,
        };
        if !left_out.contains(&kind) {
            let sum = kinds.entry(kind.to_string()).or_default();
            sum.0 += row["size"].as_u64().expect("bytes");
            sum.1 += row["mappings"].as_u64().expect("a number");
        }
    }
    kinds
}

/// The core says the same as the map of the living process, but for what it leaves out, which it says.
fn assert_same(core: &Path, live: &Value, kinds_of: &Kinds, left_out: &[&str], said: &str) {
    let core = core.display().to_string();
    let map = json(&["map", &core]);
    assert_eq!(kinds(&map, left_out), kinds(live, left_out), "{core}");
    let notes = map["notes"].as_array().expect("a list");
    let text: String = notes.iter().filter_map(|note| note["text"].as_str()).collect();
    assert!(text.contains(said) && text.contains("does not tell RSS"), "{text}");
    assert!(map["total"]["in_core"].as_u64() > Some(0) && map["total"]["rss"].is_null());
    for (kind, address, size) in
        kinds_of.places.iter().filter(|(kind, ..)| !left_out.contains(&kind.as_str()))
    {
        let leaf = &json(&["explain", &core, address])["leaf"];
        let kind = if kind == "shared_file" { "private_file" } else { kind };
        assert_eq!(leaf["kind"], kind, "{core}: {address}: {leaf:#}");
        if size.is_some() {
            assert_eq!(leaf["size"].as_u64(), *size, "{core}: {kind} at {address}: {leaf:#}");
        }
    }
    // Its allocator is walked as it was alive.
    let in_use = |map: &Value| map["heap"]["arenas"][0]["chunks"]["in_use"].clone();
    assert_eq!(in_use(&map), in_use(live));
    // Symbols come from the file of the same build id.
    let symbols = json(&["map", &core, "--symbols"]);
    let zeroed = symbols["objects"][0]["symbols"].as_array().into_iter().flatten();
    let zeroed: Vec<&Value> = zeroed.filter(|row| row["name"] == "zeroed").collect();
    assert!(
        zeroed.len() == 1 && zeroed[0]["resident"] == 1 << 16,
        "{core}: {zeroed:?} {:?}",
        symbols["objects"][0]["table"]
    );
}

#[test]
fn a_core_by_gdb_says_what_was_said_of_the_process() {
    if !has("gcore") {
        return;
    }
    let scratch = Scratch::new("gcore");
    let Some(living) = Kinds::start(&scratch, User::Same) else { return };
    let pid = living.child.id().to_string();
    let live = json(&["map", &pid]);
    let made =
        Command::new("gcore").arg("-o").arg(scratch.path("core")).arg(&pid).output().expect("it was found");
    if !made.status.success() {
        println!("SKIPPED: a core by gdb, it may not trace here");
        return;
    }
    // The kernel marks vvar, and memory of devices, as not to be dumped, and gdb obeys.
    let core = scratch.path(&format!("core.{pid}"));
    assert_same(&core, &live, &living, &["vvar", "device"], "vvar");
}

#[test]
fn a_core_by_the_kernel_says_what_was_said_of_the_process() {
    let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    if pattern.trim() != "core" {
        println!("SKIPPED: a core by the kernel, it gives cores to {}", pattern.trim());
        return;
    }
    let scratch = Scratch::new("kernel-core");
    let Some(mut living) = Kinds::start(&scratch, User::Same) else { return };
    let pid = living.child.id().to_string();
    let unlimited = Command::new("prlimit").args(["--pid", &pid, "--core=unlimited"]).status();
    if !unlimited.is_ok_and(|done| done.success()) {
        println!("SKIPPED: a core by the kernel, the limit of its size can't be raised");
        return;
    }
    let live = json(&["map", &pid]);
    assert!(Command::new("kill").args(["-ABRT", &pid]).status().expect("kill").success());
    assert!(living.child.wait().expect("our own child").core_dumped());
    let entries = std::fs::read_dir(scratch.folder()).expect("our own folder").flatten();
    let core = entries
        .map(|entry| entry.path())
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("core")));
    assert_same(&core.expect("the kernel's core"), &live, &living, &[], "coredump_filter");
}
