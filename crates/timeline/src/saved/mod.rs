//! States: what of a world must be kept so that a replay can go on from it as if it had come from the start.
//!
//! The bytes are this crate's own business. A state begins with a version, and one of another version is passed over.

pub(crate) mod codec;
mod events;
mod ledger;
mod memory;
mod mm_values;
mod processes;
mod world;

pub(crate) use world::Table;
