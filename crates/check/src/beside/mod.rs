//! A real program with its twin beside it, compared at every memory call.
//!
//! ```text
//! entry   learn which mappings have an anon_vma (PAGEMAP_SCAN) ── predict result and map
//! kernel  does the call
//! exit    compare the result ── compare the changed range with its neighbours, or the whole map
//! ```
//!
//! What no rule decides is an *input*: read, counted by name, and listed in [`Found::inputs`]. It never absorbs an
//! errno, an address or a boundary that a rule decides.

mod descriptions;
mod exec;
mod forks;
mod found;
mod half_done;
mod json;
mod kernel;
mod memory;
mod orders;
mod pages;
mod program;
mod replay;
mod run;
mod scene;
mod under_way;

pub use found::{Divergence, Found, INPUTS, Kept, PagesDiffer, Unmodelled};
pub use json::CHECK_SCHEMA;
pub use kernel::KernelMap;
pub use memory::{Every, Memory};
pub use mm::Mutation;
pub use program::{PagesWanted, Program};
pub use replay::{Replayed, replay, shortest};
pub use run::{Wanted, run};
pub use under_way::{Caller, Company, Early, Ending, OpenCalls, UnderWay};
