//! What a rule has to say about one place.

use std::fmt;

/// One breach of one rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// The rule's short name in STYLE.md.
    pub(crate) rule: &'static str,
    /// The path from the repository's root.
    pub(crate) path: String,
    /// The line, from 1; 0: the whole file.
    pub(crate) line: usize,
    /// What is wrong there.
    pub(crate) what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {} [{}]", self.path, self.what, self.rule),
            line => write!(f, "{}:{line}: {} [{}]", self.path, self.what, self.rule),
        }
    }
}
