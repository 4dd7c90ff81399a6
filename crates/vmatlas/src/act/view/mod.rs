//! `vmatlas view FILE`.

mod answer;
mod bands;
mod flame;
mod loaded;
mod moments;
mod site;
mod span;
mod stack;
mod still;

use std::fs::OpenOptions;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;

use anyhow::Context;
use timeline::Replay;
use view::words;

use self::loaded::Loaded;
use self::site::RecordingSite;
use crate::cli::ViewArgs;

/// Rectangles in a single file: with them it stays well under 5 MiB.
const RECTS_IN_FILE: usize = 12_000;

pub(crate) fn act(args: &ViewArgs) -> anyhow::Result<ExitCode> {
    // A file that is no recording is told at once, before anything is served.
    Replay::open(&args.file).with_context(|| args.file.display().to_string())?;
    match &args.html {
        Some(out) => write_page(args, out),
        None => serve(args),
    }
}

fn write_page(args: &ViewArgs, out: &Path) -> anyhow::Result<ExitCode> {
    let shown = || out.display().to_string();
    let mut options = OpenOptions::new();
    options.write(true);
    if args.force {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    let mut file = match options.open(out) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            anyhow::bail!("{}: File exists; --force overwrites it", out.display())
        }
        opened => opened.with_context(shown)?,
    };
    let loaded = Loaded::read(&args.file, RECTS_IN_FILE, |_, _| {})?;
    let page = web::page(web::Data::Embedded(&loaded.embedded(&args.file)?));
    file.write_all(page.as_bytes()).with_context(shown)?;
    let left_out = match loaded.atlas.left_out {
        0 => String::new(),
        n => format!(", {} smallest bands left out", words::count(n)),
    };
    writeln!(io::stderr(), "{}: {}{left_out}", out.display(), words::bytes(page.len() as u64))?;
    Ok(ExitCode::SUCCESS)
}

fn serve(args: &ViewArgs) -> anyhow::Result<ExitCode> {
    let server = web::Server::listen(args.port)
        .with_context(|| format!("port {} of the loopback address", args.port))?;
    let url = server.address().url();
    writeln!(io::stdout(), "{url}")?;
    if io::stdout().is_terminal() {
        writeln!(io::stderr(), "serving on this machine only; Ctrl-C ends")?;
        if !args.no_open {
            open_browser(&url);
        }
    }
    let site = RecordingSite::begin(&args.file);
    server.run(Arc::new(site)).context("serving")?;
    Ok(ExitCode::SUCCESS)
}

/// Opens the user's browser; without one the address printed is enough.
fn open_browser(url: &str) {
    let quiet = Command::new("xdg-open")
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    if let Ok(mut child) = quiet {
        std::thread::spawn(move || child.wait());
    }
}
