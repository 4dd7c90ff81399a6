//! One test for each behaviour: each guest does what its first line says, as root and as an ordinary user.

use crate::guest::{Build, guest};
use crate::run::{Run, users};
use crate::scratch::Scratch;

/// Runs a guest as every user and demands its status and output.
fn runs(name: &str, build: Build, status: i32, stdout: &str) {
    let Some(program) = guest(name, build) else { return };
    for user in users() {
        let scratch = Scratch::new(name);
        let ran = Run::new(&scratch, [&program]).user(*user).alone();
        assert_eq!(ran.shell_status(), status, "{name} as {user:?}: {}", ran.stderr);
        assert_eq!(ran.stdout, stdout, "{name} as {user:?}");
    }
}

macro_rules! guests {
    ($($name:ident: $build:ident, status $status:literal, $stdout:literal;)*) => {
        $(
            #[test]
            fn $name() {
                runs(stringify!($name), Build::$build, $status, $stdout);
            }
        )*
    };
}

guests! {
    alt_stack: Dynamic, status 0, "overflow caught\n";
    children200: Dynamic, status 0, "200 children, statuses add up to 19900\n";
    clone3_thread: Dynamic, status 0, "the thread is done\n";
    deleted_file: Dynamic, status 0, "7\n";
    exec_from_thread: Dynamic, status 0, "from a thread\n";
    exec_self: Dynamic, status 10, "the tenth\n";
    exit_group_busy: Dynamic, status 5, "";
    fork: Dynamic, status 0, "each page its own\n";
    grows_down: Dynamic, status 0, "grown by 99 pages\n";
    hello: Static, status 0, "hello\n";
    kill_self: Dynamic, status 137, "";
    leftover: Dynamic, status 3, "";
    memfd: Dynamic, status 0, "1 0\n";
    mmap_loop: Dynamic, status 0, "done\n";
    no_new_privs: Dynamic, status 0, "no new privileges\n";
    odd_names: Dynamic, status 0, "6 names\n";
    own_filter: Dynamic, status 0, "-1 EPERM\n";
    own_listener: Dynamic, status 0, "answered 42\n";
    recursion: Dynamic, status 0, "10000\n";
    set_user: Dynamic, status 0, "root: no\n";
    stop_cont: Dynamic, status 0, "10 stops, continued, status 7\n";
    sysv_shm: Dynamic, status 0, "42\n";
    threads64: Dynamic, status 0, "64 threads\n";
    userfault: Dynamic, status 0, "registered and closed\n";
    vfork_exec: Dynamic, status 0, "20 children\n";
}

#[test]
fn hello32() {
    let Some(program) = guest("hello32", Build::ThirtyTwo) else { return };
    let scratch = Scratch::new("hello32");
    let ran = Run::new(&scratch, [&program]).alone();
    // A kernel without 32-bit programs answers with ENOEXEC.
    if ran.shell_status() != 3 {
        println!("SKIPPED: 32-bit programs, this kernel does not run them");
        return;
    }
    assert_eq!(ran.stdout, "thirty-two\n");
}
