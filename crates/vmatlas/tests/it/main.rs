//! The whole program on real programs: run with and without vmatlas, the recording opened again.
//!
//! Each test runs the built binary. What cannot run here prints `SKIPPED: what, why`, which `cargo xtask ci`
//! counts. `VMATLAS_TESTS=full` makes inputs larger.
//!
//! Invariant: nothing is known here that a user does not know; no crate of the workspace is used.

mod allocators;
mod browser;
mod callers;
mod check;
mod checked;
mod cores;
mod counted;
mod disk;
mod doctor;
mod ends;
mod execs;
mod guest;
mod guests;
mod huge;
mod inherited;
mod inside;
mod killed;
mod lab;
mod list;
mod map;
mod moments;
#[cfg(feature = "mutants")]
mod mutants;
mod namespaces;
mod observer;
mod older_kernel;
mod overlay;
mod pages;
mod pipes;
mod programs;
mod recording;
mod refused;
mod run;
mod scratch;
mod stories;
mod terminal;
mod top;
mod totals;
mod tty;
mod view;
