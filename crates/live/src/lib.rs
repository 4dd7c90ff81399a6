//! Runs memory calls, loads, stores and fetches in a real child process and reports what the kernel did.
//!
//! A [`Live`] is a small process that waits for steps (the *origin*) and the tree of processes forked from it. Steps are
//! pushed, run in one go, and answered: a fault is an answer with its signal, code and address. Almost nothing is
//! mapped in the origin, and with a fixed layout every run sees the same addresses.
//!
//! ```
//! use abi::{Call, Errno, VirtAddr};
//! use live::{Answer, Live, Setup, Step};
//!
//! let mut live = Live::start(&Setup::default())?;
//! let process = live.spawn()?;
//! let call = Call::Munmap { addr: VirtAddr(1), len: 4096 };
//! assert_eq!(live.act(process, Step::Call(call))?, Answer::Returned(Err(Errno::EINVAL)));
//! live.finish(process)?;
//! # Ok::<(), live::LiveError>(())
//! ```
//!
//! No privilege and no ptrace is needed: the child reads its own `/proc/self/maps`.
//!
//! Invariant: it knows no twin and no policy: it does what it is told and says what happened.

mod answer;
mod answers;
mod birth;
mod encode;
mod end;
mod error;
mod pages;
mod seat;
mod session;
mod setup;
mod step;
mod ticket;

pub use answer::{Answer, Fault};
pub use error::LiveError;
pub use pages::PageRun;
pub use session::Live;
pub use setup::Setup;
pub use step::{Step, Text};
pub use sys::puppet::{Library, LibraryCall, hash_page};
pub use ticket::{Process, Ticket};
