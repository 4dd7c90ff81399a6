//! Why a file is not read as ELF.

use std::fmt;

/// A file that is no ELF file, or a damaged one.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ElfError {
    /// The file does not begin with the ELF mark.
    NotElf,
    /// The file is ELF, but no core file.
    NotCore,
    /// The core file is of a machine that is not known here.
    OtherMachine {
        /// `e_machine`.
        machine: u16,
    },
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
            Self::NotCore => f.write_str("an ELF file, but not a core file"),
            Self::OtherMachine { machine } => {
                write!(f, "a core file of another machine (type {machine}): only those of x86-64 are read")
            }
            Self::Damaged { what } => write!(f, "damaged ELF file: {what}"),
        }
    }
}

impl std::error::Error for ElfError {}
