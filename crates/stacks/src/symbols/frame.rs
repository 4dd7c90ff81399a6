//! What an address is called.

/// One function at an address: that of the machine code, or one that was inlined into it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Frame {
    /// Its name as the programmer wrote it.
    pub function: Option<String>,
    /// The source file.
    pub file: Option<String>,
    /// The line in it, from 1.
    pub line: Option<u32>,
    /// Whether it was inlined into the next frame.
    pub is_inlined: bool,
}
