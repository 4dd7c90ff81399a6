//! Running a command, alone or under `vmatlas record`, as root or as an ordinary user, with a time limit.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::recording::Report;
use crate::scratch::{Scratch, shared_folder};

/// Whoever runs the command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum User {
    /// The user who runs the tests.
    Same,
    /// Nobody in particular, if the tests run as root.
    Ordinary,
}

impl User {
    /// The words before a command that make it run as this user.
    pub(crate) fn prefix(self) -> &'static [&'static str] {
        match self {
            // The privilege to pass any folder goes with the first exec: after that of env none is left.
            Self::Ordinary if is_root() => {
                &["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env"]
            }
            Self::Ordinary | Self::Same => &[],
        }
    }
}

/// Both users, or the one there is.
pub(crate) fn users() -> &'static [User] {
    if is_root() {
        return &[User::Same, User::Ordinary];
    }
    println!("SKIPPED: the part as root, these tests run as an ordinary user");
    &[User::Same]
}

/// Whether the tests run as root.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// How a command ended and what it printed.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// The status as a shell shows it.
    pub(crate) fn shell_status(&self) -> i32 {
        self.status.code().or(self.status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
    }
}

/// A command, and the folder in which it runs and leaves its output.
pub(crate) struct Run<'a> {
    scratch: &'a Scratch,
    words: Vec<OsString>,
    user: User,
    input: Vec<u8>,
    flags: Vec<OsString>,
    limit: Duration,
}

impl<'a> Run<'a> {
    /// A command to run in the folder.
    pub(crate) fn new<S: AsRef<OsStr>>(scratch: &'a Scratch, words: impl IntoIterator<Item = S>) -> Self {
        let words = words.into_iter().map(|word| word.as_ref().to_os_string()).collect();
        let flags = vec!["-q".into()];
        let limit = Duration::from_secs(120);
        Self { scratch, words, user: User::Same, input: Vec::new(), flags, limit }
    }

    /// Runs it as this user.
    pub(crate) fn user(mut self, user: User) -> Self {
        self.user = user;
        self
    }

    /// Gives it this standard input.
    pub(crate) fn input(mut self, input: &[u8]) -> Self {
        self.input = input.to_vec();
        self
    }

    /// Calls `record` with these flags instead of `-q`.
    pub(crate) fn flags(mut self, flags: &[&str]) -> Self {
        self.flags = flags.iter().map(OsString::from).collect();
        self
    }

    /// Gives it so much time.
    pub(crate) fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs the command alone.
    pub(crate) fn alone(&self) -> Ran {
        self.finish(self.words.clone(), "alone")
    }

    /// Starts the command alone and does not wait.
    pub(crate) fn start_alone(&self, stdin: Stdio) -> Child {
        self.start(self.words.clone(), "alone", stdin)
    }

    /// Runs the command under `vmatlas record`; the recording is at [`Run::recording`].
    pub(crate) fn recorded(&self) -> Ran {
        self.finish(self.record_words(), "recorded")
    }

    /// Starts the command under `vmatlas record` and does not wait.
    pub(crate) fn start_recorded(&self) -> Child {
        self.start(self.record_words(), "recorded", Stdio::null())
    }

    /// Where the recording goes.
    pub(crate) fn recording(&self) -> PathBuf {
        self.scratch.path("recording.vmatlas")
    }

    /// Runs the command alone and recorded, demands the same status and the same output on both streams, and opens
    /// the recording.
    pub(crate) fn same_recorded(&self) -> (Ran, Report) {
        let alone = self.alone();
        let mut recorded = self.recorded();
        // On a machine that lets the tracer wait, the kernel drops events and the recording says so: that run shows
        // nothing of the twin.
        for _ in 0..5 {
            if !self.recording().exists() || !Report::open(&self.recording()).differs_for_losses() {
                break;
            }
            recorded = self.recorded();
        }
        let what = format!("{:?} as {:?}: {}", self.words, self.user, recorded.stderr);
        assert_eq!(recorded.status, alone.status, "the status of {what}");
        assert_eq!(recorded.stdout, alone.stdout, "the output of {what}");
        assert_eq!(recorded.stderr, alone.stderr, "the errors of {what}");
        (recorded, Report::open(&self.recording()))
    }

    fn record_words(&self) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec![vmatlas().into(), "record".into(), "--force".into(), "-o".into()];
        words.push(self.recording().into());
        words.extend(self.flags.iter().cloned());
        words.push("--".into());
        words.extend(self.words.iter().cloned());
        words
    }

    fn start(&self, mut words: Vec<OsString>, name: &str, stdin: Stdio) -> Child {
        words.splice(0..0, self.user.prefix().iter().map(OsString::from));
        let file =
            |end: &str| File::create(self.scratch.path(&format!("{name}.{end}"))).expect("our own folder");
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).current_dir(self.scratch.folder());
        command.stdout(file("stdout")).stderr(file("stderr")).stdin(stdin);
        command.spawn().unwrap_or_else(|error| panic!("starting {words:?}: {error}"))
    }

    fn finish(&self, words: Vec<OsString>, name: &str) -> Ran {
        let what = format!("{words:?}");
        let mut child = self.start(words, name, Stdio::piped());
        let mut stdin = child.stdin.take().expect("its input is a pipe");
        let input = self.input.clone();
        // A program may end before it has read everything.
        std::thread::spawn(move || stdin.write_all(&input));
        let status = wait(&mut child, self.limit, &what);
        let read = |end: &str| {
            let bytes = fs::read(self.scratch.path(&format!("{name}.{end}"))).expect("it was made by start");
            String::from_utf8_lossy(&bytes).into_owned()
        };
        Ran { status, stdout: read("stdout"), stderr: read("stderr") }
    }
}

/// Waits for a child of ours; kills it and fails if it takes too long.
pub(crate) fn wait(child: &mut Child, limit: Duration, what: &str) -> ExitStatus {
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("it is our child") {
            return status;
        }
        if begin.elapsed() > limit {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{what} did not end within {limit:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until something is there, and fails if that takes too long.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "waited too long: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Returns the binary under test, in a place where ordinary users may run it.
pub(crate) fn vmatlas() -> &'static Path {
    static COPY: OnceLock<PathBuf> = OnceLock::new();
    COPY.get_or_init(|| {
        let mine = shared_folder().join(format!("vmatlas-{}", std::process::id()));
        fs::copy(env!("CARGO_BIN_EXE_vmatlas"), &mine).expect("copying the binary");
        // Tests that run at the same time see the old or the new one, never half of it.
        let copy = shared_folder().join("vmatlas");
        fs::rename(&mine, &copy).expect("our own folder");
        copy
    })
}

/// Whether the long tests are wanted (`VMATLAS_TESTS=full`).
pub(crate) fn is_full() -> bool {
    std::env::var_os("VMATLAS_TESTS").is_some_and(|value| value == "full")
}

/// Whether a program can be found; prints that the test is skipped where it can't.
pub(crate) fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    if !found {
        println!("SKIPPED: what needs {program}, it is not installed");
    }
    found
}
