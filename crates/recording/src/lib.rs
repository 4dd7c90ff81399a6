//! The recording file (`.vmatlas`): the events of a run, its writer and its reader side by side.
//!
//! Invariant: it knows neither how events were captured nor what they mean; no `ptrace`, no twin, no text.

pub mod event;

pub use event::{
    Body, CallEvent, CallInput, CallResult, Checkpoint, Counters, Event, ExecEvent, ExitStatus, FaultEvent,
    FaultMode, FileKind, FileRef, LossSource, MapRow, MappedEvent, MmId, ObjectEvent, OpenMode, PageRun,
    PageState, Reason, Segment, SpawnEvent, SpawnKind, StackId, TimeNs, UnmodelledEvent, UnmodelledWhy,
};
