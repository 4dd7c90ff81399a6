//! A terminal of a test's own, with a program in it: what it prints is read, what a person would type is sent.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::killed::status_field;
use crate::run::{User, until, wait};
use crate::scratch::Scratch;

/// How long something may take to appear.
const PATIENCE: Duration = Duration::from_secs(60);

/// A terminal and the session in it.
pub(crate) struct Tty {
    child: Child,
    keyboard: File,
    screen: Arc<Mutex<Vec<u8>>>,
    /// Up to where what was printed has been looked at.
    seen: usize,
}

impl Tty {
    /// Opens a terminal and runs a command in it, as the leader of a session of its own.
    pub(crate) fn start(scratch: &Scratch, user: User, words: &[&str]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)
            .expect("a pseudo-terminal");
        grantpt(&master).expect("our own terminal");
        unlockpt(&master).expect("our own terminal");
        let name = ptsname(&master, Vec::new()).expect("our own terminal");
        let name = std::ffi::OsStr::from_bytes(name.as_bytes());
        let slave = || OpenOptions::new().read(true).write(true).open(name).expect("our own terminal");
        let mut all: Vec<OsString> = user.prefix().iter().map(OsString::from).collect();
        // Whoever runs the tests may have these ignored: a shell does so for what it runs in the background.
        all.extend(["env", "--default-signal=INT,QUIT"].map(OsString::from));
        all.extend(["setsid", "--ctty"].map(OsString::from));
        all.extend(words.iter().map(OsString::from));
        let mut command = Command::new(&all[0]);
        command.args(&all[1..]).current_dir(scratch.folder()).env("PS1", "ready> ").env("TERM", "dumb");
        let child = command.stdin(slave()).stdout(slave()).stderr(slave()).spawn().expect("setsid runs");
        let keyboard = File::from(master);
        let screen = Arc::new(Mutex::new(Vec::new()));
        let (mut from, to) = (keyboard.try_clone().expect("a descriptor"), Arc::clone(&screen));
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // EIO: nobody has the terminal any more.
            while let Ok(count @ 1..) = from.read(&mut buffer) {
                to.lock().expect("no reader panics").extend_from_slice(&buffer[..count]);
            }
        });
        Self { child, keyboard, screen, seen: 0 }
    }

    /// Opens a terminal with an interactive bash in it, without echo, and waits for its prompt.
    pub(crate) fn bash(scratch: &Scratch, user: User) -> Self {
        let mut tty = Self::start(scratch, user, &["bash", "--norc", "--noprofile", "--noediting", "-i"]);
        tty.wait_for("ready> ");
        tty.line("stty -echo; echo quiet:$?");
        tty.wait_for("quiet:0");
        tty.wait_for("ready> ");
        tty
    }

    /// Types these keys.
    pub(crate) fn keys(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("the terminal is open");
    }

    /// Types a line.
    pub(crate) fn line(&mut self, line: &str) {
        self.keys(&format!("{line}\n"));
    }

    /// Waits until this text is printed and returns what was printed before it.
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        let begin = Instant::now();
        loop {
            let all = self.all();
            if let Some(at) = all[self.seen..].find(text) {
                let before = all[self.seen..self.seen + at].to_string();
                self.seen += at + text.len();
                return before;
            }
            assert!(begin.elapsed() < PATIENCE, "no {text:?} in {:?}", &all[self.seen..]);
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Everything printed so far.
    pub(crate) fn all(&self) -> String {
        let bytes = self.screen.lock().expect("the reader does not panic").clone();
        // A character cut in two would move what follows; tests print ASCII and the report is looked at by words.
        bytes.iter().map(|byte| if byte.is_ascii() { char::from(*byte) } else { '?' }).collect()
    }

    /// Waits until another job than the session's leader has the keyboard and runs.
    pub(crate) fn wait_for_job(&self) {
        until("a job in the foreground", || {
            let job = rustix::termios::tcgetpgrp(&self.keyboard).ok()?.as_raw_nonzero().get();
            let job = u32::try_from(job).ok().filter(|job| *job != self.leader())?;
            // One that is stopped still would forget keys that stop it when it is continued.
            status_field(job, "State").filter(|state| !state.starts_with('T'))
        });
    }

    /// The id of the session's leader.
    pub(crate) fn leader(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the end of the session's leader.
    pub(crate) fn end(mut self) -> std::process::ExitStatus {
        wait(&mut self.child, PATIENCE, "the leader of the terminal's session")
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
