//! `vmatlas lab`.

mod json;
mod prompt;
mod script;

use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

use lab::On;

use crate::cli::{Common, LabArgs, Where};

pub(crate) fn act(args: &LabArgs, common: Common) -> anyhow::Result<ExitCode> {
    match &args.script {
        Some(path) => script::act(args, path, common),
        None if std::io::stdin().is_terminal() => prompt::act(args, common),
        None => script::act(args, Path::new("-"), common),
    }
}

fn on(args: &LabArgs) -> On {
    match args.on {
        Where::Both => On::Both,
        Where::Twin => On::Twin,
        Where::Kernel => On::Kernel,
    }
}
