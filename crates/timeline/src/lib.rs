//! Recording and twin together: the state of every process at any event, and how far the kernel agrees.
//!
//! [`Replay`] streams a recording's events through the twin. Between checkpoints the twin alone says what the
//! map is; at a checkpoint every line of the kernel's map is held against it, and where they differ the kernel's
//! is taken over, counted and listed in the [`Proof`]. Which pages are there is known from checkpoints only and
//! carries their time. [`Run`] sums up a whole recording.
//!
//! Invariant: it knows neither how events were captured nor how results are shown.

mod calls;
mod checkpoints;
mod compare;
mod counts;
mod curve;
mod growth;
mod memory;
mod pages;
mod peak;
mod processes;
mod proof;
mod replay;
mod run;
mod still;
mod touched;
mod twin;
mod world;

pub use compare::{Comparison, Difference, compare};
pub use counts::{Counts, Faults};
pub use curve::{BUCKETS_MAX, Curve, Sample};
pub use growth::{GROWTHS_MAX, Growth, Growths, StackGrowth};
pub use memory::{Largest, Memory, PagesRead, ThreadStack};
pub use peak::{Peak, Peaks};
pub use processes::{Process, ProcessNo, Processes, Program, Thread};
pub use proof::{Correction, CorrectionReason, LISTED_MAX, LastCall, Proof, Resync, ResyncReason};
pub use replay::Replay;
pub use run::Run;
pub use still::Still;
pub use world::World;
