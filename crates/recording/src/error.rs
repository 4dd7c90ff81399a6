//! What can go wrong with a recording file: what, where in the file, and what to do.

use std::fmt;
use std::io;

/// Why bytes are not what the format says. An offset is added where the block is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Malformed(pub(crate) &'static str);

/// Why a recording can't be read.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// The operating system refused.
    Io(io::Error),
    /// The file does not begin as a recording does.
    NotARecording,
    /// The file is of a newer format; a newer vmatlas reads it.
    NewerFormat {
        /// The file's major format version.
        file: u16,
        /// The highest one this library reads.
        supported: u16,
    },
    /// The file ends before its header is complete: the recorder ended before it had recorded anything.
    NoHeader,
    /// A block is damaged. What lies before it was read in full.
    Corrupt {
        /// Where the block begins, in bytes from the start of the file.
        offset: u64,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The header lacks a fact or holds one that is not understood.
    BadHeader {
        /// The fact's name.
        name: String,
    },
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "the recording can't be read: {error}"),
            Self::NotARecording => f.write_str("this is not a vmatlas recording (it begins differently)"),
            Self::NewerFormat { file, supported } => write!(
                f,
                "the recording has format {file}, this vmatlas reads up to {supported}: use a newer vmatlas"
            ),
            Self::NoHeader => {
                f.write_str("the recording ends before its header: nothing was recorded, record again")
            }
            Self::Corrupt { offset, why } => {
                write!(f, "the recording is damaged at byte {offset}: {why}; what lies before was read")
            }
            Self::BadHeader { name } => {
                write!(f, "the recording's header lacks \"{name}\" or holds nothing sensible for it")
            }
        }
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
