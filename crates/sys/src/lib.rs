//! The system calls that recording and checking need: the only crate with `unsafe`.
//!
//! Each module offers one facility of the kernel as safe functions over plain values; nothing here decides
//! what to do with an answer.
//!
//! Invariant: it knows neither the twin nor recordings.

pub mod clock;
pub mod os_error;
pub mod pagemap;
pub mod perf;
pub mod probe;
pub mod procmap_query;
pub mod puppet;

pub use os_error::{OsError, OsResult};
