//! `vmatlas elf FILE`.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use view::{Detail, ElfFile, MapView};

use crate::cli::{Common, ElfArgs, WithinRecording};
use crate::screen;

pub(crate) fn act(args: &ElfArgs, common: Common) -> anyhow::Result<ExitCode> {
    let shown = || args.file.display().to_string();
    // A device or a pipe may never end.
    if !std::fs::metadata(&args.file).with_context(shown)?.is_file() {
        anyhow::bail!("{}: not a regular file", shown());
    }
    let bytes = std::fs::read(&args.file).with_context(shown)?;
    let image = elf::read(&bytes).with_context(shown)?;
    let soname = elf::soname(&bytes[..], &image.segments).unwrap_or_default();
    let mut file = ElfFile::new(args.file.as_os_str().as_bytes(), &image, &soname);
    if let Some(target) = &args.target {
        beside(&mut file, &args.file, &image, target)?;
    }
    let schema = args.json.then_some(view::json::ELF_SCHEMA);
    screen::show(&file, schema, common.color, view::text::elf_file)?;
    Ok(ExitCode::SUCCESS)
}

/// Finds the file in a process: by its build id, else by its path.
fn beside(file: &mut ElfFile, path: &Path, image: &elf::Image, target: &str) -> anyhow::Result<()> {
    let found = super::target::read(target, WithinRecording { process: None, no_write: true })?;
    let path = std::fs::canonicalize(path)?;
    let build_id = image.build_id.as_deref().filter(|id| !id.is_empty());
    let objects = &found.snapshot.objects;
    let by_id = objects.iter().position(|object| build_id == Some(&*object.build_id));
    let by_path = || objects.iter().position(|object| *object.path == *path.as_os_str().as_bytes());
    let object = by_id.or_else(by_path);
    let bias = object.and_then(|object| snapshot::load_bias(&found.snapshot, object));
    let bias = bias.with_context(|| format!("{target}: has not loaded {}", file.path))?;
    file.beside(image, bias, &MapView::new(found.facts, &found.snapshot, Detail::Mappings));
    Ok(())
}
