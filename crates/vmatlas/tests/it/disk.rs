//! A disk that is full ends the recording, not the program.

use crate::guest::{Build, guest};
use crate::recording::Report;
use crate::run::{Run, is_root, vmatlas};
use crate::scratch::Scratch;

/// Runs a guest with its recording on a file system of so many bytes, which is gone when the run ends; what was
/// written is copied to the scratch folder.
fn on_small_disk(scratch: &Scratch, size: &str, words: &str) -> crate::run::Ran {
    let small = scratch.path("small");
    std::fs::create_dir(&small).expect("our own folder");
    let script = format!(
        "mount -t tmpfs -o size={size} none {small} || exit 99\n\
         {vmatlas} record -q -o {small}/r.vmatlas -- {words}\n\
         status=$?; cp {small}/r.vmatlas recording.vmatlas; exit $status",
        small = small.display(),
        vmatlas = vmatlas().display(),
    );
    Run::new(scratch, ["unshare", "--mount", "sh", "-c", &script]).alone()
}

#[test]
fn a_full_disk_is_said_in_one_line_and_harms_nothing() {
    let Some(program) = guest("children200", Build::Dynamic) else { return };
    if !is_root() {
        println!("SKIPPED: a full disk, only root may mount a small one");
        return;
    }
    let scratch = Scratch::new("disk");
    let ran = on_small_disk(&scratch, "16k", &program.to_string_lossy());
    if ran.shell_status() == 99 {
        println!("SKIPPED: a full disk, this machine does not let root mount one");
        return;
    }
    assert_eq!(ran.shell_status(), 0, "{}", ran.stderr);
    assert_eq!(ran.stdout, "200 children, statuses add up to 19900\n");
    assert_eq!(ran.stderr.lines().count(), 1, "one line: {}", ran.stderr);
    assert!(ran.stderr.contains("No space left on device"), "{}", ran.stderr);
    let report = Report::open(&scratch.path("recording.vmatlas"));
    assert!(!report.at("/recording/incomplete").is_null(), "it cannot be whole");
    report.assert_consistent();
    assert_eq!(report.list("/proof/differences").len(), 0, "{:#}", report.at("/proof"));
}

#[test]
fn a_disk_without_any_room_is_said_too() {
    if !is_root() {
        println!("SKIPPED: a full disk, only root may mount a small one");
        return;
    }
    let scratch = Scratch::new("disk-none");
    let script = "mount -t tmpfs -o size=4k none . && cd . && cd \"$PWD\" && head -c 4096 /dev/zero > full; \
                  $0 record -q -o r.vmatlas -- echo ran";
    let program = vmatlas().to_str().expect("a plain path");
    let ran = Run::new(&scratch, ["unshare", "--mount", "sh", "-c", script, program]).alone();
    assert_eq!(ran.stderr.lines().count(), 1, "one line: {}", ran.stderr);
    assert!(ran.stderr.contains("No space left on device"), "{}", ran.stderr);
}
