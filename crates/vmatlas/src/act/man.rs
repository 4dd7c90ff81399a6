//! `vmatlas man DIRECTORY`: one manual page for the command and one for each verb.

use std::process::ExitCode;

use anyhow::Context;
use clap::CommandFactory;

use crate::cli::{Cli, ManArgs};

pub(crate) fn act(args: &ManArgs) -> anyhow::Result<ExitCode> {
    clap_mangen::generate_to(Cli::command(), &args.directory)
        .with_context(|| args.directory.display().to_string())?;
    Ok(ExitCode::SUCCESS)
}
