//! `doctor`, as root and as an ordinary user, held against what the machine says of itself.

use serde_json::Value;

use crate::run::{Run, User, is_root, users, vmatlas};
use crate::scratch::Scratch;

fn doctor(scratch: &Scratch, user: User) -> (i32, Value) {
    let ran =
        Run::new(scratch, [vmatlas().as_os_str(), "doctor".as_ref(), "--json".as_ref()]).user(user).alone();
    assert_eq!(ran.stderr, "");
    (ran.shell_status(), serde_json::from_str(&ran.stdout).expect("--json prints JSON"))
}

fn availability<'a>(doctor: &'a Value, facility: &str) -> &'a str {
    let checks = doctor["checks"].as_array().expect("a list");
    let check = checks.iter().find(|check| check["facility"] == facility);
    check.unwrap_or_else(|| panic!("{facility} was not tried"))["availability"].as_str().expect("a word")
}

#[test]
fn what_can_be_recorded_is_tried() {
    for &user in users() {
        let scratch = Scratch::new("doctor");
        let (status, doctor) = doctor(&scratch, user);
        // Every other test of `record` needs these.
        assert_eq!((status, doctor["can_record"].as_bool()), (0, Some(true)), "{doctor}");
        assert_eq!(doctor["schema"], "vmatlas.doctor/1");
        for check in doctor["checks"].as_array().expect("a list") {
            let whole = check["availability"] == "whole";
            assert_eq!(check["lost"].is_null(), whole, "{check}");
            assert_eq!(check["change"].is_null(), whole, "{check}");
        }
    }
}

#[test]
fn an_ordinary_user_sees_less() {
    if !is_root() {
        println!("SKIPPED: an_ordinary_user_sees_less, these tests run as an ordinary user");
        return;
    }
    let scratch = Scratch::new("doctor-less");
    let (_, root) = doctor(&scratch, User::Same);
    let (_, ordinary) = doctor(&scratch, User::Ordinary);
    assert_eq!((availability(&root, "frames"), availability(&ordinary, "frames")), ("whole", "missing"));
    assert_eq!(availability(&ordinary, "deleted_files"), "missing");
    assert_eq!(availability(&root, "page_scan"), availability(&ordinary, "page_scan"));
    let paranoid = std::fs::read_to_string("/proc/sys/kernel/perf_event_paranoid").unwrap_or_default();
    if paranoid.trim() == "2" {
        assert_eq!((availability(&root, "faults"), availability(&ordinary, "faults")), ("whole", "partly"));
    }
}
