//! `vmatlas map PID --peers`: what a process shares, and with whom.

use std::io;
use std::process::ExitCode;

use abi::Pid;
use anyhow::Context;
use view::PeersView;

use super::target;
use crate::cli::{Common, MapArgs};
use crate::screen::{self, Style};

pub(super) fn act(target: &str, args: &MapArgs, common: Common) -> anyhow::Result<ExitCode> {
    let pid = target::process(target)?
        .with_context(|| format!("{target}: --peers looks at a process that runs"))?;
    let found = target::live(target, pid)?;
    let peers = snapshot::peers(pid, &PeersView::files(&found.snapshot));
    let view = PeersView::new(pid.0, found.facts.program, &found.snapshot, &peers, segments(pid).as_deref());
    let out = io::stdout();
    if args.json {
        screen::print_json(view::json::PEERS_SCHEMA, &view, out.lock())?;
    } else {
        let style = Style::of(&out, common.color);
        screen::print(&view::text::peers(&view, style.canvas), style, out.lock())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The System V segments, if those we see are the process's.
fn segments(pid: Pid) -> Option<Vec<proc_text::SysvShmRow>> {
    let text = std::fs::read("/proc/sysvipc/shm").ok().filter(|_| snapshot::shares_ipc(pid))?;
    Some(proc_text::sysv_shm(&text).collect())
}
