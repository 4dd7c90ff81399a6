//! `perf_event_open` for one purpose: page faults and the kernel's own mapping records of a process and all it makes.
//!
//! An [`Event`] counts on one processor (an event that is inherited cannot be mapped otherwise), a [`Ring`] is
//! the memory in which the kernel leaves its [`Record`]s.

mod event;
mod record;
mod ring;
mod tracepoint;

pub use event::{Event, KernelMode, Mappings, Settings, Start};
pub use record::{Access, ChainIter, Mapping, Mode, Name, NamedBy, Record, Sample, Stamp, UserStack};
pub use ring::Ring;
pub use tracepoint::FaultTracepoints;
