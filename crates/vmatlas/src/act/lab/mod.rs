//! `vmatlas lab`.

mod json;
mod script;

use std::process::ExitCode;

use lab::On;

use crate::cli::{Common, LabArgs, Where};

pub(crate) fn act(args: &LabArgs, common: Common) -> anyhow::Result<ExitCode> {
    match &args.script {
        Some(path) => script::act(args, path, common),
        None => anyhow::bail!("give a script"),
    }
}

fn on(args: &LabArgs) -> On {
    match args.on {
        Where::Both => On::Both,
        Where::Twin => On::Twin,
        Where::Kernel => On::Kernel,
    }
}
