//! The differential fuzzer: random programs of memory calls on the kernel and on the twin.

mod campaign;
mod compare;
mod contents;
mod divergence;
mod error;
mod files;
mod generate;
mod host;
mod line;
mod origin;
mod prepare;
mod rng;
mod run;
mod script;
mod seen;
mod shrink;
mod small_world;
mod world;

pub use campaign::{Finding, Plan, Shorten, Summary, Worlds, direction_of, program_text, run};
pub use compare::{Inodes, other_flags, same_map};
pub use contents::{replay_contents, run_contents};
pub use divergence::{Divergence, What};
pub use error::FuzzError;
pub use files::{FuzzFile, identity, kind};
pub use generate::Generator;
pub use line::{Act, Line, Privilege, Program};
pub use origin::{Direction, Origin, OriginPlan, is_repeatable};
pub use prepare::{call_and_input, drop_privileges, make_uffd};
pub use run::{Counted, Depth, Flags, Stop, UFFDS_MAX};
pub use script::script;
pub use seen::Seen;
pub use shrink::shrink as shorten;
pub use small_world::{SmallWorld, run as run_small_world};
pub use world::{Furnished, Segment, World};
