//! How each event becomes columns: the writing and the reading of a type stand side by side.

mod call;
mod checkpoint;
mod event;
mod leaf;
mod patch;
mod process;

pub(crate) use checkpoint::{Base, Bases, CodedCheckpoint};
pub(crate) use event::{Decoded, get_event, put_event};

use crate::columns::{ColumnsIn, ColumnsOut};
use crate::dictionary::{DictionaryIn, DictionaryOut};
use crate::error::Malformed;

/// Where a block's events are written.
pub(crate) struct Encoder {
    /// The block.
    pub(crate) columns: ColumnsOut,
    /// What the whole file shares.
    pub(crate) dictionary: DictionaryOut,
}

/// Where a block's events are read from.
pub(crate) struct Decoder<'a> {
    /// The block.
    pub(crate) columns: &'a mut ColumnsIn,
    /// What the whole file shares.
    pub(crate) dictionary: &'a DictionaryIn,
}

/// A value that takes several columns.
trait Record: Sized {
    fn put(&self, out: &mut Encoder);
    fn get(input: &mut Decoder<'_>) -> Result<Self, Malformed>;
}
