//! The twin's rows: containers of mappings at 100 to 1,000,000 mappings, and the whole twin beside the real
//! system calls.

use anyhow::Result;

use crate::Options;

/// Measures and prints every row; with `--save` writes `twin.csv` and `twin.md`.
pub fn run(_options: &Options) -> Result<()> {
    anyhow::bail!("no rows yet")
}
