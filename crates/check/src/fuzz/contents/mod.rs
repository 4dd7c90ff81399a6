//! The fuzzer with contents: loads, stores, fetches, forks with writes on both sides, files read and written beside
//! their mappings, on the kernel and on a twin that keeps pages.
//!
//! Everything happens in a window of a few pages across the border of a page table. After each line the acting
//! process's pagemap is compared; now and then, and at the end, what is in its pages; at the end also its resident
//! memory and what smaps says of each mapping. What the kernel decides by chance is listed in `docs/fuzzing.md`.

mod campaign;
mod chance;
mod counters;
mod end;
mod expect;
mod generate;
mod outside;
mod run;
mod still;
mod texts;
mod uffd;
mod world;

pub use campaign::{replay_contents, run_contents};
