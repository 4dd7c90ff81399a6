//! `vmatlas export FILE --to FORMAT`.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::Context;
use export::Format;
use view::By;

use super::origins::Told;
use crate::cli::{ExportArgs, To};

pub(crate) fn act(args: &ExportArgs) -> anyhow::Result<ExitCode> {
    let format = match args.to {
        To::Pprof => Format::Pprof,
        To::Folded => Format::Folded,
        To::Speedscope => Format::Speedscope,
        To::Json => Format::Json,
        To::Csv => Format::Csv,
        #[cfg(feature = "parquet")]
        To::Parquet => Format::Parquet,
        #[cfg(not(feature = "parquet"))]
        To::Parquet => anyhow::bail!(
            "Parquet is not in this build: build it with `cargo build --release --features parquet`, or take --to csv"
        ),
    };
    if args.output.is_none() && !format.is_text() && io::stdout().is_terminal() {
        anyhow::bail!("this format is binary and the output a terminal: give -o FILE, or redirect it");
    }
    let view = Told::read(&args.file, args.process)?.view(By::Stack, args.whose.into());
    match &args.output {
        None => {
            let mut out = BufWriter::new(io::stdout().lock());
            export::write(&view, format, &mut out)?;
            out.flush()?;
        }
        Some(path) => {
            let shown = || path.display().to_string();
            let file = if args.force { File::create(path) } else { File::create_new(path) };
            let mut out = BufWriter::new(file.with_context(shown)?);
            export::write(&view, format, &mut out).with_context(shown)?;
            out.flush().with_context(shown)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
