//! Runs a program, orders what it does to its memory, and hands the events on.
//!
//! Three processes take part:
//!
//! ```text
//! shell ── front ───────────── program        front and program are the shell's job
//!            └── tracer ┄┄┄┄┄┄┄┄┘ traces       in a process group of its own; tells an observer
//! ```
//! [`record`] runs a program under the observer that writes a recording; [`run()`] under any other.
//!
//! Invariant: it knows neither the twin nor any view; it writes nothing to the terminal.

pub mod checkpoint;
mod child;
mod command;
pub mod faults;
mod front;
mod huge_zeros;
mod input;
mod link;
pub mod machine;
pub mod objects;
mod observer;
mod order;
mod output;
mod recorder;
mod run;
pub mod stack_table;
pub mod stacks;
mod tracer;
pub mod trial;
mod writing;

pub use command::{Command, CommandError};
pub use front::{Ended, How, RunError, end_as};
pub use input::file_kind;
pub use observer::{At, Crashes, Leaving, Observer, Order, Start};
pub use output::{Output, Overwrite};
pub use recorder::{CommandLine, RecordOptions, Stacks};
pub use run::{Recorded, TraceOptions, record, run};
pub use tracer::{Turns, WhenToTell};
