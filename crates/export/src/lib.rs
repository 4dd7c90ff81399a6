//! Where memory comes from ([`view::OriginsView`] by stack), written in the formats of other tools.
//!
//! ```
//! use view::{By, FrameWords, OriginBytes, OriginRow, OriginsView, Whose};
//!
//! let frame = |function: &str| FrameWords { function: function.into(), ..FrameWords::default() };
//! let frames = vec![frame("mmap"), frame("main")];
//! let bytes = OriginBytes { size: 8192, resident: 4096, pieces: 1, ..OriginBytes::default() };
//! let row = OriginRow { name: "mmap".into(), bytes, frames };
//! let view = OriginsView { rows: vec![row], ..OriginsView::empty(By::Stack, Whose::Mapper) };
//! let mut out = Vec::new();
//! export::write(&view, export::Format::Folded, &mut out)?;
//! assert_eq!(out, b"main;mmap 4096\n");
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Invariant: it knows no recordings, and opens no files.

mod csv;
mod folded;
#[cfg(feature = "parquet")]
mod parquet;
mod pprof;
mod speedscope;
mod varint;

use std::io::{self, Write};

use view::OriginsView;

/// A format of other tools.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// pprof's protocol buffers, gzipped: `pprof`, `go tool pprof`.
    Pprof,
    /// One line a stack, as flame-graph generators take it.
    Folded,
    /// speedscope's JSON.
    Speedscope,
    /// This tool's own JSON.
    Json,
    /// A table.
    Csv,
    /// A table by columns, for databases.
    #[cfg(feature = "parquet")]
    Parquet,
}

impl Format {
    /// Whether what is written is text.
    pub const fn is_text(self) -> bool {
        match self {
            Self::Folded | Self::Speedscope | Self::Json | Self::Csv => true,
            Self::Pprof => false,
            #[cfg(feature = "parquet")]
            Self::Parquet => false,
        }
    }
}

/// Writes origins by stack.
///
/// # Errors
/// Whatever `out` says.
pub fn write(view: &OriginsView, format: Format, out: &mut dyn Write) -> io::Result<()> {
    match format {
        Format::Pprof => pprof::write(view, out),
        Format::Folded => folded::write(view, out),
        Format::Speedscope => speedscope::write(view, out),
        Format::Json => view::json::write(view::json::ORIGINS_SCHEMA, view, out),
        Format::Csv => csv::write(view, out),
        #[cfg(feature = "parquet")]
        Format::Parquet => parquet::write(view, out),
    }
}
