//! The keys.

/// A key, as far as this view knows any.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Key {
    /// A letter, digit or sign.
    Char(char),
    /// One line up.
    Up,
    /// One line down.
    Down,
    /// Back in time.
    Left,
    /// Forward in time.
    Right,
    /// A page up.
    PageUp,
    /// A page down.
    PageDown,
    /// To the first line.
    Home,
    /// To the last line.
    End,
    /// To the next panel.
    Tab,
    /// Done.
    Enter,
    /// One letter back.
    Backspace,
    /// Not this.
    Escape,
}

/// Every key and what it does, for the help.
pub(crate) const HELP: &[(&str, &str)] = &[
    ("q, Ctrl-C", "end"),
    ("Tab, 1 2 3 4", "kinds, mappings, stacks, changes"),
    ("↑ ↓ PgUp PgDn", "move; in the mappings, the line's pages are drawn below"),
    ("← →", "a sample back or forward; g: to the last"),
    ("space", "pause and go on"),
    ("s, r", "sort by the next column; the other way round"),
    ("/", "show only names and kinds with this text; Esc: all"),
    ("w", "save the sample shown (vmatlas map and diff read it)"),
    ("?", "these keys"),
];
