//! One process at one moment, and what each byte of its memory is.
//!
//! A [`Snapshot`] is a plain value: mappings, and as much as is known of pages, objects, heap, threads. It is
//! built from a recording (by `timeline`), from the texts of `/proc` ([`Snapshot::from_maps_text`]), from a process
//! ([`read_live`]) or from a core file ([`read_core`]).
//! [`classify()`] divides the map into [`Leaf`]s: every mapped byte is in exactly one, and each leaf names the
//! [`Rule`] that chose its [`Kind`]. [`Totals`] adds the leaves up; its sum is the whole map.
//!
//! ```
//! use snapshot::{Snapshot, Totals, classify};
//!
//! let text = std::fs::read("/proc/self/maps")?;
//! let snapshot = Snapshot::from_maps_text(&text)?;
//! let leaves = classify(&snapshot);
//! let totals = Totals::of(&snapshot, &leaves);
//! assert_eq!(totals.all.size, snapshot.mappings.iter().map(|m| m.range.len()).sum::<u64>());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Invariant: it traces nobody and shows nothing: no ptrace, no words for a screen beyond a kind's name.

mod classify;
mod core_file;
mod file;
mod from_text;
mod huge;
mod kind;
mod live;
mod malloc;
mod memory;
mod pages;
mod rule;
#[cfg(test)]
mod sleeper;
mod sums;
mod totals;
mod value;

pub use classify::{Leaf, Owner, classify, load_bias, own_address};
pub use core_file::{Core, CoreError, CoreMemory, read_core};
pub use huge::HugeSample;
pub use kind::{Backing, Group, Kind, Nature, Origin, Sharing};
pub use live::{
    Frames, Live, LiveError, LiveMemory, Peer, Peers, mapped_path, peers, processes_named, read_live,
    read_live_fast, read_live_pages, read_live_smaps, shares_ipc, with_descendants,
};
pub use malloc::{Arena, ArenaRole, Chunk, ChunkState, ChunkSums, Count, Malloc, Verdict, chunk_at};
pub use memory::Memory;
pub use pages::{Besides, PageRun, PageState, PageSums};
pub use rule::Rule;
pub use sums::MappingSums;
pub use totals::{Amounts, KindTotal, ObjectTotal, Totals};
pub use value::{Mapping, Moment, Object, Snapshot, StackArea, Thread};
