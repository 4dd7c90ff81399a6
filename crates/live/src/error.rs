//! Why the child process could not be used.

use std::fmt;

use abi::Errno;
use sys::OsError;

/// Why the child process could not be used. What its calls answer is never an error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LiveError {
    /// The system refused something that is needed.
    Os(OsError),
    /// The child was refused something that it needs.
    Child {
        /// What it asked for.
        what: &'static str,
        /// The answer.
        errno: Errno,
    },
    /// A process ended by itself: a signal took it (its number), or it exited.
    Died {
        /// The signal, 0 for none.
        signal: i32,
        /// The exit status.
        status: i32,
    },
    /// A process did not finish its steps in time.
    Hung,
    /// More steps, texts or processes at one time than there is room for.
    Full(&'static str),
    /// A text was longer than expected.
    TextTooLong,
}

impl fmt::Display for LiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Os(error) => error.fmt(f),
            Self::Child { what, errno } => write!(f, "the child process cannot {what}: {errno}"),
            Self::Died { signal: 0, status } => write!(f, "the child process exited with status {status}"),
            Self::Died { signal: 6, .. } => f.write_str("the child process ended itself by SIGABRT"),
            Self::Died { signal, .. } => write!(f, "the child process was ended by signal {signal}"),
            Self::Hung => f.write_str("the child process did not finish its steps in time"),
            Self::Full(what) => write!(f, "no room for more {what}"),
            Self::TextTooLong => f.write_str("the text of /proc was longer than expected"),
        }
    }
}

impl std::error::Error for LiveError {}

impl From<OsError> for LiveError {
    fn from(error: OsError) -> Self {
        Self::Os(error)
    }
}
