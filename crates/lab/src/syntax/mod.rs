//! The language of `.vm` scripts: one statement a line.
//!
//! ```text
//! NAME = mmap LEN PROT private|shared anon|FILE[@OFFSET] [at ADDR] [FLAG...]
//! expect ENOMEM
//! ```
//!
//! A line becomes words, words become a [`Statement`] whose names are not looked up yet: that is the session's.

mod cursor;
mod expect;
mod keywords;
mod parse;
mod span;
mod statement;
mod token;
mod verbs;

pub(crate) use parse::statement;
pub use span::{Complaint, Fault, Span};
pub(crate) use statement::{
    Backing, Content, Expectation, Expr, Give, Kind, Mode, Name, Piece, PieceKind, Place, Statement, Step,
    Term, Touch, What,
};
pub use verbs::{KEYWORDS, VERBS, Verb, verb};
