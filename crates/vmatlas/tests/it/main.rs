//! The whole program on real programs, as a user runs it.
//!
//! Each test runs the built binary. What cannot run here prints `SKIPPED: what, why`, which `cargo xtask ci`
//! counts.
//!
//! Invariant: nothing is known here that a user does not know; no crate of the workspace is used.

mod check;
mod doctor;
mod guest;
mod guests;
mod map;
mod run;
mod scratch;
