//! The lines of earlier sessions: `lab_history` in the user's folder for state. Without it the prompt works as well.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;

/// So many lines are kept,
const LINES_KEPT: usize = 1000;
/// and no more bytes than these are read.
const BYTES_MAX: u64 = 4 << 20;

/// The file, if there can be one.
pub(super) struct Past {
    path: Option<PathBuf>,
}

impl Past {
    /// Finds the file: `$XDG_STATE_HOME/vmatlas`, else `~/.local/state/vmatlas`. The folder is the user's alone.
    pub(super) fn find() -> Self {
        let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
        let folder = state.map(|state| state.join("vmatlas"));
        let made = folder.filter(|folder| {
            folder.is_dir() || DirBuilder::new().recursive(true).mode(0o700).create(folder).is_ok()
        });
        Self { path: made.map(|folder| folder.join("lab_history")) }
    }

    /// Reads the last lines; a file that has grown long is cut to them.
    pub(super) fn lines(&self) -> Vec<String> {
        let Some(path) = self.path.as_ref().filter(|path| path.is_file()) else { return Vec::new() };
        let mut bytes = Vec::new();
        let read = File::open(path).and_then(|file| file.take(BYTES_MAX).read_to_end(&mut bytes));
        if read.is_err() {
            return Vec::new();
        }
        let text = String::from_utf8_lossy(&bytes);
        let all: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let last = &all[all.len().saturating_sub(LINES_KEPT)..];
        if all.len() > 2 * LINES_KEPT {
            let _kept_long = self.write(last, OpenOptions::new().write(true).truncate(true));
        }
        last.iter().map(|line| (*line).to_owned()).collect()
    }

    /// Adds a line; where that is refused it is remembered by this session only.
    pub(super) fn add(&self, line: &str) {
        let _this_session_only = self.write(&[line], OpenOptions::new().append(true));
    }

    fn write(&self, lines: &[&str], how: &mut OpenOptions) -> std::io::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        // Never anything but a file of the user's: a pipe in its place would wait for a reader.
        if fs::symlink_metadata(path).is_ok_and(|facts| !facts.is_file()) {
            return Ok(());
        }
        let mut file = how.create(true).mode(0o600).open(path)?;
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        file.write_all(text.as_bytes())
    }
}
