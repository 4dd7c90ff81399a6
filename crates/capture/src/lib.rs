//! Runs a program, orders what it does to its memory, and hands the events on.
//!
//! Invariant: it knows neither the twin nor any view; it writes nothing to the terminal.

pub mod checkpoint;
pub mod faults;
pub mod machine;
pub mod objects;
pub mod stack_table;
