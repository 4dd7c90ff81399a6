//! The names of a session.

use std::collections::BTreeMap;

use abi::VirtAddr;

use crate::backend::ThreadNo;

/// What a name means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Value {
    /// An address, or any number.
    Address(VirtAddr),
    /// An open file, by its number.
    File(usize),
    /// A thread; for a process its first one.
    Thread(ThreadNo),
}

impl Value {
    /// What it is, for a person.
    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::Address(_) => "an address",
            Self::File(_) => "a file",
            Self::Thread(_) => "a process or thread",
        }
    }
}

/// The most names that a session has.
const NAMES_MAX: usize = 10_000;

/// The names of a session.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    by_name: BTreeMap<String, Value>,
}

impl Names {
    /// Gives a name a meaning; `None` where there are too many.
    pub(super) fn set(&mut self, name: &str, value: Value) -> Option<()> {
        if self.by_name.len() >= NAMES_MAX && !self.by_name.contains_key(name) {
            return None;
        }
        self.by_name.insert(name.to_owned(), value);
        Some(())
    }

    /// What a name means.
    pub(super) fn get(&self, name: &str) -> Option<Value> {
        self.by_name.get(name).copied()
    }

    /// Every name.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, Value)> {
        self.by_name.iter().map(|(name, value)| (name.as_str(), *value))
    }
}
