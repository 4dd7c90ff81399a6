//! The exit statuses, each in one place.

use std::fmt;
use std::process::ExitCode;

/// Something failed.
pub(crate) const FAILED: u8 = 1;

/// The twin and the kernel differ.
pub(crate) const DIVERGED: u8 = 3;

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

/// The one line that an error is told in: each cause once, outermost first.
pub(crate) fn line_of(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain().map(ToString::to_string) {
        // Some errors already say what their cause says.
        if !line.ends_with(&cause) {
            line.push_str(if line.is_empty() { "" } else { ": " });
            line.push_str(&cause);
        }
    }
    line.replace('\n', " ")
}

/// Tells whether an error only says that the reader of our output has gone: `vmatlas report F | head`.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn each_cause_is_told_once() {
        let io = || std::io::Error::other("no luck");
        let said = anyhow::Error::from(io()).context("reading: no luck").context("a.vmatlas");
        assert_eq!(line_of(&said), "a.vmatlas: reading: no luck");
        let plain = Err::<(), _>(io()).context("a.vmatlas").unwrap_err();
        assert_eq!(line_of(&plain), "a.vmatlas: no luck");
    }

    #[test]
    fn a_reader_that_has_gone_is_no_failure() {
        let gone = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        assert!(is_broken_pipe(&anyhow::Error::from(gone).context("printing")));
        assert!(!is_broken_pipe(&anyhow::anyhow!("no luck")));
    }
}
