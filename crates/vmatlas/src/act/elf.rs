//! `vmatlas elf FILE`.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

use anyhow::Context;
use view::ElfFile;

use crate::cli::{Common, ElfArgs};
use crate::screen::{self, Style};

pub(crate) fn act(args: &ElfArgs, common: Common) -> anyhow::Result<ExitCode> {
    let shown = || args.file.display().to_string();
    // A device or a pipe may never end.
    if !std::fs::metadata(&args.file).with_context(shown)?.is_file() {
        anyhow::bail!("{}: not a regular file", shown());
    }
    let bytes = std::fs::read(&args.file).with_context(shown)?;
    let image = elf::read(&bytes).with_context(shown)?;
    let file = ElfFile::new(args.file.as_os_str().as_bytes(), &image);
    let out = io::stdout();
    if args.json {
        screen::print_json(view::json::ELF_SCHEMA, &file, out.lock())?;
    } else {
        let style = Style::of(&out, common.color);
        screen::print(&view::text::elf_file(&file, style.canvas), style, out.lock())?;
    }
    Ok(ExitCode::SUCCESS)
}
