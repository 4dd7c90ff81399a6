//! One test for each behaviour: as root and as an ordinary user, the same status and output as without vmatlas, what
//! the guest's first line says, and a twin that holds every mapping.

use std::fs;
use std::time::Duration;

use crate::guest::{Build, guest};
use crate::killed::{children, tracer_of};
use crate::recording::Report;
use crate::run::{Run, User, is_root, until, users, wait};
use crate::scratch::Scratch;

/// Runs a guest with and without vmatlas as every user, demands its status and output, and hands each report on.
/// Whatever the guest, a look begins with what the proof must be.
fn same(name: &str, build: Build, status: i32, stdout: &str, look: impl Fn(&Report)) {
    let Some(program) = guest(name, build) else { return };
    for user in users() {
        let scratch = Scratch::new(name);
        let (ran, report) = Run::new(&scratch, [&program]).user(*user).same_recorded();
        assert_eq!(ran.shell_status(), status, "{name} as {user:?}: {}", ran.stderr);
        assert_eq!(ran.stdout, stdout, "{name} as {user:?}");
        look(&report);
    }
}

macro_rules! guests {
    ($($name:ident: $build:ident, status $status:literal, $stdout:literal, $look:expr;)*) => {
        $(
            #[test]
            fn $name() {
                same(stringify!($name), Build::$build, $status, $stdout, $look);
            }
        )*
    };
}

guests! {
    alt_stack: Dynamic, status 0, "overflow caught\n", held;
    children200: Dynamic, status 0, "200 children, statuses add up to 19900\n", |report| held_in(report, 201, 201);
    churn: Dynamic, status 0, "done\n", held;
    clone3_thread: Dynamic, status 0, "the thread is done\n", |report| held_in(report, 1, 2);
    deleted_file: Dynamic, status 0, "7\n", |report| held_with(report, "shared_file", 1 << 16);
    exec_from_thread: Dynamic, status 0, "from a thread\n", |report| raced_in(report, 1, 4);
    exec_self: Dynamic, status 10, "the tenth\n", |report| held_in(report, 1, 1);
    exit_group_busy: Dynamic, status 5, "", |report| raced_in(report, 1, 9);
    fork: Dynamic, status 0, "each page its own\n", |report| held_in(report, 15, 15);
    grows_down: Dynamic, status 0, "grown by 99 pages\n", held;
    hello: Static, status 0, "hello\n", held;
    kill_self: Dynamic, status 137, "", |report| assert_eq!(report.at("/run/end/signal"), 9);
    memfd: Dynamic, status 0, "1 0\n", |report| held_with(report, "memory_file", 8192);
    mmap_loop: Dynamic, status 0, "done\n", looped;
    no_new_privs: Dynamic, status 0, "no new privileges\n", |report| held_in(report, 1, 1);
    odd_names: Dynamic, status 0, "6 names\n", |report| held_with(report, "shared_file", 6 * 4096);
    overlapping: Dynamic, status 0, "overlapped\n", |report| raced_in(report, 1, 2);
    recursion: Dynamic, status 0, "10000\n", stack_growth_is_seen;
    rings: Dynamic, status 0, "handled\n", held;
    set_user: Dynamic, status 0, "root: no\n", held;
    stop_cont: Dynamic, status 0, "10 stops, 10 times continued, status 7\n", |report| held_in(report, 2, 2);
    sysv_shm: Dynamic, status 0, "42\n", |report| held_in(report, 2, 2);
    threads64: Dynamic, status 0, "64 threads\n", |report| raced_in(report, 1, 65);
    timer: Dynamic, status 0, "0 failed, interrupted often\n", held;
    untouched_frame: Dynamic, status 0, "0 pages of the frame are there\n", held;
    userfault: Dynamic, status 0, "registered and closed\n", held;
    vfork_exec: Dynamic, status 0, "20 children\n", |report| held_in(report, 21, 21);
}

fn held(report: &Report) {
    report.assert_held();
}

/// Held, with so many processes and threads.
fn held_in(report: &Report, processes: u64, threads: u64) {
    report.assert_held();
    report.assert_processes(processes);
    assert_eq!(report.number("/run/threads"), threads);
}

/// The same for threads that make calls at the same time.
fn raced_in(report: &Report, processes: u64, threads: u64) {
    report.assert_held_but_for_races();
    report.assert_processes(processes);
    assert_eq!(report.number("/run/threads"), threads);
}

/// Held, with at least so many bytes of a kind.
fn held_with(report: &Report, kind: &str, bytes: u64) {
    report.assert_held();
    let size = report.kind_size(kind);
    assert!(size >= bytes, "{kind} has {size} bytes");
}

/// Each of the 10,000 rounds has its two calls.
fn looped(report: &Report) {
    report.assert_held();
    assert!(report.calls("mmap") >= 10_000 && report.calls("munmap") >= 10_000, "{:#}", report.at("/run"));
}

/// 10,000 frames of more than 512 bytes: at least 5,120,000 bytes of stack are mapped, which no call asked for.
fn stack_growth_is_seen(report: &Report) {
    report.assert_held();
    let size = report.kind_size("main_stack");
    assert!(size > 5_120_000, "the stack has {size} bytes");
    let growths = report.list("/growths");
    let growth =
        growths.iter().find(|growth| growth["cause"].as_str().is_some_and(|cause| cause.contains("stack")));
    let bytes = growth.and_then(|growth| growth["bytes"].as_u64());
    assert!(bytes.is_some_and(|bytes| bytes > 4_900_000), "{growths:#?}");
}

#[test]
fn a_32_bit_program_runs_as_ever_and_is_counted_as_unmodelled() {
    let Some(program) = guest("hello32", Build::ThirtyTwo) else { return };
    for user in users() {
        let scratch = Scratch::new("hello32");
        let run = Run::new(&scratch, [&program]).user(*user);
        // A kernel without 32-bit programs answers with ENOEXEC.
        if run.alone().shell_status() != 3 {
            println!("SKIPPED: 32-bit programs, this kernel does not run them");
            return;
        }
        let (ran, report) = run.same_recorded();
        assert_eq!(ran.stdout, "thirty-two\n");
        report.assert_consistent();
        // mmap2, mprotect, munmap.
        assert_eq!(report.number("/proof/calls_unmodelled"), 3, "{:#}", report.at("/proof"));
        assert_eq!(report.at("/proof/whole"), false);
    }
}

#[test]
fn what_a_filter_of_the_programs_own_answers_is_not_called_known() {
    let Some(program) = guest("own_filter", Build::Dynamic) else { return };
    for user in users() {
        let scratch = Scratch::new("own-filter");
        let (ran, report) = Run::new(&scratch, [&program]).user(*user).same_recorded();
        assert_eq!(ran.stdout, "-1 EPERM\n");
        report.assert_consistent();
        assert!(report.number("/proof/calls_unmodelled") > 0, "{:#}", report.at("/proof"));
        assert_eq!(report.at("/proof/mappings_matched"), report.at("/proof/mappings"));
    }
}

#[test]
fn what_may_not_be_looked_into_runs_as_ever_and_is_not_called_known() {
    let Some(program) = guest("undumpable", Build::Dynamic) else { return };
    for user in users() {
        let scratch = Scratch::new("undumpable");
        let (ran, report) = Run::new(&scratch, [&program]).user(*user).same_recorded();
        assert_eq!(ran.stdout, "not dumpable\n");
        if *user == User::Same && is_root() {
            report.assert_held();
            continue;
        }
        report.assert_consistent();
        assert_eq!(report.at("/proof/whole"), false);
        let notes = report.list("/notes");
        assert!(notes.iter().any(|note| note["kind"] == "lost"), "{notes:#?}");
    }
}

#[test]
fn the_rings_of_io_uring_are_mapped_and_held() {
    let Some(program) = guest("io_uring", Build::Dynamic) else { return };
    for user in users() {
        let scratch = Scratch::new("io-uring");
        let run = Run::new(&scratch, [&program]).user(*user);
        // A kernel without it, or one on which it is forbidden.
        if run.alone().shell_status() == 3 {
            println!("SKIPPED: io_uring, {}", run.alone().stdout.trim());
            return;
        }
        let (ran, report) = run.same_recorded();
        assert_eq!(ran.stdout, "completed 42\n");
        report.assert_held();
        assert!(report.kind_size("device") >= 4096, "the ring that stays: {:#}", report.at("/memory"));
    }
}

#[test]
fn limits_are_those_of_a_process_and_the_personality_is_that_of_a_thread() {
    const PRINTED: &str = "\
limit a child: done\n\
its parent: done\n\
a child that was limited: ENOMEM\n\
a child of it: ENOMEM\n\
limit the parent: done\n\
a parent that was limited: ENOMEM\n\
take the limit off: done\n\
after that: done\n\
a borrower that limits itself: ENOMEM\n\
its maker: done\n\
executed: ENOMEM\n\
a maker whose child has executed: done\n\
a process that is gone: ESRCH\n\
a process of no number: ESRCH\n\
a limit above itself: EINVAL\n\
an unreadable limit: EFAULT\n\
one of nobody: EFAULT\n\
another user's process: EPERM\n\
an unwritable old limit: EFAULT\n\
which is set all the same: ENOMEM\n\
a read-only old limit: EFAULT\n\
after that: done\n\
limit the process by a thread: done\n\
a thread of it: ENOMEM\n\
the first thread: ENOMEM\n\
a thread that has set it: 0x400000\n\
a thread that it made: 0x400000\n\
the first thread: 0\n\
a borrower: 0x400000\n\
its maker: 0\n\
";
    same("whose_limits", Build::Dynamic, 0, PRINTED, |report| held_in(report, 9, 14));
}

#[test]
fn a_limit_that_is_set_from_outside_is_known_from_the_next_checkpoint_on() {
    let Some(program) = guest("limited", Build::Dynamic) else { return };
    for user in users() {
        let scratch = Scratch::new("limited");
        let run = Run::new(&scratch, [&program]).user(*user);
        let mut front = run.start_recorded();
        until("the program", || scratch.path("ready").exists().then_some(()));
        let tracer = until("the tracer", || tracer_of(front.id()));
        let child = children(front.id()).into_iter().find(|child| *child != tracer).expect("it runs");
        let words = ["prlimit", "--as=268435456", "--pid", &child.to_string()];
        let set = Run::new(&scratch, words).user(*user).alone();
        assert!(set.status.success(), "{}", set.stderr);
        // What is not in the file yet may be of before.
        let checkpoints = || Report::open(&run.recording()).number("/proof/checkpoints");
        let before = checkpoints();
        until("checkpoints", || (checkpoints() > before + 2).then_some(()));
        fs::write(scratch.path("go"), "").expect("our own folder");
        let status = wait(&mut front, Duration::from_secs(60), "the program under its new limit");
        assert_eq!((status.code(), scratch.read("recorded.stdout").as_str()), (Some(0), "ENOMEM\n"));
        Report::open(&run.recording()).assert_held();
    }
}

/// Where faults tell reads from writes, a read of the huge page of zeroes is told from one of small zeroes: the one
/// sets an anon_vma, the other does not.
#[test]
fn what_was_only_read_is_not_taken_for_written() {
    let Some(program) = guest("huge_zeroes", Build::Dynamic) else { return };
    if !is_root() || sys::perf::FaultTracepoints::find().is_err() {
        println!("SKIPPED: reads told from writes, the tracepoints of faults can't be opened");
        return;
    }
    let scratch = Scratch::new("huge-zeroes");
    let (_, report) = Run::new(&scratch, [program]).same_recorded();
    report.assert_held();
}
