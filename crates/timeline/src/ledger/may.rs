//! What a page may be, as far as the events told.

use std::fmt;

use recording::PageState;

/// A set of states: events seldom tell everything. One state in it: the page is known.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct May(pub(crate) u8);

impl May {
    /// Nothing is there.
    pub const ABSENT: Self = Self(1);
    /// The shared page of zeros.
    pub const ZERO: Self = Self(2);
    /// A page of its own.
    pub const ANON: Self = Self(4);
    /// A page of a file or of shared memory.
    pub const FILE: Self = Self(8);
    /// In swap.
    pub const SWAP: Self = Self(16);
    /// A guard marker.
    pub const GUARD: Self = Self(32);

    const NAMED: [(Self, &'static str); 6] = [
        (Self::ABSENT, "absent"),
        (Self::ZERO, "zero"),
        (Self::ANON, "anonymous"),
        (Self::FILE, "file"),
        (Self::SWAP, "swapped"),
        (Self::GUARD, "guard"),
    ];

    /// Returns the states of both.
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Tells whether all states of `other` are in it.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Tells whether a state of `other` is in it.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Returns the set with every state replaced by those that it can become.
    pub(crate) fn each(self, mut into: impl FnMut(Self) -> Self) -> Self {
        let states = Self::NAMED.iter().filter(|(state, _)| self.contains(*state));
        states.fold(Self(0), |all, (state, _)| all.or(into(*state)))
    }

    /// What the kernel says that a page is.
    pub(crate) fn told(state: PageState) -> Self {
        let has = |bit| state.contains(bit);
        if has(PageState::PRESENT) {
            if has(PageState::ZERO) {
                Self::ZERO
            } else if has(PageState::FILE) {
                Self::FILE
            } else {
                Self::ANON
            }
        } else if has(PageState::GUARD) {
            Self::GUARD
        } else if has(PageState::SWAPPED) {
            Self::SWAP
        } else {
            Self::ABSENT
        }
    }
}

impl fmt::Display for May {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names = Self::NAMED.iter().filter(|(state, _)| self.contains(*state)).map(|(_, name)| name);
        names.next().map_or(Ok(()), |name| f.write_str(name))?;
        names.try_for_each(|name| write!(f, " or {name}"))
    }
}
