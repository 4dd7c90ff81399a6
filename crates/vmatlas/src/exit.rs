//! The exit statuses, each in one place.

use std::fmt;
use std::process::ExitCode;

/// Something failed.
pub(crate) const FAILED: u8 = 1;

/// A process that was asked for is not there.
pub(crate) const NO_PROCESS: u8 = 42;

/// An error that has an exit status of its own.
#[derive(Debug)]
pub(crate) struct WithStatus {
    /// The status.
    pub(crate) status: u8,
    /// What went wrong, in one line.
    pub(crate) message: String,
}

impl fmt::Display for WithStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for WithStatus {}

/// The exit status of an error.
pub(crate) fn code_of(error: &anyhow::Error) -> ExitCode {
    ExitCode::from(error.downcast_ref::<WithStatus>().map_or(FAILED, |error| error.status))
}

/// Tells whether an error only says that the reader of our output has gone: `vmatlas report F | head`.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
