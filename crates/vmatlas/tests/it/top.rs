//! `vmatlas top`, driven in a real terminal.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::run::{Run, has, until, vmatlas};
use crate::scratch::Scratch;

/// A terminal of this test's own; ends with it.
struct Terminal<'a> {
    socket: String,
    scratch: &'a Scratch,
}

impl<'a> Terminal<'a> {
    fn start(scratch: &'a Scratch, columns: u32, rows: u32, command: &str) -> Self {
        let socket = scratch.path("tmux").display().to_string();
        let terminal = Self { socket, scratch };
        let (columns, rows) = (columns.to_string(), rows.to_string());
        terminal.tmux(&["-u", "new-session", "-d", "-x", &columns, "-y", &rows, command]);
        terminal
    }

    fn tmux(&self, words: &[&str]) -> String {
        let mut command = Command::new("tmux");
        command.args(["-S", &self.socket, "-f", "/dev/null"]).args(words).current_dir(self.scratch.folder());
        let output = command.env("LC_ALL", "C.UTF-8").stdin(Stdio::null()).output().expect("tmux was found");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn press(&self, key: &str) {
        self.tmux(&["send-keys", key]);
    }

    fn shows(&self, text: &str) -> String {
        until(text, || {
            let screen = self.tmux(&["capture-pane", "-p"]);
            screen.contains(text).then_some(screen)
        })
    }

    fn hides(&self, text: &str) {
        until(text, || (!self.tmux(&["capture-pane", "-p"]).contains(text)).then_some(()));
    }
}

impl Drop for Terminal<'_> {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

#[test]
fn a_process_is_watched_in_a_terminal() {
    if !has("tmux") || !has("python3") {
        return;
    }
    let scratch = Scratch::new("top");
    // Small pieces come from the heap, which grows at its end.
    let grow = "import time\na = []\nfor i in range(600):\n    a.extend(b'x' * 5000 + bytes([i % 256]) for _ in range(100))\n    time.sleep(0.1)\n";
    let mut child = Command::new("python3").args(["-c", grow]).stdin(Stdio::null()).spawn().expect("python3");
    // A shim may stand before the interpreter, and execute it in its place.
    until("the interpreter", || {
        let exe = std::fs::read_link(format!("/proc/{}/exe", child.id())).ok()?;
        exe.file_name()?.to_str()?.starts_with("python").then_some(())
    });
    let command = format!("{} top --interval 0.2 {}", vmatlas().display(), child.id());
    let terminal = Terminal::start(&scratch, 80, 24, &command);
    let screen = terminal.shows("other anonymous");
    assert!(screen.contains("live") && screen.contains("heap") && screen.contains("main stack"), "{screen}");
    assert!(screen.lines().all(|line| line.chars().count() <= 80), "{screen}");
    terminal.press("2");
    terminal.shows("START");
    terminal.press("4");
    terminal.shows("grew");
    terminal.press("3");
    terminal.shows("DEEPEST");
    terminal.press("Left");
    terminal.press("Left");
    terminal.shows("samples ago");
    terminal.press("w");
    terminal.shows("saved: vmatlas.");
    terminal.press("?");
    terminal.shows("keys");
    terminal.press("Escape");
    // A key that follows at once would be taken for one pressed together with Alt.
    terminal.hides(" keys ");
    let _ = child.kill();
    let _ = child.wait();
    terminal.press("g");
    terminal.shows("the process has ended");
    terminal.press("q");
    let saved = std::fs::read_dir(scratch.folder()).expect("our own folder");
    let saved = saved.filter_map(Result::ok).map(|entry| entry.path());
    let saved =
        saved.into_iter().find(|path| path.to_string_lossy().ends_with(".map.json")).expect("was saved");
    let text = std::fs::read_to_string(saved).expect("it is there");
    let map: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(map["schema"], "vmatlas.map/1");
}

#[test]
fn a_terminal_without_colour_and_utf_8() {
    if !has("tmux") {
        return;
    }
    let own = std::process::id();
    let command = format!("env LC_ALL=C NO_COLOR=1 {} top --interval 0.2 {own}", vmatlas().display());
    for (columns, rows) in [(80, 24), (200, 50), (40, 10)] {
        // Each has a server of its own: one that ends would take the next one's session with it.
        let scratch = Scratch::new(&format!("top-plain-{columns}"));
        let terminal = Terminal::start(&scratch, columns, rows, &command);
        let screen = terminal.shows("rss ");
        assert!(screen.is_ascii() && screen.contains("text"), "{screen}");
        terminal.press("2");
        terminal.shows("START");
        // The screen with its escape sequences: reversed and bold there may be, colours not.
        let coloured = terminal.tmux(&["capture-pane", "-p", "-e"]);
        for colour in ["\u{1b}[3", "\u{1b}[4", "\u{1b}[9"] {
            assert!(
                !coloured.replace("\u{1b}[39m", "").replace("\u{1b}[49m", "").contains(colour),
                "{coloured:?}"
            );
        }
        terminal.press("q");
    }
}

#[test]
fn without_a_terminal_it_says_so() {
    let scratch = Scratch::new("top-none");
    let own = std::process::id().to_string();
    let ran = Run::new(&scratch, [vmatlas(), Path::new("top"), Path::new(&own)]).alone();
    assert_eq!(ran.shell_status(), 1);
    assert!(ran.stderr.contains("needs a terminal"), "{}", ran.stderr);
}
