//! A script, done line by line.

use std::io::{self, BufWriter, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use lab::{Done, Outcome, Script, Session};
use view::text::{Line, Role};

use super::json;
use crate::cli::{Common, LabArgs};
use crate::exit::{DIVERGED, FAILED};
use crate::screen::{self, Style};

/// The largest script in bytes.
const SCRIPT_BYTES_MAX: u64 = 16 << 20;

pub(super) fn act(args: &LabArgs, path: &Path, common: Common) -> anyhow::Result<ExitCode> {
    let (name, text) = read(path)?;
    let out = io::stdout();
    let style = Style::of(&out, common.color);
    let mut out = BufWriter::new(out.lock());
    let mut session = super::start(args)?;
    let mut printed = Ok(());
    let mut objects = Vec::new();
    let see = |done: &Done, session: &Session| {
        if printed.is_ok() {
            printed = match (args.json, args.quiet) {
                (true, _) => {
                    objects.push(json::line(done));
                    Ok(())
                }
                (false, true) => Ok(()),
                (false, false) => show(done, session, style, &mut out),
            };
        }
    };
    let outcome = lab::run(&mut session, Script { name: &name, text: &text }, see)?;
    printed?;
    if args.json {
        json::write(objects, &outcome, &mut out)?;
    }
    out.flush()?;
    let (complaint, status) = match outcome {
        Outcome::Fine => return Ok(ExitCode::SUCCESS),
        Outcome::Failed(complaint) => (complaint, FAILED),
        Outcome::Diverged(complaint) => (complaint, DIVERGED),
        Outcome::Broken(complaint, _) => (complaint, FAILED),
    };
    writeln!(io::stderr(), "vmatlas: {complaint}")?;
    Ok(ExitCode::from(status))
}

fn read(path: &Path) -> anyhow::Result<(String, String)> {
    let mut bytes = Vec::new();
    let name = if path.as_os_str() == "-" { "(standard input)".into() } else { path.display().to_string() };
    let shown = || name.clone();
    if path.as_os_str() == "-" {
        io::stdin().lock().take(SCRIPT_BYTES_MAX + 1).read_to_end(&mut bytes).with_context(shown)?;
    } else {
        let file = std::fs::File::open(path).with_context(shown)?;
        file.take(SCRIPT_BYTES_MAX + 1).read_to_end(&mut bytes).with_context(shown)?;
    }
    if bytes.len() as u64 > SCRIPT_BYTES_MAX {
        anyhow::bail!("{name}: a script has at most 16 MiB");
    }
    let text =
        String::from_utf8(bytes).map_err(|_| anyhow::anyhow!("{name}: not a script: no UTF-8 text"))?;
    Ok((view::words::printable(name.as_bytes()), text))
}

/// The line as it was written, and what it did.
fn show(done: &Done, session: &Session, style: Style, out: &mut impl Write) -> io::Result<()> {
    let text = view::words::printable(done.text.trim_end().as_bytes());
    let comment = text.trim_start().starts_with('#');
    let mut lines = vec![Line::of(if comment { Role::Faint } else { Role::Strong }, text)];
    lines.extend(done.shown.iter().flat_map(|shown| lab::lines_of(shown, session)));
    screen::print(&lines, style, out)
}
