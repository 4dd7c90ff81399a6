//! Recording and twin together: the state of every process at any event, and how far the kernel agrees.
//!
//! [`Replay`] streams a recording's events through the twin. Between checkpoints the twin alone says what the
//! map is; at a checkpoint every line of the kernel's map is held against it, and where they differ the kernel's
//! is taken over, counted and listed in the [`Proof`]. Which pages are there is known from checkpoints only and
//! carries their time. [`Run`] sums up a whole recording.
//!
//! Printing the map of a recording's last process as it was at its end:
//!
//! ```
//! use std::error::Error;
//! use std::path::Path;
//!
//! use timeline::{ProcessNo, Replay};
//!
//! fn print_last_map(path: &Path) -> Result<(), Box<dyn Error>> {
//!     let mut replay = Replay::open(path)?;
//!     while let Some(event) = replay.step()? {
//!         // After every event, `replay.world()` is the state of all processes.
//!         let _so_far = (event.time, replay.world().proof().calls);
//!     }
//!     let run = replay.finish();
//!     let last = ProcessNo(run.processes.len().saturating_sub(1));
//!     let Some(still) = run.last_of(last) else { return Ok(()) };
//!     for mapping in run.snapshot(still).mappings {
//!         println!("{} {} {}", mapping.range, mapping.prot, String::from_utf8_lossy(&mapping.name));
//!     }
//!     let proof = &run.proof;
//!     println!("twin: {} of {} mappings identical", proof.mappings_matched, proof.mappings);
//!     Ok(())
//! }
//! # let path = std::env::temp_dir().join(format!("vmatlas-doctest-{}.vmatlas", std::process::id()));
//! # recording::Writer::create(&path, &recording::example_header())?.finish()?;
//! # let printed = print_last_map(&path);
//! # std::fs::remove_file(&path)?;
//! # printed?;
//! # Ok::<(), Box<dyn Error>>(())
//! ```
//!
//! Invariant: it knows neither how events were captured nor how results are shown.

mod arguments;
mod calls;
mod changed;
mod checkpoints;
mod compare;
mod counts;
mod crash;
mod curve;
mod forks;
mod grown;
mod growth;
mod keeper;
pub mod ledger;
mod ledgers;
mod memory;
mod origins;
mod owners;
mod pages;
mod peak;
mod place;
mod processes;
mod proof;
mod replay;
mod run;
mod saved;
mod seeker;
mod sites;
mod still;
mod story;
#[cfg(test)]
mod tests;
mod touched;
pub mod twin;
mod world;

pub use changed::{Changed, What};
pub use compare::{Comparison, Difference, compare};
pub use counts::{Counts, Faults};
pub use crash::{Crash, crash};
pub use curve::{BUCKETS_MAX, Curve, Sample};
pub use forks::{Copier, Fork, Other, Unshared};
pub use growth::{GROWTHS_MAX, Growth, Growths, StackGrowth};
pub use keeper::Keeper;
pub use ledgers::MemorySums;
pub use memory::{Largest, Memory, PagesRead, ThreadStack};
pub use origins::{Churn, Origin, Origins, Until, anonymous, resident};
pub use owners::Owner;
pub use peak::{Peak, Peaks};
pub use processes::{Process, ProcessNo, Processes, Program, Thread};
pub use proof::{
    Correction, CorrectionReason, LISTED_MAX, LastCall, PagesDiffered, Proof, Resync, ResyncReason,
    TotalsDiffered,
};
pub use replay::Replay;
pub use run::Run;
pub use seeker::Seeker;
pub use sites::{SAMPLES_MAX, Site, SiteKey, Sites};
pub use still::Still;
pub use story::{Happened, Step, Story};
pub use touched::{pages_of, touched};
pub use world::World;
