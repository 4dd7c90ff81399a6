//! The page that shows a recording: served on loopback ([`Server`]), or as one file that needs no server ([`page()`]).
//!
//! The page is plain HTML, CSS and scripts in `crates/web/assets`, part of the program; data is JSON that whoever
//! calls provides. Nothing is loaded from outside, and every name is put in as text, never as markup.
//!
//! Invariant: it knows neither recordings nor `/proc`: bytes of JSON in, bytes of HTTP or HTML out.

mod page;
mod query;
mod request;
mod server;

pub use page::{Data, page};
pub use query::Query;
pub use server::{Address, Answer, Server, Site};
