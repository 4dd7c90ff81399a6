//! Which other processes map the same files and shared memory.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use abi::{FileId, Pid};

/// A process that maps something.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Peer {
    /// The process.
    pub pid: Pid,
    /// Its name (`comm`).
    pub name: Arc<[u8]>,
    /// How much of the file it maps, in bytes of its address space.
    pub size: u64,
}

/// Who maps what.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Peers {
    /// By file, ascending by process.
    pub by_file: HashMap<FileId, Vec<Peer>>,
    /// How many processes could not be looked into.
    pub unseen: usize,
}

/// Goes through the maps of all processes but one.
pub fn peers(own: Pid, files: &HashSet<FileId>) -> Peers {
    let mut peers = Peers::default();
    let Ok(entries) = std::fs::read_dir("/proc") else { return peers };
    let mut pids: Vec<Pid> =
        entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(Pid)).collect();
    pids.sort();
    for pid in pids.into_iter().filter(|pid| *pid != own) {
        let dir = PathBuf::from(format!("/proc/{pid}"));
        let text = match std::fs::read(dir.join("maps")) {
            Ok(text) => text,
            Err(error) => {
                // One that ended meanwhile is no peer.
                peers.unseen += usize::from(error.kind() == std::io::ErrorKind::PermissionDenied);
                continue;
            }
        };
        let mut sizes: HashMap<FileId, u64> = HashMap::new();
        for row in proc_text::maps(&text).flatten().filter(|row| files.contains(&row.file)) {
            *sizes.entry(row.file).or_default() += row.range.len();
        }
        if sizes.is_empty() {
            continue;
        }
        let comm = std::fs::read(dir.join("comm")).unwrap_or_default();
        let name: Arc<[u8]> = comm.strip_suffix(b"\n").unwrap_or(&comm).into();
        for (file, size) in sizes {
            peers.by_file.entry(file).or_default().push(Peer { pid, name: name.clone(), size });
        }
    }
    peers
}

/// Tells whether a process has the same System V segments as we: the same IPC namespace.
pub fn shares_ipc(pid: Pid) -> bool {
    let namespace = |process: &str| std::fs::read_link(format!("/proc/{process}/ns/ipc")).ok();
    namespace("self").is_some_and(|own| namespace(&pid.to_string()) == Some(own))
}
