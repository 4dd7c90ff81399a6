//! Why the lab cannot go on. What calls answer is never an error.

use std::fmt;
use std::io;

use check::fuzz::FuzzError;
use live::LiveError;
use sys::OsError;

/// Why the lab cannot go on.
#[derive(Debug)]
#[non_exhaustive]
pub enum LabError {
    /// The child process could not be used, or ended.
    Live(LiveError),
    /// The child is not there any longer.
    Gone,
    /// A file could not be used.
    Io(&'static str, io::Error),
    /// The system refused something needed.
    Os(OsError),
    /// Something is not as it must be.
    Setup(String),
}

impl LabError {
    /// Tells whether it says that the child ended.
    pub fn is_death(&self) -> bool {
        matches!(self, Self::Gone | Self::Live(LiveError::Died { .. } | LiveError::Hung))
    }
}

impl fmt::Display for LabError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Live(error) => error.fmt(f),
            Self::Gone => f.write_str("the child process is gone: something ended it"),
            Self::Io(what, error) => write!(f, "{what}: {error}"),
            Self::Os(error) => error.fmt(f),
            Self::Setup(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for LabError {}

impl From<LiveError> for LabError {
    fn from(error: LiveError) -> Self {
        Self::Live(error)
    }
}

impl From<OsError> for LabError {
    fn from(error: OsError) -> Self {
        Self::Os(error)
    }
}

impl From<FuzzError> for LabError {
    fn from(error: FuzzError) -> Self {
        match error {
            FuzzError::Live(error) => Self::Live(error),
            FuzzError::Io(what, error) => Self::Io(what, error),
            FuzzError::Os(error) => Self::Os(error),
            other => Self::Setup(other.to_string()),
        }
    }
}

impl From<proc_text::TextError> for LabError {
    fn from(error: proc_text::TextError) -> Self {
        Self::Setup(format!("the kernel's text is not understood: {error}"))
    }
}
