//! What a system call that failed says.

use std::fmt;
use std::io;

use abi::Errno;

/// A system call that failed: which, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OsError {
    /// The C name of the call, with what was asked of it where one call does many things.
    pub call: &'static str,
    /// The errno.
    pub errno: Errno,
}

/// The result of a system call.
pub type OsResult<T> = Result<T, OsError>;

impl OsError {
    /// Takes the errno that the last system call of this thread left.
    pub fn last(call: &'static str) -> Self {
        Self { call, errno: Errno(io::Error::last_os_error().raw_os_error().unwrap_or(0) as u16) }
    }
}

impl fmt::Display for OsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.call, io::Error::from_raw_os_error(self.errno.0.into()))
    }
}

impl std::error::Error for OsError {}

impl From<OsError> for io::Error {
    fn from(error: OsError) -> Self {
        Self::from_raw_os_error(error.errno.0.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_call_is_named() {
        let error = OsError { call: "ptrace(PTRACE_SEIZE)", errno: Errno(1) };
        assert_eq!(error.to_string(), "ptrace(PTRACE_SEIZE): Operation not permitted (os error 1)");
    }
}
