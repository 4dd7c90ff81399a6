//! Why an object can't be used.

use std::fmt;
use std::io;

/// Why an executable, a library or a file of debugging information can't be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum ObjectError {
    /// It can't be read.
    Io(io::Error),
    /// It is no 64-bit x86 ELF file.
    NotElf64,
    /// Its header or tables are damaged.
    Damaged {
        /// What was found wrong.
        what: String,
    },
}

impl fmt::Display for ObjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "it can't be read: {error}"),
            Self::NotElf64 => f.write_str("it is no 64-bit x86 ELF file"),
            Self::Damaged { what } => write!(f, "a damaged ELF file: {what}"),
        }
    }
}

impl std::error::Error for ObjectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::NotElf64 | Self::Damaged { .. } => None,
        }
    }
}

impl From<io::Error> for ObjectError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
