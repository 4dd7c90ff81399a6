//! The vocabulary of Linux's process memory: addresses, protections, flags, errno and the typed [`Call`].
//!
//! Everything that other crates say to one another about memory system calls is said in these words. The
//! crate holds the one table *raw system call ⇄ [`Call`]* ([`table`]); another architecture is one more
//! column of it.
//!
//! Invariant: it knows no policy. It never decides whether a call is right, only what it says.
#![no_std]

mod addr;
mod advice;
mod bits;
mod call;
mod errno;
mod ids;
mod map_flags;
mod op_flags;
mod prctl;
mod prot;
mod resource;
pub mod table;

pub use addr::{AddrRange, FileOff, PAGE_SHIFT, PAGE_SIZE, PageOff, VirtAddr};
pub use advice::Advice;
pub use call::Call;
pub use errno::Errno;
pub use ids::{DevId, Fd, FileId, Pid, Tid};
pub use map_flags::{MapFlags, MapType};
pub use op_flags::{MlockFlags, MlockallFlags, MsyncFlags, RemapFlags, ShmFlags};
pub use prctl::{ArchPrctlOp, PrctlOp};
pub use prot::Prot;
pub use resource::{Personality, Resource, Rlimit};
