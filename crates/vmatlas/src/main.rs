//! The `vmatlas` command: parse, resolve, act.
//!
//! [`cli`] parses the command line into plain values, [`screen`] resolves what the terminal can show, [`act`]
//! does the work, one file per verb. Errors become one line on stderr and an exit status here, once.
//!
//! Invariant: the only place with `anyhow`, colours and standard output.

mod act;
mod cli;
mod exit;
mod screen;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse_from(cli::as_meant(std::env::args_os()));
    match act::act(cli) {
        Ok(code) => code,
        Err(error) if exit::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // If stderr is closed there is nobody to tell.
            let _ = writeln!(std::io::stderr(), "vmatlas: {}", exit::line_of(&error));
            exit::code_of(&error)
        }
    }
}
