//! What people are shown, as plain values in their own words, and two forms of it: text and JSON.
//!
//! A [`Report`] is made from a recording's replay ([`build::report`]) and holds no addresses of a mind of its own: sizes are bytes,
//! times are nanoseconds since the recording began, names are text fit for a screen. [`text`] lays it out as
//! lines of spans with a meaning ([`text::Role`]); whoever prints them decides on colours. [`json`] writes it
//! with a `schema` field.
//!
//! Numbers of different meaning never share a field: virtual size, resident size at a page checkpoint, and
//! the largest of those. What is not known is `None`, shown as a dash and never as zero.
//!
//! Invariant: it knows no ANSI, HTML or keys, and opens no files.

pub mod atlas;
pub mod build;
mod chains;
mod curve;
mod diff;
mod doctor;
mod elf_file;
#[cfg(test)]
mod example;
mod explain;
mod findings;
mod heap;
pub mod json;
mod map;
mod origins;
mod origins_diff;
mod pages;
mod peers;
mod report;
mod report_findings;
mod resident;
mod saved;
mod select;
mod stacks;
mod story;
mod symbols;
pub mod text;
mod together;
pub mod words;

pub use chains::{Chains, FrameWords, own_frame};
pub use curve::CurvePoint;
pub use diff::{Change, DiffView, KindChange, NamedChange};
pub use doctor::{Availability, Check, Doctor, Facility};
pub use elf_file::{ElfFile, ElfMapping, ElfSection, ElfSegment};
pub use explain::{Access, Explanation, Outcome, Place};
pub use findings::{Finding, FindingKind, Limits};
pub use heap::{ArenaRow, ChunkRow, FreeByBin, HeapView, Pieces};
pub use map::{Detail, LeafLine, MapFacts, MapKind, MapSums, MapView, MappingLine, ProcessLine, StatusSums};
pub use origins::{By, OriginBytes, OriginRow, OriginsOf, OriginsView, Whose};
pub use origins_diff::{OriginChange, OriginsDiff, OriginsSide, Side};
pub use pages::{Cell, PagesView};
pub use peers::{PeerRow, PeersView, SharedRow, SysvRow};
pub use report::{
    CallCount, Difference, End, Faults, Fork, GroupRow, Growth, KindRow, Memory, Note, NoteKind, ObjectRow,
    Peak, Process, Proof, RecordingFacts, Report, Row, Run, Writer,
};
pub use report_findings::ReportFinding;
pub use resident::{Came, Resident, Toucher};
pub use saved::read_map;
pub use select::{Filter, Order};
pub use stacks::{FrameRow, StackRow};
pub use story::{StoryLine, story, verdict};
pub use symbols::{ObjectNames, ObjectSymbols, SectionRow, SymbolRow, SymbolsView};
