//! `map` beside the kernel's own totals: of every process of the machine that stands still, and of real programs.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::run::{Run, User, has, vmatlas};
use crate::scratch::Scratch;

/// For how long processes of the machine are gone through.
const TIME_MAX: Duration = Duration::from_secs(30);

/// A process that is ended with the test.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().expect("the program starts"))
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Sizes in bytes by name.
type Sizes = HashMap<String, u64>;

/// The sizes in a text of `Name: number kB` lines, in bytes.
fn sizes(path: &str) -> Option<Sizes> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = |line: &str| {
        let (name, value) = line.split_once(':')?;
        let kib: u64 = value.trim().strip_suffix(" kB")?.parse().ok()?;
        Some((name.to_string(), kib * 1024))
    };
    Some(text.lines().filter_map(line).collect())
}

/// What `map` says of a process and what the kernel says, if it stood still meanwhile.
fn standing_still(pid: &str) -> Option<(Value, Sizes, Sizes)> {
    let rollup = || sizes(&format!("/proc/{pid}/smaps_rollup"));
    let status = || sizes(&format!("/proc/{pid}/status"));
    let before = (rollup()?, status()?);
    let output = Command::new(vmatlas()).args(["map", pid, "--json"]).output().expect("the binary runs");
    if !output.status.success() {
        return None;
    }
    let map = serde_json::from_slice(&output.stdout).expect("--json prints JSON");
    // PSS moves with what other processes map; that is not this process's doing.
    let without_pss = |sizes: &Sizes| {
        let mut sizes = sizes.clone();
        sizes
            .retain(|name, _| !name.contains("Pss") && !name.contains("Shared") && !name.contains("Private"));
        sizes
    };
    let after = (rollup()?, status()?);
    let stood = without_pss(&before.0) == without_pss(&after.0) && before.1 == after.1;
    stood.then_some((map, after.0, after.1))
}

/// How often each thread of a process that waits has been switched to another; `None` if one runs. What is the same later on
/// tells that none has run: what comes and goes again within a moment would not be seen by sizes.
fn switches_of_waiting(pid: &str) -> Option<BTreeMap<String, String>> {
    let mut switches = BTreeMap::new();
    for task in std::fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten() {
        let status = std::fs::read_to_string(task.path().join("status")).ok()?;
        let waits = status.lines().any(|line| line.starts_with("State:") && !line.contains("R (running)"));
        let counts: String = status.lines().filter(|line| line.contains("ctxt_switches:")).collect();
        switches.insert(waits.then(|| task.file_name().to_string_lossy().into_owned())?, counts);
    }
    Some(switches)
}

/// Every total is the kernel's own.
fn assert_equal(pid: &str, map: &Value, rollup: &Sizes, status: &Sizes) {
    let total = |name: &str| map["total"][name].as_u64();
    for (ours, theirs) in [("rss", "Rss"), ("anonymous", "Anonymous"), ("swap", "Swap")] {
        assert_eq!(total(ours), rollup.get(theirs).copied(), "{ours} of process {pid}: {:#}", map["notes"]);
    }
    let legacy = map["kinds"].as_array().into_iter().flatten().find(|row| row["kind"] == "vsyscall");
    let legacy = legacy.and_then(|row| row["size"].as_u64()).unwrap_or(0);
    assert_eq!(
        total("size").map(|size| size - legacy),
        status.get("VmSize").copied(),
        "size of process {pid}"
    );
    let rows = map["kinds"].as_array().expect("a list");
    for sum in ["size", "rss", "anonymous", "swap"] {
        let of_kinds: u64 = rows.iter().filter_map(|row| row[sum].as_u64()).sum();
        assert_eq!(Some(of_kinds), total(sum), "{sum} of the kinds of process {pid}");
    }
}

#[test]
fn every_process_that_stands_still_adds_up() {
    let sleeper = Running::start(Command::new("sleep").arg("600"));
    assert_program_adds_up(&sleeper);
    let begin = Instant::now();
    let mut checked = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("a Linux machine").flatten() {
        let Some(pid) =
            entry.file_name().to_str().filter(|name| name.parse::<u32>().is_ok()).map(str::to_string)
        else {
            continue;
        };
        // A machine of many processes is not gone through to its end.
        if begin.elapsed() > TIME_MAX {
            break;
        }
        let before = switches_of_waiting(&pid);
        let stood = standing_still(&pid);
        if let Some((map, rollup, status)) = stood.filter(|_| before.is_some())
            && switches_of_waiting(&pid) == before
        {
            assert_equal(&pid, &map, &rollup, &status);
            checked.push(pid);
        }
    }
    println!("{} processes stood still and added up: {checked:?}", checked.len());
}

/// Waits until a program stands still, and holds its totals against the kernel's.
fn assert_program_adds_up(running: &Running) -> Value {
    let mut last = None;
    for _ in 0..100 {
        std::thread::sleep(Duration::from_millis(200));
        if let Some((map, rollup, status)) = standing_still(&running.pid()) {
            assert_equal(&running.pid(), &map, &rollup, &status);
            // Twice the same: it has started up.
            let total = map["total"]["rss"].as_u64();
            if last == Some(total) {
                return map;
            }
            last = Some(total);
        }
    }
    panic!("process {} never stood still", running.pid())
}

fn kinds(map: &Value) -> Vec<&str> {
    map["kinds"].as_array().into_iter().flatten().filter_map(|row| row["kind"].as_str()).collect()
}

#[test]
fn interpreters_and_databases_add_up() {
    let scratch = Scratch::new("totals");
    let at_rest = [
        ("python3", vec!["-c", "import json, threading, time; time.sleep(600)"], "heap"),
        ("node", vec!["-e", "setTimeout(() => {}, 600000)"], "heap"),
        ("redis-server", vec!["--port", "0", "--unixsocket", "redis.sock", "--save", ""], "thread_stack"),
        ("sqlite3", vec![], "heap"),
    ];
    for (program, args, kind) in at_rest {
        if has(program) {
            let running = Running::start(Command::new(program).args(args).current_dir(scratch.folder()));
            let map = assert_program_adds_up(&running);
            assert!(kinds(&map).contains(&kind), "{program}: {:?}", kinds(&map));
        }
    }
}

#[test]
fn a_rust_program_with_threads_adds_up() {
    let sleeper = Running::start(Command::new("sleep").arg("600"));
    let running = Running::start(Command::new(vmatlas()).args(["map", &sleeper.pid(), "--watch", "3600"]));
    let map = assert_program_adds_up(&running);
    assert!(map["heap"]["arenas"].as_array().is_some_and(|arenas| !arenas.is_empty()), "{:#}", map["heap"]);
}

#[test]
fn compiled_programs_with_threads_add_up() {
    let scratch = Scratch::new("totals-compiled");
    if let Some(program) = crate::allocators::go_program(&scratch) {
        let map = assert_program_adds_up(&Running::start(&mut Command::new(program)));
        assert!(kinds(&map).contains(&"arena"), "{:?}", kinds(&map));
    }
    if !has("rustc") {
        return;
    }
    let source = "fn main() { for n in 0..8 { std::thread::spawn(move || { let kept = vec![1u8; (n + 1) << 20];\n\
        loop { std::thread::park(); assert!(kept[0] == 1); } }); }\n\
        std::io::stdin().read_line(&mut String::new()).unwrap(); }\n";
    std::fs::write(scratch.path("threads.rs"), source).expect("our own folder");
    let built = Command::new("rustc").args(["-O", "threads.rs"]).current_dir(scratch.folder()).output();
    let built = built.expect("rustc was found");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let running = Running::start(&mut Command::new(scratch.path("threads")));
    crate::run::until("eight threads that wait", || {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", running.pid())).ok()?;
        (tasks.count() == 9).then_some(())
    });
    let map = assert_program_adds_up(&running);
    for kind in ["thread_stack", "stack_guard", "signal_stack", "malloc_block"] {
        assert!(kinds(&map).contains(&kind), "{kind}: {:?}", kinds(&map));
    }
    assert!(map["stacks"].as_array().is_some_and(|stacks| stacks.len() >= 9), "{:#}", map["stacks"]);
}

#[test]
fn a_virtual_machine_adds_up() {
    if !has("java") || !has("javac") {
        return;
    }
    let scratch = Scratch::new("totals-java");
    let source =
        "public class Wait { public static void main(String[] a) throws Exception { System.in.read(); } }";
    let mut file = std::fs::File::create(scratch.path("Wait.java")).expect("our own folder");
    file.write_all(source.as_bytes()).expect("room");
    let built = Command::new("javac").arg("Wait.java").current_dir(scratch.folder()).status();
    assert!(built.expect("javac").success());
    // A thread of it wakes now and then: memory stands still all the same.
    let running = Running::start(
        Command::new("java")
            .args(["-Xint", "-XX:+UseSerialGC", "-cp", ".", "Wait"])
            .current_dir(scratch.folder()),
    );
    let map = assert_program_adds_up(&running);
    assert!(
        ["reservation", "thread_stack", "arena"].iter().all(|kind| kinds(&map).contains(kind)),
        "{:?}",
        kinds(&map)
    );
}

#[test]
fn what_may_not_be_seen_or_has_no_memory_is_said_in_one_line() {
    let sleeper = Running::start(Command::new("sleep").arg("600"));
    let pid = sleeper.pid();
    let scratch = Scratch::new("refused-map");
    let hidden = scratch.path("hidden");
    std::fs::create_dir(&hidden).expect("our own folder");
    std::fs::write(hidden.join("saved"), "1000-2000 rw-p 0 0:0 0\n").expect("our own folder");
    std::fs::set_permissions(&hidden, std::os::unix::fs::PermissionsExt::from_mode(0o700)).expect("our own");
    let saved = hidden.join("saved").display().to_string();
    if crate::run::is_root() {
        for args in [
            &["map", pid.as_str()][..],
            &["map", &pid, "-X"],
            &["map", &pid, "--fast"],
            &["map", &pid, "--peers"],
            &["map", &pid, "--symbols"],
            &["explain", &pid, "0x400000"],
            &["elf", "/bin/sh", &pid],
            &["map", &saved],
        ] {
            let ran =
                Run::new(&scratch, [vmatlas().as_os_str()].into_iter().chain(args.iter().map(OsStr::new)));
            let ran = ran.user(User::Ordinary).alone();
            assert_eq!((ran.shell_status(), ran.stderr.lines().count()), (1, 1), "{args:?}: {}", ran.stderr);
            let error = ran.stderr.to_lowercase();
            assert!(
                error.contains("not permitted") || error.contains("permission denied"),
                "{args:?}: {error}"
            );
        }
    } else {
        println!("SKIPPED: processes of another user, these tests run as an ordinary user");
    }
    // A shell that waits for nothing: its child stays a zombie.
    let parent = Running::start(Command::new("sh").args(["-c", "true & exec sleep 600"]));
    let zombie = crate::run::until("a zombie", || {
        let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", parent.pid())).ok()?;
        let child = children.trim().to_string();
        let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).ok()?;
        stat.contains(") Z ").then_some(child)
    });
    let output = Command::new(vmatlas()).args(["map", &zombie]).output().expect("the binary runs");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), errors.lines().count()), (Some(1), 1), "{errors}");
    assert!(errors.contains("has no memory"), "{errors}");
    // The kernel's thread of threads, where the machine shows it.
    if std::fs::read("/proc/2/comm").is_ok_and(|comm| comm == b"kthreadd\n") {
        for args in
            [&["map", "2"][..], &["map", "2", "-X"], &["map", "2", "--fast"], &["explain", "2", "0x400000"]]
        {
            let output = Command::new(vmatlas()).args(args).output().expect("the binary runs");
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!((output.status.code(), errors.lines().count()), (Some(1), 1), "{args:?}: {errors}");
        }
    }
}

#[test]
fn a_process_that_ends_while_it_is_read_is_shown_or_said_to_be_gone() {
    let ways: [&[&str]; 5] = [&["--json"], &["-X"], &["--fast"], &["--frames"], &["--symbols"]];
    let (mut shown, mut gone) = (0, 0);
    for round in 0..60 {
        let sleeper = Running::start(Command::new("sleep").arg("600"));
        let pid = sleeper.pid();
        let mut command = Command::new(vmatlas());
        command.args(["map", &pid]).args(ways[round % ways.len()]);
        let reader = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
        std::thread::sleep(Duration::from_micros(250 * round as u64));
        // Killed and waited for.
        drop(sleeper);
        let output = reader.wait_with_output().expect("our own child");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        match output.status.code() {
            Some(0) => {
                assert_eq!(errors, "", "{command:?}");
                shown += 1;
            }
            Some(1 | 42) => {
                assert_eq!(errors.lines().count(), 1, "{command:?}: {errors}");
                assert!(errors.contains(&pid), "{command:?}: {errors}");
                gone += 1;
            }
            status => panic!("{command:?}: {status:?}: {errors}"),
        }
    }
    println!("{shown} shown, {gone} gone");
    assert!(gone > 0, "the first is killed before the binary has begun");
}

#[test]
fn what_is_not_there_is_said_in_one_line_with_its_own_status() {
    let run = |args: &[&str]| Command::new(vmatlas()).args(args).output().expect("the binary runs");
    let sleeper = Running::start(Command::new("sleep").arg("600"));
    for (args, status) in [
        (vec!["map", "no such / name"], 42),
        (vec!["map", "4194305"], 42),
        (vec!["map", &sleeper.pid(), "4194305"], 42),
        (vec!["map", "/dev/null"], 1),
        (vec!["map", "/bin/sh"], 1),
    ] {
        let output = run(&args);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(status), "{args:?}: {errors}");
        assert_eq!(errors.lines().count(), 1, "{args:?}: {errors}");
    }
    let shown = run(&["map", &sleeper.pid(), "4194305"]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("sleep"), "the one that is there is shown");
}
