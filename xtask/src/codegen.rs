//! `cargo xtask codegen [--check]`: writes the files that are made from code, or checks that they are up to date.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context, Result, bail};
use mm::compat::{self, MAP_RULES, PAGE_RULES, State};

use crate::repo;

/// A file made from code.
struct Generated {
    path: &'static str,
    text: fn() -> String,
}

const FILES: &[Generated] = &[Generated { path: "COMPAT.md", text: compat_md }];

/// Writes every file, or with `--check` compares it.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let check = match args {
        [] => false,
        [flag] if flag == "--check" => true,
        _ => bail!("usage: cargo xtask codegen [--check]"),
    };
    for file in FILES {
        let path = repo::root().join(file.path);
        let text = (file.text)();
        if !check {
            fs::write(&path, text).with_context(|| format!("writing {}", file.path))?;
        } else if fs::read_to_string(&path).ok().as_deref() != Some(text.as_str()) {
            bail!("{} is not what the code says: run cargo xtask codegen", file.path);
        }
    }
    Ok(())
}

/// The table of what the twin does for each call and flag.
fn compat_md() -> String {
    let mut text = String::from(INTRODUCTION);
    for state in State::ALL {
        let count = compat::cells().filter(|cell| cell.state == state).count();
        let _infallible = writeln!(text, "| {} | {count} | {} |", state.word(), meaning(state));
    }
    let mut call = "";
    for cell in compat::cells() {
        if cell.call != call {
            call = cell.call;
            let _infallible = write!(text, "\n## {call}\n\n| case | the twin | |\n|---|---|---|\n");
        }
        text.push_str(&row(cell.case, cell.state, cell.note));
    }
    text.push_str(BESIDES);
    for rule in MAP_RULES {
        text.push_str(&row(rule.what, rule.state, rule.note));
    }
    text.push_str(PAGES);
    for rule in PAGE_RULES {
        text.push_str(&row(rule.what, rule.state, rule.note));
    }
    text
}

const INTRODUCTION: &str = "\
# What the twin does for each call

Made by `cargo xtask codegen` from the table `crates/mm/src/compat`: change it there. The kernel is Linux 6.18 on
x86-64 with pages of 4 KiB.

| the twin is | cases | which means |
|---|---|---|
";

const BESIDES: &str = "
# What the twin does with mappings besides calls

| what | the twin | |
|---|---|---|
";

const PAGES: &str = "
# What the twin does with pages

Where a system keeps pages (`Pages<States>`, `Pages<Contents>`); without them an access changes the map alone. Where something is
not modelled, the last column says what the twin does instead.

| what | the twin | |
|---|---|---|
";

fn meaning(state: State) -> &'static str {
    match state {
        State::Verified => "the same result or errno and the same mappings, tried on the running kernel",
        State::Reading => "the same by the kernel's source; not tried, as no kernel here can do it",
        State::Refused => "this kernel refuses it, always, and so does the twin; tried",
        State::Input => {
            "the answer depends on what is not the map's: it is read, counted, never called predicted"
        }
        State::NotModelled => "it changes nothing and says so",
    }
}

fn row(case: &str, state: State, note: &str) -> String {
    let escaped = |text: &str| text.replace('|', "\\|");
    format!("| {} | {} | {} |\n", escaped(case), state.word(), escaped(note))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_has_its_part_once() {
        let text = compat_md();
        for row in abi::table::ROWS {
            assert_eq!(text.matches(&format!("## {}\n", row.name)).count(), 1, "{}", row.name);
        }
    }
}
