//! The chains of recorded calls and faults equal what the guests' sources say, in every way of finding them.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::guest::{Build, guest};
use crate::recording::Report;
use crate::run::{Run, has, users, vmatlas};
use crate::scratch::Scratch;

/// Builds a guest of `guests/chains` that maps and touches memory at the end of its chain; `None`, said as skipped,
/// without its compiler.
fn build(scratch: &Scratch, source: &str, flags: &[&str]) -> Option<PathBuf> {
    let compiler = match source.rsplit('.').next() {
        Some("rs") => "rustc",
        Some("cpp") => "c++",
        _ => "cc",
    };
    if !has("cc") || !has(compiler) {
        return None;
    }
    let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guests/chains");
    let (touch, program) = (scratch.path("touch.o"), scratch.path("guest"));
    let run = |command: &mut Command| {
        let output = command.output().expect("the compiler was found");
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let common = ["-O2", "-g", "-w"];
    run(Command::new("cc").args(common).arg("-c").arg(guests.join("touch.c")).arg("-o").arg(&touch));
    let mut command = Command::new(compiler);
    if compiler == "rustc" {
        command.args(["--edition", "2021", "-O", "-g", "-C", &format!("link-arg={}", touch.display())]);
    } else {
        command.args(common).arg("-pthread").arg(&touch);
    }
    run(command.args(flags).arg(guests.join(source)).arg("-o").arg(&program));
    Some(program)
}

/// The chains of the call that mapped the guest's memory and of the fault that touched it first, from `dump_stack` on.
struct Chains {
    mapped: Vec<String>,
    touched: Vec<String>,
    /// The address that the guest printed beside, where it prints one.
    report: String,
}

fn recorded(scratch: &Scratch, program: &Path, args: &[&str]) -> Chains {
    let vmatlas = vmatlas().to_str().expect("a plain path");
    let program = program.to_str().expect("a plain path");
    let words = [vmatlas, "record", "--force", "--faults", "1", "-o", "f.vmatlas", "--", program];
    let words: Vec<&str> = words.into_iter().chain(args.iter().copied()).collect();
    let ran = Run::new(scratch, &words).alone();
    assert_eq!(ran.shell_status(), 0, "{}", ran.stderr);
    let address = ran.stdout.trim().to_owned();
    let explained = Run::new(scratch, [vmatlas, "explain", "f.vmatlas@peak", &address, "--json"]).alone();
    assert_eq!(explained.shell_status(), 0, "{}", explained.stderr);
    let explained: serde_json::Value = serde_json::from_str(&explained.stdout).expect("JSON");
    let chain = |what: &str| -> Vec<String> {
        let steps = explained["story"].as_array().expect("a list").iter();
        let found =
            |step: &&serde_json::Value| step["what"].as_str().is_some_and(|text| text.starts_with(what));
        let step = steps.clone().find(found).unwrap_or_else(|| panic!("{what}: {explained:#}"));
        let frames = step["frames"].as_array().expect("a list").iter();
        let names = frames.map(|frame| frame["function"].as_str().expect("a name").to_owned());
        names.skip_while(|name| name != "dump_stack").collect()
    };
    Chains { mapped: chain("mapped by mmap"), touched: chain("page first touched"), report: ran.stderr }
}

/// Both chains up to and with `main`, and what lies behind it for the one of the call.
fn own(chains: &Chains) -> [Vec<String>; 2] {
    let own = |chain: &[String]| {
        let main = chain.iter().position(|name| name == "main");
        let main = main.unwrap_or_else(|| panic!("main is reached: {chain:?}"));
        assert!(chain.len() > main + 1, "the chain goes on to its root: {chain:?}");
        chain[..=main].to_vec()
    };
    [own(&chains.mapped), own(&chains.touched)]
}

#[test]
fn c_with_and_without_frame_pointers() {
    for flags in [
        &["-O2", "-fomit-frame-pointer"][..],
        &["-O2", "-fno-omit-frame-pointer"],
        &["-O0"],
        &["-O2", "-static"],
    ] {
        let scratch = Scratch::new("chains-c");
        let Some(program) = build(&scratch, "plain.c", flags) else { return };
        let expected = ["dump_stack", "leaf", "inner", "middle", "outer", "main"];
        for chain in own(&recorded(&scratch, &program, &[])) {
            assert_eq!(chain, expected, "{flags:?}");
        }
    }
}

#[test]
fn a_recursion_of_500_frames() {
    let scratch = Scratch::new("chains-deep");
    let Some(program) = build(&scratch, "plain.c", &["-fno-optimize-sibling-calls"]) else { return };
    let chains = recorded(&scratch, &program, &["500"]);
    // The call's copy reaches the root; the fault's is led on by the call's.
    for chain in own(&chains) {
        assert_eq!(chain.iter().filter(|name| *name == "middle").count(), 500);
        assert_eq!(chain.len(), 505);
    }
    let report = chains.report.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(report.contains("by a whole stack of the thread"), "{report}");
}

#[test]
fn rust_and_cpp_with_inlining() {
    let scratch = Scratch::new("chains-rust");
    let Some(program) = build(&scratch, "generic.rs", &[]) else { return };
    for chain in own(&recorded(&scratch, &program, &[])) {
        let mut own = chain.iter().filter(|name| name.contains("generic::"));
        let visit = own.clone().next().expect("the innermost of them");
        assert_eq!(visit, "<generic::Walker as generic::Visit>::visit");
        assert_eq!(own.next_back().map(String::as_str), Some("generic::main"), "{chain:?}");
    }
    let scratch = Scratch::new("chains-cpp");
    let Some(program) = build(&scratch, "inlined.cpp", &[]) else { return };
    let text = "std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> > const&";
    let total = format!("shapes::total(shapes::Shape const&, {text})");
    for chain in own(&recorded(&scratch, &program, &[])) {
        let expected =
            ["dump_stack", "innermost", "between", "shapes::Square<double>::area(int) const", &total, "main"];
        assert_eq!(chain, expected);
    }
}

#[test]
fn a_handler_on_a_stack_of_its_own_is_followed_to_what_it_interrupted() {
    let scratch = Scratch::new("chains-signal");
    let Some(program) = build(&scratch, "signal.c", &[]) else { return };
    let chains = recorded(&scratch, &program, &[]);
    let names = |chain: &[String]| -> Vec<String> {
        let known = ["dump_stack", "in_handler", "handler", "interrupted", "outer", "main"];
        chain.iter().filter(|name| known.contains(&name.as_str())).cloned().collect()
    };
    let expected = ["dump_stack", "in_handler", "handler", "interrupted", "outer", "main"];
    assert_eq!(names(&chains.mapped), expected);
    // A fault's copy ends with the handler's stack: the stack of the handler's call leads on.
    assert_eq!(names(&chains.touched), expected);
}

#[test]
fn a_thread_is_followed_to_its_start() {
    let scratch = Scratch::new("chains-thread");
    let Some(program) = build(&scratch, "thread.c", &[]) else { return };
    let Chains { mapped, touched, .. } = recorded(&scratch, &program, &[]);
    for chain in [mapped, touched] {
        assert_eq!(chain[..3], ["dump_stack", "worker", "start"]);
        assert!(chain.len() > 3, "the library's own first functions follow: {chain:?}");
    }
}

#[test]
fn code_made_at_run_time_is_named_by_its_list_and_left_by_its_frame_pointer() {
    let scratch = Scratch::new("chains-jit");
    // The program's own number is part of the list's name.
    let Some(program) = build(&scratch, "jit.c", &["-fno-omit-frame-pointer"]) else { return };
    let compiled = "JS:*compiled /app/index.js:1:1";
    for chain in own(&recorded(&scratch, &program, &["-"])) {
        assert_eq!(chain, ["dump_stack", "callee", compiled, "main"]);
    }
    // Code that keeps no frame pointer and has no frame information says nothing of its caller: there a chain ends, and
    // no caller is guessed.
    let Chains { mapped, touched, report } = recorded(&scratch, &program, &["-", "leaf"]);
    for chain in [mapped, touched] {
        assert_eq!(chain[..3], ["dump_stack", "callee", compiled]);
        assert!(!chain.iter().any(|name| name == "main"), "{chain:?}");
    }
    let report = report.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(report.contains("end in code that tells no caller"), "{report}");
}

/// The shares of the stacks of calls and of faults that reach a thread's first function, in percent.
fn shares(report: &str) -> [f64; 2] {
    let report = report.split_whitespace().collect::<Vec<_>>().join(" ");
    ["calls' stacks ", "recorded faults' stacks "].map(|what| {
        let share = report.split_once(what).and_then(|(_, rest)| rest.split_once(" % reach"));
        let share = share.and_then(|(share, _)| share.parse().ok());
        share.unwrap_or_else(|| panic!("{what}is in the report: {report}"))
    })
}

/// More than so many of a program's stacks reach a root, in percent.
const REACH_MIN: f64 = 95.0;

/// For how long anything on this machine has waited for a processor, where the kernel tells.
fn waited() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/pressure/cpu").ok()?;
    let total = text.lines().next()?.rsplit_once("total=")?.1;
    total.trim().parse().ok().map(Duration::from_micros)
}

/// Records a program and returns the shares of its stacks that reach a root.
fn shares_of(name: &str, user: &[&str], words: &[&str]) -> [f64; 2] {
    let scratch = Scratch::new("roots");
    let source = "use std::collections::BTreeMap; fn main() { let mut m = BTreeMap::new(); for i in 0..99u64 { \
                  m.entry(format!(\"{}\", i % 7)).or_insert_with(Vec::new).push(i); } println!(\"{m:?}\"); }";
    std::fs::write(scratch.path("main.rs"), source).expect("a file for rustc");
    let vmatlas = vmatlas().to_str().expect("a plain path");
    let record = [vmatlas, "record", "--force", "-o", "f.vmatlas", "--"];
    let words: Vec<&str> = user.iter().chain(&record).chain(words).copied().collect();
    let user = if user.is_empty() { "" } else { ", without capabilities" };
    let mut tries = 0..5;
    loop {
        let (begin, waited_before) = (Instant::now(), waited());
        let ran = Run::new(&scratch, &words).alone();
        assert_eq!(ran.shell_status(), 0, "{name}: {}", ran.stderr);
        let shares = shares(&ran.stderr);
        println!("{name}{user}: {} % of calls, {} % of faults", shares[0], shares[1]);
        if shares.iter().all(|share| *share > REACH_MIN) {
            return shares;
        }
        // On a machine that lets the tracer wait, the kernel drops events and the recording says so; or a ring full of small
        // pieces comes before it is known that they don't suffice. Such a run shows nothing of how stacks are followed.
        let report = Report::open(&scratch.path("f.vmatlas"));
        let has_lost = report.list("/notes").iter().any(|note| note["kind"] == "lost");
        let others = waited().zip(waited_before).map(|(after, before)| after.saturating_sub(before));
        let is_busy = others.is_some_and(|others| others > begin.elapsed() * 3 / 4);
        if !has_lost && !is_busy || tries.next().is_none() {
            return shares;
        }
    }
}

#[test]
fn stacks_of_real_programs_reach_the_threads_first_functions() {
    let python = "import ast, json, re; s = json.dumps([{'k%d' % i: [i, str(i) * 9]} for i in range(60000)]); \
                  print(len(json.loads(s)), len(re.findall('[0-9]+', s)), \
                  len(ast.dump(ast.parse('x = [1, f(2)]\\n' * 9000))))";
    let node = "let a = []; for (let i = 0; i < 300000; i++) a.push({ i, s: String(i).repeat(4) }); \
                console.log(JSON.parse(JSON.stringify(a)).length)";
    let redis = "redis-server --port 0 --save '' --unixsocket r.sock > r.log & server=$!; \
                 until redis-cli -s r.sock ping > ping.txt 2>&1; do sleep 0.1; done; redis-cli -s r.sock \
                 eval \"for i = 1, 40000 do redis.call('set', 'k' .. i, string.rep('x', i % 500)) end\" 0; \
                 redis-cli -s r.sock shutdown nosave; wait $server";
    let programs: [(&str, &[&str]); 4] = [
        ("python3", &["python3", "-c", python]),
        ("node", &["node", "-e", node]),
        ("rustc", &["rustc", "-O", "main.rs"]),
        ("redis-server", &["sh", "-c", redis]),
    ];
    // An ordinary user's means, though not its name: no capabilities, small rings.
    let ordinary: &[&str] = &["setpriv", "--bounding-set=-all", "--inh-caps=-all"];
    let may_drop = rustix::process::geteuid().is_root() && has("setpriv");
    let users = [Some(&[][..]), Some(ordinary).filter(|_| may_drop)];
    for (name, words) in programs.into_iter().filter(|(name, _)| has(name)) {
        for user in users.into_iter().flatten() {
            let shares = shares_of(name, user, words);
            assert!(shares.iter().all(|share| *share > REACH_MIN), "{name} {user:?}: {shares:?}");
        }
    }
}

/// Events that carry more or less of a stack run beside each other, and each tells of a fault.
#[test]
fn no_fault_is_told_twice() {
    let Some(program) = guest("churn", Build::Dynamic) else { return };
    for user in users() {
        let scratch = Scratch::new("told");
        let run = Run::new(&scratch, [program.as_os_str(), "20000".as_ref()]).user(*user);
        let ran = run.recorded();
        assert_eq!(ran.shell_status(), 0, "as {user:?}: {}", ran.stderr);
        let mut reader = recording::Reader::open(run.recording()).expect("it was just written");
        let mut told = HashSet::new();
        while let Some(event) = reader.next_event().expect("it is whole") {
            if let recording::Body::Fault(fault) = event.body {
                let is_new = told.insert((event.time, event.tid, fault.addr));
                assert!(is_new, "as {user:?}: {:?} at {:?} twice", fault.addr, event.time);
            }
        }
        assert!(told.len() > 1000, "as {user:?}: {} faults", told.len());
    }
}
