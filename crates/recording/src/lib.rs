//! The recording file (`.vmatlas`): the events of a run, its writer and its reader side by side.
//!
//! The format is described in `docs/recording-format.md`. A file is a row of checksummed blocks, so that it
//! can be read while it is written and after its writer was killed; each block holds the fields of its events
//! column by column, packed.
//!
//! ```
//! use recording::{Body, Event, MmId, Reader, TimeNs, Writer};
//! # let header = recording::example_header();
//! let mut writer = Writer::new(Vec::new(), &header)?;
//! let continued = Event { time: TimeNs(7), tid: abi::Tid(4242), mm: MmId(0), body: Body::Continued };
//! writer.push(&continued)?;
//! writer.finish()?;
//!
//! let mut reader = Reader::new(std::io::Cursor::new(writer.into_inner()))?;
//! assert_eq!(reader.header(), &header);
//! assert_eq!(reader.next_event()?, Some(continued));
//! assert_eq!(reader.next_event()?, None);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Invariant: it knows neither how events were captured nor what they mean; no `ptrace`, no twin, no text.

mod append;
mod columns;
mod dictionary;
mod error;
pub mod event;
mod facts;
mod frame;
pub mod header;
mod index;
mod limits;
mod open;
mod payload;
mod reader;
mod sink;
mod symbols;
#[cfg(test)]
mod tests;
mod varint;
mod wire;
mod writer;

pub use append::Appender;
pub use error::ReadError;
pub use event::{
    Body, Bytes, CallEvent, CallInput, CallResult, Checkpoint, Counters, Event, ExecEvent, ExitStatus,
    FaultAccess, FaultEvent, FaultMode, FileKind, FileRef, HugeZeros, LossSource, MapRow, MappedEvent, MmId,
    ObjectEvent, OpenMode, PageRun, PageState, Reason, Segment, SpawnEvent, SpawnKind, StackId, TimeNs,
    UnmodelledEvent, UnmodelledWhy,
};
pub use header::{CallSource, FaultSource, Header, Machine, PageSource, Run, Sources, example_header};
pub use open::Completeness;
pub use reader::Reader;
pub use sink::EventSink;
pub use symbols::{ChainEnds, Detail, Function, Place, SymbolObject, Symbols};
pub use writer::Writer;
