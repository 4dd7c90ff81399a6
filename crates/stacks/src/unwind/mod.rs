//! Unwinding: from registers and stack bytes to a chain of callers.

mod callers;
mod depth;
mod evaluate;
mod rule;
mod stuck;
mod table;
mod walk;

pub(crate) use table::UnwindTable;
pub use walk::{Chain, End, FRAMES_MAX, Unwinder};
