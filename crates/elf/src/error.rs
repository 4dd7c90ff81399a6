//! Why a file is not read as ELF.

use std::fmt;

/// A file that is no ELF file, or a damaged one.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ElfError {
    /// The file does not begin with the ELF mark.
    NotElf,
    /// The file's header or program headers are cut off or contradict themselves.
    Damaged {
        /// What is wrong.
        what: String,
    },
}

impl fmt::Display for ElfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotElf => f.write_str("not an ELF file"),
            Self::Damaged { what } => write!(f, "damaged ELF file: {what}"),
        }
    }
}

impl std::error::Error for ElfError {}
