//! For tests: a process that stands still.

use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use abi::Pid;

/// `sleep`, in its wait; ended with this value.
pub(crate) struct Sleeper(pub(crate) Child);

impl Sleeper {
    /// Starts one that may leave a core in `folder`, and waits until it waits.
    pub(crate) fn start_in(folder: &Path) -> Self {
        let script = "ulimit -c unlimited; exec sleep 600";
        let child = Command::new("sh").args(["-c", script]).current_dir(folder).spawn().expect("sh");
        let sleeper = Self(child);
        let read = |file: &str| {
            std::fs::read_to_string(format!("/proc/{}/{file}", sleeper.pid())).unwrap_or_default()
        };
        // Numbers of nanosleep and clock_nanosleep.
        let waits = || ["35 ", "230 "].iter().any(|call| read("syscall").starts_with(call));
        let begin = Instant::now();
        while !(read("comm") == "sleep\n" && waits()) {
            assert!(begin.elapsed() < Duration::from_secs(60), "sleep never came to its wait");
            std::thread::sleep(Duration::from_millis(2));
        }
        sleeper
    }

    /// Starts one.
    pub(crate) fn start() -> Self {
        Self::start_in(Path::new("/"))
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid(self.0.id() as i32)
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
