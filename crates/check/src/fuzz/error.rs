//! Why the fuzzer cannot go on. A divergence is no error.

use std::fmt;
use std::io;

use live::LiveError;
use sys::OsError;

/// Why the fuzzer cannot go on.
#[derive(Debug)]
pub enum FuzzError {
    /// The child process could not be used.
    Live(LiveError),
    /// A file could not be used.
    Io(&'static str, io::Error),
    /// The system refused something needed.
    Os(OsError),
    /// Something is not as it must be to begin.
    Setup(String),
}

impl fmt::Display for FuzzError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Live(error) => error.fmt(f),
            Self::Io(what, error) => write!(f, "{what}: {error}"),
            Self::Os(error) => error.fmt(f),
            Self::Setup(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for FuzzError {}

impl From<LiveError> for FuzzError {
    fn from(error: LiveError) -> Self {
        Self::Live(error)
    }
}

impl From<OsError> for FuzzError {
    fn from(error: OsError) -> Self {
        Self::Os(error)
    }
}

impl From<proc_text::TextError> for FuzzError {
    fn from(error: proc_text::TextError) -> Self {
        Self::Setup(format!("the kernel's text is not understood: {error}"))
    }
}
