//! The twin beside the kernel, call by call.
//!
//! [`fuzz`] makes random programs of memory calls and runs them on both; every result and every map must be the same.
//!
//! Invariant: it never changes what is compared to make it equal, and it prints nothing by itself.

pub mod beside;
pub mod fuzz;
