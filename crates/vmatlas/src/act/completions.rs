//! `vmatlas completions SHELL`.

use std::io::Write;
use std::process::ExitCode;

use clap::CommandFactory;

use crate::cli::{Cli, CompletionsArgs};

pub(crate) fn act(args: &CompletionsArgs) -> anyhow::Result<ExitCode> {
    // Into memory first: the generator panics where its writer fails.
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "vmatlas", &mut text);
    std::io::stdout().write_all(&text)?;
    Ok(ExitCode::SUCCESS)
}
