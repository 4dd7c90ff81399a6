//! `vmatlas map PID --peers`: what a process shares, and with whom.

use std::process::ExitCode;

use abi::Pid;
use anyhow::Context;
use view::PeersView;

use super::target;
use crate::cli::{Common, MapArgs};
use crate::screen;

pub(super) fn act(target: &str, args: &MapArgs, common: Common) -> anyhow::Result<ExitCode> {
    let pid = target::process(target)?
        .with_context(|| format!("{target}: --peers looks at a process that runs"))?;
    let found = target::live(target, pid)?;
    let peers = snapshot::peers(pid, &PeersView::files(&found.snapshot));
    let view = PeersView::new(pid.0, found.facts.program, &found.snapshot, &peers, segments(pid).as_deref());
    let schema = args.json.then_some(view::json::PEERS_SCHEMA);
    screen::show(&view, schema, common.color, view::text::peers)?;
    Ok(ExitCode::SUCCESS)
}

/// The System V segments, if those we see are the process's.
fn segments(pid: Pid) -> Option<Vec<proc_text::SysvShmRow>> {
    let text = std::fs::read("/proc/sysvipc/shm").ok().filter(|_| snapshot::shares_ipc(pid))?;
    Some(proc_text::sysv_shm(&text).collect())
}
