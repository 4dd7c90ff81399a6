//! The texts of `/proc/PID` that tell of memory, between bytes and plain rows, in both directions.
//!
//! Readers borrow from the text and allocate nothing per line; every error carries its line and column.
//! Fields that another kernel leaves out are `None`; fields that it adds are passed over.
//!
//! ```
//! let text = b"00400000-00401000 r-xp 00000000 fe:00 42                                 /bin/a b\n";
//! let row = proc_text::maps(text).next().expect("one line")?;
//! assert_eq!(row.name, b"/bin/a b");
//!
//! let mut printed = Vec::new();
//! proc_text::write_maps_row(&row, &mut printed);
//! assert_eq!(printed, text);
//! # Ok::<(), proc_text::TextError>(())
//! ```
//!
//! Invariant: it knows no paths, no pids to look up, no `open()`, no twin: bytes in, rows out.

mod auxv;
mod cursor;
mod error;
mod limits;
mod maps;
mod maps_write;
mod mincore;
mod name;
mod pagemap;
mod smaps;
mod smaps_fields;
mod smaps_write;
mod stat;
mod status;
mod sysvipc;

pub use auxv::auxv;
pub use error::{Expected, TextError};
pub use limits::{LimitRow, limits};
pub use maps::{MapsRow, MapsRows, maps};
pub use maps_write::write_maps_row;
pub use mincore::{mincore, write_mincore};
pub use name::{is_deleted, unescape, without_deleted, write_escaped};
pub use pagemap::{PagemapEntry, PagemapFacts, write_pagemap};
pub use smaps::{SmapsRow, SmapsRows, rollup, smaps, smaps_blocks};
pub use smaps_fields::{SmapsFields, VmFlags};
pub use smaps_write::{write_rollup, write_smaps_fields, write_smaps_row};
pub use stat::{Stat, stat};
pub use status::{Status, status};
pub use sysvipc::{SysvShmRow, sysv_shm};
