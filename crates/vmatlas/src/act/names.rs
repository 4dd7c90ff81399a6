//! The names of a recording's frames: as it has them, with source files and lines where this machine can tell them.

use std::path::Path;

use anyhow::Context;
use capture::stacks::with_lines;
use recording::{Appender, ReadError, Reader, Symbols};

/// Reads the names. What is found beyond those in the recording is added to it, if it may be written to.
pub(crate) fn read(path: &Path) -> anyhow::Result<Option<Symbols>> {
    let shown = || path.display().to_string();
    let recorded = Reader::open(path).with_context(shown)?.symbols().with_context(shown)?;
    let Some(more) = recorded.as_ref().and_then(with_lines) else { return Ok(recorded) };
    // One that may not be written to, or that another process adds to at this moment, is read as it is.
    let _ = keep(path, &more);
    Ok(Some(more))
}

fn keep(path: &Path, symbols: &Symbols) -> Result<(), ReadError> {
    let mut appender = Appender::open(path)?;
    appender.push_symbols(symbols)?;
    Ok(appender.finish()?)
}
