//! The speed table: each row is vmatlas beside what it is compared with, in one run on one machine.
//!
//! One verb per group of rows; each lives in a folder of its own. `--save` writes the run to
//! `bench/runs/<date>-<cpu>-<kernel>/`.

#[expect(dead_code, reason = "the tests' own browser: they do more with it")]
#[path = "../../crates/vmatlas/tests/it/browser.rs"]
mod browser;
mod clock;
mod map;
mod pages;
mod record;
mod run_dir;
mod seek;
mod twin;
mod view;

use anyhow::{Result, bail};

/// What the command line asks for.
struct Options {
    /// Whether the run is written to its folder.
    save: Save,
    /// Arguments that belong to the verb.
    rest: Vec<String>,
}

/// Whether a run is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Save {
    No,
    Yes,
}

const USAGE: &str = "usage: vmatlas-bench VERB [--save] [ARG...]

verbs:
  record [--rounds N] [--stacks] [PROGRAM...]   whole programs alone, recorded, under strace and perf; bytes an event; with --stacks also without call chains
  twin [MAPPINGS...]   the set of mappings beside other containers; the real system calls alone
  map                  `map PID` beside cat smaps, on processes of many mappings, of many threads, of 100 GiB
  pages                loads, stores, faults and fork of the twin with contents, beside the kernel's
  view [EVENTS]        the first picture of a recording of 10 million events; frames while scrubbing one of a million;
                       the size of the page as one file; what `top` takes of a processor
  seek [EVENTS]        opening a recording of 10 million events, going to any moment of it
";

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let Some(verb) = args.next() else { bail!("{USAGE}") };
    let mut options = Options { save: Save::No, rest: Vec::new() };
    for arg in args {
        match arg.as_str() {
            "--save" => options.save = Save::Yes,
            _ => options.rest.push(arg),
        }
    }
    match verb.as_str() {
        "seek" => seek::run(&options),
        "view" => view::run(&options),
        "record" => record::run(&options),
        "map" => map::run(&options),
        "pages" => pages::run(&options),
        // A process to look at, started by `map`.
        "map-guest" => map::become_guest(&options.rest),
        "twin" => twin::run(&options),
        _ => bail!("no verb {verb}\n{USAGE}"),
    }
}
