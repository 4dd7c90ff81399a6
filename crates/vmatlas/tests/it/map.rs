//! `map` and `explain` of a live process that has memory of every kind.

use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::guest::{Build, guest};
use crate::run::{Run, User, until, users, vmatlas};
use crate::scratch::Scratch;

/// The guest `kinds`, holding still, and where it says what lies.
struct Kinds {
    child: Child,
    /// Kind and address.
    places: Vec<(String, String)>,
}

impl Kinds {
    fn start(scratch: &Scratch, user: User) -> Option<Self> {
        let program = guest("kinds", Build::Dynamic)?;
        let child = Run::new(scratch, [program]).user(user).start_alone(Stdio::piped());
        let places = until("what kinds prints", || {
            let text = std::fs::read_to_string(scratch.path("alone.stdout")).ok()?;
            text.contains("arena").then(|| {
                let pairs = text.lines().filter_map(|line| line.split_once(' '));
                pairs.map(|(kind, address)| (kind.to_string(), address.to_string())).collect()
            })
        });
        Some(Self { child, places })
    }
}

impl Drop for Kinds {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn json(args: &[&str]) -> Value {
    let output = Command::new(vmatlas()).args(args).arg("--json").output().expect("the binary runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {stderr}");
    serde_json::from_slice(&output.stdout).expect("--json prints JSON")
}

#[test]
fn each_address_is_of_the_kind_that_the_program_made() {
    for user in users() {
        let scratch = Scratch::new("kinds");
        let Some(kinds) = Kinds::start(&scratch, *user) else { return };
        let pid = kinds.child.id().to_string();
        for (kind, address) in &kinds.places {
            let explained = json(&["explain", &pid, address]);
            assert_eq!(explained["leaf"]["kind"], kind.as_str(), "{address}: {:#}", explained["leaf"]);
        }
    }
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
