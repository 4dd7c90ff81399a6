//! The project's own commands: `cargo xtask VERB`.
//!
//! [`verbs`] is the list of them; each verb lives in a file or a folder of its own.

mod bench;
mod ci;
mod codegen;
mod fuzz_kernel;
mod repo;
mod shell;
mod tidy;
mod verbs;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some((name, rest)) = args.split_first() else {
        eprint!("{}", verbs::usage());
        return ExitCode::from(2);
    };
    let Some(verb) = verbs::find(name) else {
        eprint!("xtask: no verb {name}\n{}", verbs::usage());
        return ExitCode::from(2);
    };
    match (verb.run)(rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask {name}: {error:#}");
            ExitCode::FAILURE
        }
    }
}
