//! `map` and `explain` of a live process that has memory of every kind.

use std::ffi::OsStr;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::guest::{Build, guest};
use crate::run::{Run, User, until, users, vmatlas};
use crate::scratch::Scratch;

/// The guest `kinds`, holding still, and where it says what lies.
pub(crate) struct Kinds {
    pub(crate) child: Child,
    /// Kind, address and, where the whole range is known, its size.
    pub(crate) places: Vec<(String, String, Option<u64>)>,
}

impl Kinds {
    pub(crate) fn start(scratch: &Scratch, user: User) -> Option<Self> {
        Self::start_as(scratch, user, Build::Dynamic)
    }

    pub(crate) fn start_as(scratch: &Scratch, user: User, build: Build) -> Option<Self> {
        let program = guest("kinds", build)?;
        Some(Self::holding(Run::new(scratch, [program]).user(user).start_alone(Stdio::piped()), scratch))
    }

    /// Waits until the guest has said everything.
    fn holding(child: Child, scratch: &Scratch) -> Self {
        let places = until("what kinds prints", || {
            let text = std::fs::read_to_string(scratch.path("alone.stdout")).ok()?;
            text.contains("arena").then(|| {
                let place = |line: &str| {
                    let mut words = line.split(' ').map(str::to_string);
                    Some((words.next()?, words.next()?, words.next().and_then(|size| size.parse().ok())))
                };
                text.lines().filter_map(place).collect()
            })
        });
        Self { child, places }
    }
}

impl Drop for Kinds {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn json(args: &[&str]) -> Value {
    let output = Command::new(vmatlas()).args(args).arg("--json").output().expect("the binary runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {stderr}");
    serde_json::from_slice(&output.stdout).expect("--json prints JSON")
}

/// Each place that the guest told is of its kind, and where the whole range is known of its size.
fn assert_places(kinds: &Kinds, what: &str) {
    let pid = kinds.child.id().to_string();
    assert!(kinds.places.iter().filter(|(.., size)| size.is_some()).count() >= 11, "{:?}", kinds.places);
    for (kind, address, size) in &kinds.places {
        let leaf = &json(&["explain", &pid, address])["leaf"];
        assert_eq!(leaf["kind"], kind.as_str(), "{what}: {address}: {leaf:#}");
        if size.is_some() {
            assert_eq!(leaf["size"].as_u64(), *size, "{what}: {kind} at {address}: {leaf:#}");
        }
    }
}

#[test]
fn each_address_is_of_the_kind_that_the_program_made() {
    for user in users() {
        let scratch = Scratch::new("kinds");
        let Some(kinds) = Kinds::start(&scratch, *user) else { return };
        assert_places(&kinds, "dynamic");
    }
}

#[test]
fn programs_of_every_link_have_the_same_kinds() {
    for build in [Build::Static, Build::Fixed, Build::Stripped] {
        let scratch = Scratch::new("links");
        let Some(kinds) = Kinds::start_as(&scratch, User::Same, build) else { continue };
        assert_places(&kinds, &format!("{build:?}"));
    }
}

#[test]
fn a_program_in_a_root_of_its_own_is_read_as_it_sees_its_files() {
    if !crate::run::is_root() || !crate::run::has("chroot") {
        println!("SKIPPED: a program in a root of its own, only root may make one");
        return;
    }
    let Some(program) = guest("kinds", Build::Static) else { return };
    let scratch = Scratch::new("root");
    let (root, inside) = (scratch.path("root"), scratch.path("root/kinds"));
    std::fs::create_dir(&root).expect("our own folder");
    std::fs::copy(&program, &inside).expect("our own folder");
    let words = [OsStr::new("chroot"), root.as_os_str(), OsStr::new("/kinds")];
    let kinds = Kinds::holding(Run::new(&scratch, words).start_alone(Stdio::piped()), &scratch);
    assert_places(&kinds, "in a root of its own");
    let map = json(&["map", &kinds.child.id().to_string(), "--symbols"]);
    let object = &map["objects"][0];
    assert!(object["path"].as_str().is_some_and(|path| path.ends_with("/kinds")), "{}", object["path"]);
    assert_eq!(object["table"], "full");
}

#[test]
fn code_unpacked_into_zeros_of_the_file_is_text_of_the_program() {
    let Some(program) = guest("packed", Build::Dynamic) else { return };
    let scratch = Scratch::new("packed");
    let mut child = Run::new(&scratch, [program]).start_alone(Stdio::piped());
    let address = until("what packed prints", || {
        let text = std::fs::read_to_string(scratch.path("alone.stdout")).ok()?;
        Some(text.strip_suffix('\n')?.to_string())
    });
    let leaf = json(&["explain", &child.id().to_string(), &address])["leaf"].clone();
    drop(child.stdin.take());
    child.wait().expect("our own child");
    assert_eq!(leaf["kind"], "text", "{leaf:#}");
    assert!(leaf["rule"].as_str().is_some_and(|rule| rule.contains("not mapped from its file")), "{leaf:#}");
}

#[test]
fn the_sizes_of_the_kinds_are_those_of_the_kernels_own_lines() {
    let scratch = Scratch::new("kinds-sum");
    let Some(kinds) = Kinds::start(&scratch, User::Same) else { return };
    let pid = kinds.child.id().to_string();
    let map = json(&["map", &pid]);
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).expect("it lives");
    let bounds = maps.lines().filter_map(|line| line.split_once(' ')?.0.split_once('-'));
    let number = |hex: &str| u64::from_str_radix(hex, 16).expect("hex");
    let bytes: u64 = bounds.map(|(low, high)| number(high) - number(low)).sum();
    let size = |row: &Value| row["size"].as_u64().expect("bytes");
    assert_eq!(size(&map["total"]), bytes);
    let rows = map["kinds"].as_array().expect("a list");
    assert_eq!(rows.iter().map(size).sum::<u64>(), bytes);
}
