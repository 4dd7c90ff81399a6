//! `vmatlas lab`.

mod from;
mod history;
mod json;
mod prompt;
mod script;

use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

use lab::{Child, On, Session};

use crate::cli::{Common, LabArgs, Where};

pub(crate) fn act(args: &LabArgs, common: Common) -> anyhow::Result<ExitCode> {
    match &args.script {
        Some(path) => script::act(args, path, common),
        None if std::io::stdin().is_terminal() => prompt::act(args, common),
        None => script::act(args, Path::new("-"), common),
    }
}

/// Begins a session as the arguments ask for.
fn start(args: &LabArgs) -> anyhow::Result<Session> {
    match &args.from {
        Some(target) => from::start(target, args.within),
        None => Ok(Session::start(on(args), Child::Linked)?),
    }
}

fn on(args: &LabArgs) -> On {
    match args.on {
        Where::Both => On::Both,
        Where::Twin => On::Twin,
        Where::Kernel => On::Kernel,
    }
}
