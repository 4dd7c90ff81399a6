//! Snapshots of texts, files and cores that this machine's kernel did not make, and of damaged ones.
//!
//! Invariant: only what the crate offers everyone is used.

mod damaged;
mod kernels;
