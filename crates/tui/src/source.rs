//! Where samples come from.

use std::fmt;

use abi::AddrRange;
use view::{MapView, PagesView};

/// Reads one process, again and again.
pub trait Source {
    /// Reads its memory as it is now, with every mapping.
    ///
    /// # Errors
    /// [`SourceError`].
    fn sample(&mut self) -> Result<MapView, SourceError>;

    /// Draws the pages of a range as they are now in at most so many cells; `None` where that can't be read.
    fn pages(&mut self, range: AddrRange, cells_max: usize) -> Option<PagesView>;

    /// Saves a sample and says where.
    ///
    /// # Errors
    /// Why it could not be saved, in one line.
    fn save(&mut self, view: &MapView) -> Result<String, String>;
}

/// Why no sample could be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SourceError {
    /// The process has ended.
    Gone,
    /// Anything else, in one line.
    Other(String),
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("the process has ended"),
            Self::Other(why) => f.write_str(why),
        }
    }
}
