//! What the twin does for each call and flag, as data. `COMPAT.md` is printed from it.
//!
//! A cell says for which calls it speaks, so a test can ask whether what it says was ever tried.

mod advice;
mod besides;
mod change;
mod map;
mod pages;
mod settings;

use abi::Call;

pub use self::besides::MAP_RULES;
pub use self::pages::{PAGE_RULES, PageRule};

/// How true the twin is in one cell.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum State {
    /// Exact, and held against the running kernel by the fuzzer or by a test on both.
    Verified,
    /// Exact as far as reading the kernel's source can tell.
    Reading,
    /// The kernel of this profile refuses it, and so does the twin; held against the running kernel.
    Refused,
    /// The answer is an input: it depends on what the map does not hold. The checks before it are exact.
    Input,
    /// The twin has no rules for it.
    NotModelled,
}

impl State {
    /// Every state, the best first.
    pub const ALL: [Self; 5] = [Self::Verified, Self::Reading, Self::Refused, Self::Input, Self::NotModelled];

    /// Returns the word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Verified => "exact and verified",
            Self::Reading => "exact by reading",
            Self::Refused => "refused",
            Self::Input => "an input",
            Self::NotModelled => "not modelled",
        }
    }
}

/// One call with one flag, or whatever else makes a difference.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    /// The call's C name.
    pub call: &'static str,
    /// The flag, or the case in words.
    pub case: &'static str,
    /// How true the twin is.
    pub state: State,
    /// What more there is to say.
    pub note: &'static str,
    holds: fn(Call) -> bool,
}

impl Cell {
    /// Tells whether the cell speaks for a call.
    pub fn holds(&self, call: Call) -> bool {
        (self.holds)(call)
    }
}

/// Returns every cell, those of one call together.
pub fn cells() -> impl Iterator<Item = &'static Cell> {
    [map::CELLS, change::CELLS, advice::CELLS, settings::CELLS].into_iter().flatten()
}

/// Makes a table of cells: `"call" { "case" State "note": pattern if guard, }`.
macro_rules! table {
    ($( $call:literal { $( $case:literal $state:ident $note:literal : $pattern:pat $(if $guard:expr)? , )* } )*) => {
        pub(super) const CELLS: &[Cell] = &[ $( $(
            Cell {
                call: $call,
                case: $case,
                state: State::$state,
                note: $note,
                holds: |call| matches!(call, $pattern $(if $guard)?),
            },
        )* )* ];
    };
}
use table;

#[cfg(test)]
mod tests {
    use abi::{Advice, MapFlags, MlockallFlags, MsyncFlags, RemapFlags, ShmFlags};

    use super::*;

    fn has(call: &str, case: &str) -> bool {
        cells().any(|cell| cell.call == call && cell.case == case)
    }

    #[test]
    fn every_call_has_a_cell() {
        for row in abi::table::ROWS {
            assert!(cells().any(|cell| cell.call == row.name), "{}", row.name);
        }
    }

    #[test]
    fn every_cell_is_of_a_call_and_stands_once() {
        for cell in cells() {
            assert!(abi::table::ROWS.iter().any(|row| row.name == cell.call), "{}", cell.call);
            let same = cells().filter(|other| other.call == cell.call && other.case == cell.case);
            assert_eq!(same.count(), 1, "{} {}", cell.call, cell.case);
        }
    }

    #[test]
    fn every_flag_has_a_cell() {
        for (_, name) in MapFlags::NAMED {
            assert!(has("mmap", name), "{name}");
        }
        for (_, name) in RemapFlags::NAMED {
            assert!(has("mremap", name), "{name}");
        }
        for (_, name) in Advice::NAMED {
            assert!(has("madvise", name), "{name}");
        }
        for (_, name) in MsyncFlags::NAMED {
            assert!(has("msync", name), "{name}");
        }
        for (_, name) in MlockallFlags::NAMED {
            assert!(has("mlockall", name), "{name}");
        }
        for (_, name) in ShmFlags::NAMED {
            assert!(has("shmat", name), "{name}");
        }
    }
}
