//! Tests with cores of a process that sleeps, by gdb and by the kernel, beside what `/proc` says of it.

use std::path::PathBuf;
use std::process::Command;

use super::*;
use crate::classify::classify;
use crate::kind::Kind;
use crate::live::read_live;
use crate::sleeper::Sleeper;
use crate::totals::{KindTotal, Totals};

fn sizes(kinds: &[KindTotal]) -> Vec<(Kind, u64, usize)> {
    // The kernel marks vvar as not to be dumped, and gdb obeys.
    let kinds = kinds.iter().filter(|total| total.kind != Kind::Vvar);
    let mut sizes: Vec<(Kind, u64, usize)> = Vec::new();
    for total in kinds {
        // Nor does a core tell a file mapped shared and read-only from one mapped private.
        let kind = if total.kind == Kind::SharedFile { Kind::PrivateFile } else { total.kind };
        match sizes.last_mut().filter(|last| last.0 == kind) {
            Some(last) => *last = (kind, last.1 + total.amounts.size, last.2 + total.amounts.mappings),
            None => sizes.push((kind, total.amounts.size, total.amounts.mappings)),
        }
    }
    sizes
}

/// A folder that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("vmatlas-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder for a core");
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A process that sleeps, with its core file allowed, and what `/proc` says of it.
fn sleeper(folder: &Folder) -> (Sleeper, crate::Live) {
    let sleeper = Sleeper::start_in(&folder.0);
    let live = read_live(sleeper.pid()).expect("our own child");
    (sleeper, live)
}

fn assert_same_kinds(core: &Core, live: &crate::Live) {
    let ours = Totals::of(&core.snapshot, &classify(&core.snapshot));
    let theirs = Totals::of(&live.snapshot, &classify(&live.snapshot));
    assert_eq!(sizes(&ours.kinds), sizes(&theirs.kinds));
}

#[test]
fn a_core_of_gdb_has_the_kinds_of_the_process() {
    let folder = Folder::new("gcore");
    let (sleeper, live) = sleeper(&folder);
    let made =
        Command::new("gcore").arg("-o").arg(folder.0.join("core")).arg(sleeper.pid().to_string()).output();
    if !made.is_ok_and(|made| made.status.success()) {
        println!("SKIPPED: core of gdb, no gcore here or it may not trace");
        return;
    }
    let core = read_core(&folder.0.join(format!("core.{}", sleeper.pid()))).expect("gdb's core");
    assert_eq!((core.maker, core.bytes_cut_off), (CoreMaker::Gdb, 0));
    assert_eq!(core.process.as_ref().expect("it is named").name, b"sleep");
    assert_same_kinds(&core, &live);
    let mut front = [0; 4];
    let leaves = classify(&core.snapshot);
    let vdso = leaves.iter().find(|leaf| leaf.kind == Kind::Vdso).expect("a vdso");
    assert_eq!(core.memory.read(vdso.range.start, &mut front), 4);
    assert_eq!(&front, b"\x7fELF");
}

#[test]
fn a_core_of_the_kernel_has_the_kinds_of_the_process_and_can_be_cut() {
    let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    if pattern.trim() != "core" {
        println!("SKIPPED: core of the kernel, it gives cores to {}", pattern.trim());
        return;
    }
    let folder = Folder::new("kernel-core");
    let (mut sleeper, live) = sleeper(&folder);
    let sent = Command::new("kill").args(["-ABRT", &sleeper.pid().to_string()]).status();
    assert!(sent.expect("kill").success());
    sleeper.0.wait().expect("our own child");
    let mut entries = std::fs::read_dir(&folder.0).expect("our folder").flatten();
    let path = entries.next().expect("the kernel's core").path();
    let core = read_core(&path).expect("the kernel's core");
    assert_eq!((core.maker, core.bytes_cut_off), (CoreMaker::Kernel, 0));
    assert_eq!(core.signal.map(|signal| signal.number), Some(6));
    assert_same_kinds(&core, &live);
    let held = Totals::of(&core.snapshot, &classify(&core.snapshot)).all.held.expect("a core's sum");
    let anonymous = live.total.and_then(|total| total.anonymous).expect("the kernel's sum");
    assert!(held >= anonymous, "{held} < {anonymous}: what was written is in the core");

    let whole = std::fs::metadata(&path).expect("the core").len();
    let file = std::fs::OpenOptions::new().write(true).open(&path).expect("the core");
    file.set_len(whole / 2).expect("our own file");
    let cut = read_core(&path).expect("half a core");
    assert_eq!(cut.bytes_cut_off, whole - whole / 2);
    assert_eq!(cut.snapshot.mappings, core.snapshot.mappings);
}
