//! Who called: call chains from copied registers and stack bytes, and the names, files and lines of their frames.
//!
//! Whoever stops a thread copies its [`Registers`] and a piece of its stack ([`StackCopy`]) and lets it go; the
//! [`Unwinder`] makes the chain afterwards, with nothing but the list of what was mapped executable ([`CodeMap`])
//! and the call frame information of those files. Where a function has none, its frame pointer is followed; where
//! neither leads on, the chain ends and [`End`] says why: a frame is never guessed.
//!
//! The [`Symbolizer`] names an address of a file: from its debugging information, inlined functions and lines
//! and all, or from that of a separate file with the same build id, else from its symbol tables.
//!
//! Naming the functions of this very program:
//!
//! ```
//! use stacks::{DebugFiles, ObjectFile, Symbolizer};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let program = ObjectFile::open(&std::env::current_exe()?)?;
//! let mut symbolizer = Symbolizer::new(DebugFiles::none());
//! let here = symbolizer.find(&program, "main").expect("every program has a main function");
//! let frames = symbolizer.frames(&program, here);
//! assert_eq!(frames.last().expect("a frame").function.as_deref(), Some("main"));
//! # Ok(())
//! # }
//! ```
//!
//! Invariant: it knows neither how registers and bytes were copied nor what mappings mean; it knows no processes,
//! and reads no files but executables, libraries and their debugging information.

mod code_map;
mod error;
mod file;
mod read;
mod registers;
mod symbols;
mod unwind;

pub use code_map::{Code, CodeMap};
pub use error::ObjectError;
pub use file::{ObjectAddr, ObjectFile, Stamp};
pub use registers::{Registers, StackCopy};
pub use symbols::{DebugFiles, Frame, PerfMap, Symbolizer, demangle, functions};
pub use unwind::{Chain, End, FRAMES_MAX, Unwinder};
