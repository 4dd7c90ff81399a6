//! Who called: registers and stack bytes are copied while a thread waits at its call, and unwound afterwards on the
//! thread that writes. Stack bytes never reach the disk.

mod contexts;
mod copier;
mod copy;
mod follow;
mod intern;
mod names;
mod second;
mod unwinding;
mod wholes;

pub(crate) use copier::Copier;
pub use copy::StackCopies;
pub use names::with_lines;
pub(crate) use unwinding::Unwinding;
