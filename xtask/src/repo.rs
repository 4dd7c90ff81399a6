//! Where the repository is, and which files are its own.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::shell::Command;

/// Returns the repository's root.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// Returns the paths, from the root, of all files that are tracked or would be added.
pub(crate) fn files() -> Result<Vec<PathBuf>> {
    let listed = Command::words("git ls-files --cached --others --exclude-standard -z").read()?;
    let mut files: Vec<PathBuf> = listed.split_terminator('\0').map(PathBuf::from).collect();
    files.retain(|file| root().join(file).is_file());
    files.sort();
    files.dedup();
    Ok(files)
}
