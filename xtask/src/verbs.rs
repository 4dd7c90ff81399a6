//! The list of verbs: name, one line of help, function.

use anyhow::Result;

use crate::{bench, ci, codegen, fuzz_kernel, tidy};

/// One verb of `cargo xtask`.
pub(crate) struct Verb {
    /// What is typed.
    pub(crate) name: &'static str,
    /// One line for the usage text.
    pub(crate) help: &'static str,
    /// Does it; the arguments are those after the name.
    pub(crate) run: fn(&[String]) -> Result<()>,
}

/// All verbs. `ci` runs `fuzz-kernel`, `small-world`, `mutants` and `codegen` as soon as they stand here.
const VERBS: &[Verb] = &[
    Verb { name: "ci", help: "[smoke|full]  everything that must hold before a change lands", run: ci::run },
    Verb { name: "tidy", help: "              the rules of STYLE.md", run: tidy::run },
    Verb { name: "codegen", help: "[--check]      the files that are made from code", run: codegen::run },
    Verb {
        name: "bench",
        help: "VERB [--save]  a part of the speed table, e.g. `bench twin`",
        run: bench::run,
    },
    Verb {
        name: "fuzz-kernel",
        help: "--seconds N [--seed S] [--threads T]  random programs on the kernel and on the twin",
        run: fuzz_kernel::run,
    },
    Verb {
        name: "fuzz-contents",
        help: "--seconds N [as fuzz-kernel]  the same with loads, stores and files: contents and pages",
        run: fuzz_kernel::contents,
    },
    Verb {
        name: "fuzz-check",
        help: "--seconds N [--seed S] [--programs N]  fuzz-kernel with `vmatlas check` beside it: both must agree",
        run: fuzz_kernel::check,
    },
    Verb {
        name: "small-world",
        help: "[--calls N]  every program of up to N calls (2) on six pages, on both",
        run: fuzz_kernel::small_world,
    },
    Verb {
        name: "mutants",
        help: "[--seconds N]  twins with one rule changed: each must be caught",
        run: fuzz_kernel::mutants,
    },
];

/// Returns the verb of this name.
pub(crate) fn find(name: &str) -> Option<&'static Verb> {
    VERBS.iter().find(|verb| verb.name == name)
}

/// Returns the usage text.
pub(crate) fn usage() -> String {
    let lines = VERBS.iter().map(|verb| format!("  {:<13} {}\n", verb.name, verb.help));
    format!("usage: cargo xtask VERB [ARG...]\n\nverbs:\n{}", lines.collect::<String>())
}
