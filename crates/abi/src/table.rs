//! The shape of the table of memory system calls; its rows stand with [`Call`](crate::Call).

pub use crate::call::ROWS;

/// One memory system call.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The C name.
    pub name: &'static str,
    /// Its number on x86-64.
    pub x86_64: u32,
    /// Its number for 32-bit programs (i386), where it has one.
    pub i386: Option<u32>,
    /// When it concerns memory.
    pub when: When,
    /// The names of its arguments, in order.
    pub args: &'static [&'static str],
}

/// Which uses of a system call concern memory. The seccomp filter tests the same condition.
#[derive(Clone, Copy, Debug)]
pub enum When {
    /// Every use.
    Always,
    /// Only where the low 32 bits of an argument are one of these values.
    In {
        /// The argument's position, from 0.
        arg: usize,
        /// The values.
        values: &'static [u32],
    },
    /// As `In`, and only where another argument is not null.
    InAndSet {
        /// The argument's position, from 0.
        arg: usize,
        /// The values.
        values: &'static [u32],
        /// The position of the pointer that must be set.
        set: usize,
    },
    /// Only where some bits of the low 32 of an argument have this value.
    Masked {
        /// The argument's position, from 0.
        arg: usize,
        /// The bits tested.
        mask: u32,
        /// Their value.
        value: u32,
    },
}

impl When {
    /// Tells whether a call with these arguments concerns memory.
    pub const fn holds(self, args: [u64; 6]) -> bool {
        match self {
            Self::Always => true,
            Self::In { arg, values } => is_one_of(args[arg] as u32, values),
            Self::InAndSet { arg, values, set } => is_one_of(args[arg] as u32, values) && args[set] != 0,
            Self::Masked { arg, mask, value } => args[arg] as u32 & mask == value,
        }
    }
}

const fn is_one_of(word: u32, values: &[u32]) -> bool {
    let mut at = 0;
    while at < values.len() {
        if values[at] == word {
            return true;
        }
        at += 1;
    }
    false
}
