//! What lies behind a map's lines: sections and symbols, the file beside the process, who shares, huge pages.

use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::guest::{Build, guest};
use crate::map::{Kinds, json};
use crate::run::{Run, User, until, vmatlas};
use crate::scratch::Scratch;

/// A row of a list whose field has this value.
fn row<'a>(rows: &'a Value, field: &str, value: &str) -> &'a Value {
    let rows = rows.as_array().expect("a list");
    rows.iter().find(|row| row[field] == value).unwrap_or_else(|| panic!("no {field} {value}"))
}

fn bytes(row: &Value, field: &str) -> u64 {
    row[field].as_u64().unwrap_or_else(|| panic!("{field} of {row:#}"))
}

#[test]
fn resident_bytes_by_section_and_symbol_are_those_of_the_pages() {
    let scratch = Scratch::new("symbols");
    let Some(kinds) = Kinds::start(&scratch, User::Same) else { return };
    let pid = kinds.child.id().to_string();
    let view = json(&["map", &pid, "--symbols"]);
    let object = &view["objects"][0];
    assert_eq!((&object["table"], view["objects"].as_array().map(Vec::len)), (&Value::from("full"), Some(1)));
    // The guest has written all of `zeroed`, and runs `main`.
    let zeroed = row(&object["symbols"], "name", "zeroed");
    assert_eq!((bytes(zeroed, "size"), bytes(zeroed, "resident")), (1 << 16, 1 << 16));
    assert_eq!(zeroed["section"], ".bss");
    let main = row(&object["symbols"], "name", "main");
    assert_eq!(bytes(main, "resident"), bytes(main, "size"));
    for section in object["sections"].as_array().expect("a list") {
        let of_section = object["symbols"].as_array().into_iter().flatten();
        let named: u64 = of_section
            .filter(|symbol| symbol["section"] == section["name"])
            .map(|symbol| bytes(symbol, "size"))
            .sum();
        assert_eq!(named + bytes(section, "without_symbol"), bytes(section, "size"), "{section:#}");
        assert!(bytes(section, "resident") <= bytes(section, "size"));
    }
    // The whole object is its share of the map.
    let map = json(&["map", &pid]);
    let path = object["path"].as_str().expect("a path");
    let listed = row(&map["objects"], "path", path);
    assert_eq!(bytes(object, "resident"), bytes(listed, "resident"));
    // A library by part of its name, with the name it gives itself.
    let library = json(&["map", &pid, "--symbols=libc.so"]);
    assert_eq!(library["objects"][0]["soname"], "libc.so.6");
    let none = Command::new(vmatlas()).args(["map", &pid, "--symbols=nothing"]).output().expect("it runs");
    let error = String::from_utf8_lossy(&none.stderr).into_owned();
    assert_eq!((none.status.code(), error.lines().count()), (Some(1), 1), "{error}");
}

#[test]
fn a_file_stands_beside_what_a_process_made_of_it() {
    let scratch = Scratch::new("beside");
    let Some(kinds) = Kinds::start(&scratch, User::Same) else { return };
    let pid = kinds.child.id().to_string();
    let program = guest("kinds", Build::Dynamic).expect("it was built");
    let view = json(&["elf", &program.display().to_string(), &pid]);
    assert_ne!(view["process"]["bias"], "0x0");
    let file = view["mappings"].as_array().expect("a list");
    let live = view["process"]["mappings"].as_array().expect("a list");
    for (place, mapping) in file.iter().enumerate() {
        let of: Vec<&Value> = live.iter().filter(|live| live["of"].as_u64() == Some(place as u64)).collect();
        assert!(
            of.iter().map(|live| bytes(live, "size")).sum::<u64>() >= bytes(mapping, "size"),
            "{mapping:#}"
        );
        if mapping["rights"] == "r-x" {
            assert!(of.iter().all(|live| live["permissions"] == "r-xp"), "{of:?}");
        }
    }
    // The loader made RELRO read-only: the writable segment became two mappings.
    let writable = file.iter().position(|mapping| mapping["rights"] == "rw-").expect("data") as u64;
    let became: Vec<&Value> = live.iter().filter(|live| live["of"] == writable).collect();
    let permissions: Vec<&str> = became.iter().filter_map(|live| live["permissions"].as_str()).collect();
    assert_eq!(permissions, ["r--p", "rw-p"]);
    let other = Command::new(vmatlas()).arg("elf").arg(vmatlas()).arg(&pid).output().expect("it runs");
    let error = String::from_utf8_lossy(&other.stderr).into_owned();
    assert_eq!(other.status.code(), Some(1));
    assert!(error.contains("has not loaded"), "{error}");
}

/// The guest `shares`, with its child, until the end of the test.
struct Shares(Child);

impl Drop for Shares {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

#[test]
fn what_is_shared_has_its_name_and_its_peers() {
    let Some(program) = guest("shares", Build::Dynamic) else { return };
    let scratch = Scratch::new("peers");
    let shares = Shares(Run::new(&scratch, [program]).start_alone(Stdio::piped()));
    let text = until("what shares prints", || {
        let text = std::fs::read_to_string(scratch.path("alone.stdout")).ok()?;
        text.contains("child ").then_some(text)
    });
    let said = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).to_string()
    };
    let pid = shares.0.id().to_string();
    let view = json(&["map", &pid, "--peers"]);
    let what =
        |name| row(&view["shared"], "start", &said(name))["what"].as_str().unwrap_or_default().to_string();
    assert!(what("sysv").ends_with(&format!("key {}", said("key"))), "{}", what("sysv"));
    assert_eq!(what("posix"), format!("POSIX shared memory /vmatlas-shares-{pid}, unlinked"));
    assert_eq!(what("memfd"), "memfd shares");
    assert_eq!(what("anonymous"), "shared anonymous memory");
    let child: i64 = said("child").parse().expect("a process id");
    for name in ["sysv", "posix", "memfd", "anonymous", "file"] {
        let shared = row(&view["shared"], "start", &said(name));
        assert_eq!((bytes(shared, "size"), bytes(shared, "rss")), (1 << 16, 1 << 16), "{shared:#}");
        let peers: Vec<i64> =
            shared["peers"].as_array().into_iter().flatten().filter_map(|p| p["pid"].as_i64()).collect();
        assert_eq!(peers, [child], "{name}");
    }
    assert_eq!(row(&view["shared"], "start", &said("sysv"))["sysv"]["attached"], 2);
}

#[test]
fn huge_pages_that_hold_zeros_are_found() {
    let enabled = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").unwrap_or_default();
    if !enabled.contains("[madvise]") && !enabled.contains("[always]") || !crate::run::has("python3") {
        println!("SKIPPED: huge pages that hold zeros, the kernel gives none ({})", enabled.trim());
        return;
    }
    let scratch = Scratch::new("bloat");
    // One byte of each 2 MiB is written.
    let script = "import mmap\nm = mmap.mmap(-1, 96 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)\nm.madvise(14)\n\
        for at in range(0, 96 << 20, 2 << 20): m[at] = 1\nprint('ready', flush=True)\ninput()";
    let run = Run::new(&scratch, ["python3", "-c", script]);
    let python = Shares(run.start_alone(Stdio::piped()));
    until("what python prints", || {
        std::fs::read_to_string(scratch.path("alone.stdout")).ok()?.contains("ready").then_some(())
    });
    let map = json(&["map", &python.0.id().to_string()]);
    if bytes(&map["total"], "huge") < 32 << 20 {
        println!("SKIPPED: huge pages that hold zeros, the kernel found too few free ones");
        return;
    }
    let finding = row(&map["findings"], "kind", "huge_page_bloat");
    assert!(finding["evidence"].as_str().is_some_and(|text| text.contains("hold only zeros")), "{finding:#}");
}
