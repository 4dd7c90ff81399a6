//! The live terminal view: one process's memory, read again and again, drawn with the views of `view`.
//!
//! ```text
//! Source ──► History of samples ──► App (what is shown, by keys) ──► draw
//! ```
//! [`App`] is the whole state and knows no terminal: keys change it, [`draw()`] draws it, so a test needs none.
//! [`run()`] joins both to the real one.
//!
//! Invariant: it knows no `/proc` and no `ptrace`; samples come from a [`Source`].

mod app;
mod changes;
mod draw;
mod history;
mod keys;
mod look;
mod source;
mod terminal;
#[cfg(test)]
mod tests;

pub use app::{App, Column, Panel};
pub use draw::draw;
pub use history::{History, Sample};
pub use keys::Key;
pub use look::{Colours, Look};
pub use source::{Source, SourceError};
pub use terminal::run;
