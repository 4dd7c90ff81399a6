//! Memory calls by hand or from a script, on the twin and on a real process side by side.
//!
//! A [`Session`] does one line after another: the line is done by a real child process and by the twin, and answers,
//! maps and flags must be the same. Without a kernel of the twin's version, or to go back in time, the twin does it
//! alone.
//!
//! ```
//! use lab::{Child, On, Session};
//!
//! let mut session = Session::start(On::Twin, Child::Linked)?;
//! for line in ["a = mmap 12K rw private anon", "munmap a+4K 4K", "expect maps a 12K: rw 4K, hole 4K, rw 4K"] {
//!     assert!(session.line(1, line).trouble.is_none(), "{line}");
//! }
//! # Ok::<(), lab::LabError>(())
//! ```
//!
//! Invariant: it prints nothing by itself, and never takes the twin's answer for the kernel's.

mod backend;
mod error;
mod print;
mod script;
mod session;
mod syntax;
mod tour;

pub use backend::{Answer, Change, PageState, Row, Run, changes};
pub use error::LabError;
pub use print::{help, lines_of};
pub use script::{Done, Outcome, Script, run};
pub use session::{Child, Did, Errnos, On, Report, Session, Shown, Trouble};
pub use syntax::{Complaint, Fault, KEYWORDS, Span, VERBS, Verb, verb};
pub use tour::{CHAPTERS, Chapter};
