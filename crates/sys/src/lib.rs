//! The system calls that recording and checking need: the only crate with `unsafe`.
//!
//! Each module offers one facility of the kernel as safe functions over plain values; nothing here decides
//! what to do with an answer.
//!
//! Invariant: it knows neither the twin nor recordings.

pub mod clock;
pub mod descriptors;
pub mod files;
pub mod filter;
pub mod left;
pub mod look;
pub mod memfd;
pub mod memory;
pub mod os_error;
pub mod pagemap;
pub mod perf;
pub mod poll;
pub mod probe;
pub mod process;
pub mod procmap_query;
pub mod ptrace;
pub mod puppet;
pub mod resident;
pub mod seccomp;
pub mod segment;
pub mod shared;
pub mod signals;
pub mod socket;
pub mod start;

pub use os_error::{OsError, OsResult};

/// Turns the -1 of a system call into its error.
fn check(call: &'static str, result: i64) -> OsResult<i64> {
    if result == -1 { Err(OsError::last(call)) } else { Ok(result) }
}
