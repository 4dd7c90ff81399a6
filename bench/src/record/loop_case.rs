//! The worst case for a tracer: a program that maps a page, touches it, unmaps it, and does nothing else.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::programs::Program;

/// How often, when it is timed.
pub const TIMES: u32 = 20_000;

/// Builds the loop.
pub fn program(dir: &Path, times: u32) -> Result<Program> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guests/mmap_loop.c");
    let binary = dir.join("mmap_loop");
    if !binary.exists() {
        let mut command = Command::new("cc");
        command.arg("-O2").arg("-o").arg(&binary).arg(&source);
        let status = command.status().context("running the C compiler, cc")?;
        ensure!(status.success(), "cc did not compile {}", source.display());
    }
    Ok(Program {
        name: "loop",
        what: format!("mmap, touch, munmap, {times} times"),
        words: vec![binary.into_os_string(), times.to_string().into()],
        input: None,
    })
}
