//! Processes in mount namespaces and roots of their own: what is told of their files is told of theirs, not of another
//! that lies at the same path here.

use std::path::Path;
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::guest::{Build, guest};
use crate::run::{Run, User, has, until, users, vmatlas};
use crate::scratch::Scratch;

/// A folder in which a file system is mounted that only the program sees, with the program in it.
struct Hidden<'a> {
    scratch: &'a Scratch,
    child: Child,
    user: User,
}

impl<'a> Hidden<'a> {
    /// Runs the last words of `script` once its `$1`, a folder, holds another file system; `$2` is the program.
    fn start(scratch: &'a Scratch, program: &Path, user: User, script: &str) -> Option<Self> {
        let folder = scratch.path("hidden");
        std::fs::create_dir(&folder).expect("our own folder");
        // At the path of the program stands another one for everybody else.
        std::fs::copy("/bin/sh", folder.join("inside")).expect("our own folder");
        let script = format!("mount -t tmpfs none \"$1\" && cp \"$2\" \"$1/inside\" && {script}");
        let (folder, program) = (folder.display().to_string(), program.display().to_string());
        let words = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", &script, "sh"];
        let words = words.iter().copied().chain([folder.as_str(), &program]);
        let mut child = Run::new(scratch, words).user(user).start_alone(Stdio::piped());
        let printed = until("the guest or its refusal", || {
            let text = std::fs::read_to_string(scratch.path("alone.stdout")).ok()?;
            let is_over = child.try_wait().expect("our own child").is_some();
            (text.contains("arena") || is_over).then_some(text)
        });
        if printed.is_empty() {
            println!("SKIPPED: a mount namespace of its own, it was refused");
            return None;
        }
        Some(Self { scratch, child, user })
    }

    /// What the binary prints as JSON, run by whoever runs the program.
    fn json(&self, args: &[&str]) -> Value {
        let words = [vmatlas().to_str().expect("a plain path")].into_iter().chain(args.iter().copied());
        let reading = Scratch::new("namespace-reader");
        let ran = Run::new(&reading, words.chain(["--json"])).user(self.user).alone();
        assert_eq!(ran.shell_status(), 0, "{args:?}: {}", ran.stderr);
        serde_json::from_str(&ran.stdout).expect("--json prints JSON")
    }

    /// The program's sections and symbols are those of the guest.
    fn assert_its_own(&self, pid: &str) {
        let what = format!("{:?} in {}", self.user, self.scratch.folder().display());
        let object = self.json(&["map", pid, "--symbols"])["objects"][0].clone();
        assert!(object["path"].as_str().is_some_and(|path| path.contains("/inside")), "{what}: {object:#}");
        assert_eq!(object["table"], "full", "{what}: the guest has symbols, the other file has none");
        let has = |list: &str, name: &str| {
            object[list].as_array().is_some_and(|rows| rows.iter().any(|row| row["name"] == name))
        };
        assert!(has("symbols", "main") && has("sections", ".text"), "{what}");
        let map = self.json(&["map", pid]);
        let kinds: Vec<&str> =
            map["kinds"].as_array().into_iter().flatten().filter_map(|row| row["kind"].as_str()).collect();
        assert!(
            ["text", "relro", "data", "bss"].iter().all(|kind| kinds.contains(kind)),
            "{what}: {kinds:?}"
        );
    }
}

impl Drop for Hidden<'_> {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn can_run() -> bool {
    ["unshare", "mount", "chroot"].iter().all(|program| has(program))
}

#[test]
fn files_of_a_mount_namespace_are_read_from_it() {
    let Some(program) = guest("kinds", Build::Dynamic).filter(|_| can_run()) else { return };
    for user in users() {
        let scratch = Scratch::new("mounts");
        let Some(hidden) = Hidden::start(&scratch, &program, *user, "exec \"$1/inside\"") else { return };
        let pid = hidden.child.id().to_string();
        hidden.assert_its_own(&pid);
        let map = hidden.json(&["map", &pid]);
        let mappings = map["mappings"].as_array().expect("a list");
        let is_text = |mapping: &&Value| {
            mapping["name"].as_str().is_some_and(|name| name.ends_with("/inside"))
                && mapping["permissions"] == "r-xp"
        };
        let address = mappings.iter().find(is_text).and_then(|mapping| mapping["start"].as_str());
        let place = hidden.json(&["explain", &pid, address.expect("its code")]);
        assert!(place["section"].as_str().is_some(), "{place:#}");
        let shown = program.display().to_string();
        let beside = hidden.json(&["elf", &shown, &pid]);
        assert_eq!(
            beside["process"]["pid"].as_u64(),
            Some(hidden.child.id().into()),
            "found by its build id"
        );
    }
}

#[test]
fn files_of_a_root_in_a_mount_namespace_are_read_from_it() {
    let Some(program) = guest("kinds", Build::Static).filter(|_| can_run()) else { return };
    for user in users() {
        let scratch = Scratch::new("mounts-root");
        let script = "exec chroot \"$1\" /inside";
        let Some(hidden) = Hidden::start(&scratch, &program, *user, script) else { return };
        hidden.assert_its_own(&hidden.child.id().to_string());
    }
}

#[test]
fn a_program_whose_file_system_was_unmounted_is_still_read() {
    let Some(program) = guest("kinds", Build::Static).filter(|_| can_run()) else { return };
    for user in users() {
        let scratch = Scratch::new("unmounted");
        let printed = scratch.path("alone.stdout").display().to_string();
        let script = format!(
            "{{ \"$1/inside\" <&3 & }} 3<&0; until grep -q arena {printed}; do sleep 0.1; done; \
             umount --lazy \"$1\"; wait"
        );
        let Some(hidden) = Hidden::start(&scratch, &program, *user, &script) else { return };
        let parent = hidden.child.id();
        let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
        let children = children.expect("it waits for its child");
        // Its first child; there may be a command of the script besides.
        let pid = children.split(' ').next().expect("a child").to_owned();
        until("the unmounting", || {
            let mounts = std::fs::read_to_string(format!("/proc/{pid}/mounts")).ok()?;
            (!mounts.contains("/hidden ")).then_some(())
        });
        hidden.assert_its_own(&pid);
    }
}
