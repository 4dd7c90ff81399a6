//! What a process shares with others: shared memory and files, and who else maps them.

use std::collections::{BTreeMap, HashSet};

use abi::FileId;
use serde::Serialize;
use snapshot::{Kind, Leaf, Mapping, MappingSums, Peers, Snapshot, classify};

use crate::words::{Word, printable};

/// What a process shares.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct PeersView {
    /// What was asked for.
    pub target: String,
    /// The process.
    pub pid: i32,
    /// Its name.
    pub program: String,
    /// One for each file or piece of shared memory, by address.
    pub shared: Vec<SharedRow>,
    /// How many processes could not be looked into.
    pub unseen: u64,
}

/// A file or a piece of shared memory.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct SharedRow {
    /// Its kind's name for programs.
    pub kind: Word,
    /// What it is, in words.
    pub what: String,
    /// Its first address in the process, in hex.
    pub start: String,
    /// Its size in the process's map, in bytes.
    pub size: u64,
    /// Resident in the process.
    pub rss: Option<u64>,
    /// Resident, each page divided by the number of its users.
    pub pss: Option<u64>,
    /// Of a System V segment: its key (0 for `IPC_PRIVATE`), its id, and how many mappings it has in all processes.
    pub sysv: Option<SysvRow>,
    /// The other processes that map it.
    pub peers: Vec<PeerRow>,
}

/// A System V segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct SysvRow {
    /// Its key.
    pub key: u32,
    /// Its id.
    pub id: u64,
    /// How many mappings it has; `None` if the process's segments are not ours to ask for.
    pub attached: Option<u64>,
}

/// Another process.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct PeerRow {
    /// The process.
    pub pid: i32,
    /// Its name.
    pub program: String,
    /// How much of it that process maps, in bytes.
    pub size: u64,
}

/// A file's mappings added up.
struct Sum<'a> {
    kind: Kind,
    first: &'a Mapping,
    size: u64,
    sums: Option<MappingSums>,
}

impl PeersView {
    /// The files to look for in other processes.
    pub fn files(snapshot: &Snapshot) -> HashSet<FileId> {
        sums(snapshot).into_iter().map(|(file, _)| file).collect()
    }

    /// Puts together what was found. `segments`: the System V segments of the process's namespace, where they can be
    /// asked for.
    pub fn new(
        pid: i32,
        program: String,
        snapshot: &Snapshot,
        peers: &Peers,
        segments: Option<&[proc_text::SysvShmRow]>,
    ) -> Self {
        let rows = sums(snapshot).into_iter().map(|(file, sum)| {
            let sysv = sysv(&sum, file, segments);
            let others = peers.by_file.get(&file).into_iter().flatten().map(|peer| PeerRow {
                pid: peer.pid.0,
                program: printable(&peer.name),
                size: peer.size,
            });
            SharedRow {
                kind: sum.kind.slug(),
                what: what(&sum, sysv),
                start: sum.first.range.start.to_string(),
                size: sum.size,
                rss: sum.sums.and_then(|sums| sums.rss),
                pss: sum.sums.and_then(|sums| sums.pss),
                sysv,
                peers: others.collect(),
            }
        });
        let target = pid.to_string();
        Self { target, pid, program, shared: rows.collect(), unseen: peers.unseen as u64 }
    }
}

/// What is shared, by the address of its first mapping.
fn sums(snapshot: &Snapshot) -> Vec<(FileId, Sum<'_>)> {
    let is_shared = |leaf: &&Leaf| {
        matches!(leaf.kind, Kind::SharedFile | Kind::SysvShm | Kind::MemoryFile | Kind::SharedAnonymous)
    };
    let mut by_file: BTreeMap<FileId, Sum<'_>> = BTreeMap::new();
    for leaf in classify(snapshot).iter().filter(is_shared) {
        let mapping = &snapshot.mappings[leaf.mapping];
        if mapping.file == FileId::default() {
            continue;
        }
        let sums = snapshot.sums.get(leaf.mapping);
        match by_file.get_mut(&mapping.file) {
            Some(sum) => {
                sum.size += leaf.range.len();
                if let (Some(all), Some(more)) = (&mut sum.sums, sums) {
                    all.add(more);
                }
            }
            None => {
                let sum =
                    Sum { kind: leaf.kind, first: mapping, size: leaf.range.len(), sums: sums.copied() };
                by_file.insert(mapping.file, sum);
            }
        }
    }
    let mut all: Vec<_> = by_file.into_iter().collect();
    all.sort_by_key(|(_, sum)| sum.first.range.start);
    all
}

/// The segment behind a mapping: its inode is the id, its name holds the key (`/SYSV0000002a`).
fn sysv(sum: &Sum<'_>, file: FileId, segments: Option<&[proc_text::SysvShmRow]>) -> Option<SysvRow> {
    if sum.kind != Kind::SysvShm {
        return None;
    }
    let name = proc_text::without_deleted(&sum.first.name);
    let digits = std::str::from_utf8(name.strip_prefix(b"/SYSV")?).ok()?;
    let row = segments.and_then(|segments| segments.iter().find(|row| row.id == file.ino));
    Some(SysvRow {
        key: u32::from_str_radix(digits, 16).ok()?,
        id: file.ino,
        attached: row.map(|row| row.attached),
    })
}

fn what(sum: &Sum<'_>, sysv: Option<SysvRow>) -> String {
    let name = proc_text::without_deleted(&sum.first.name);
    let is_deleted = proc_text::is_deleted(&sum.first.name);
    if let Some(SysvRow { key, id, .. }) = sysv {
        return match key {
            0 => format!("System V segment {id}, without a key"),
            key => format!("System V segment {id}, key {key:#010x}"),
        };
    }
    if let Some(name) = name.strip_prefix(b"/dev/shm/") {
        let removed = if is_deleted { ", unlinked" } else { "" };
        return format!("POSIX shared memory /{}{removed}", printable(name));
    }
    if let Some(name) = name.strip_prefix(b"/memfd:") {
        return format!("memfd {}", printable(name));
    }
    if let Some(name) = name.strip_prefix(b"[anon_shmem:") {
        return format!(
            "shared anonymous memory named {}",
            printable(name.strip_suffix(b"]").unwrap_or(name))
        );
    }
    match sum.kind {
        Kind::SharedAnonymous => "shared anonymous memory".to_owned(),
        _ => printable(&sum.first.name),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn names_keys_and_peers() {
        let text = b"1000-2000 rw-s 0 0:1 3 /SYSVdeadbeef (deleted)\nRss: 4 kB\nPss: 2 kB\n\
            2000-4000 rw-s 0 0:1 9 /memfd:pool (deleted)\nRss: 8 kB\nPss: 8 kB\n\
            5000-6000 rw-s 0 0:2 7 /dev/shm/ring\nRss: 0 kB\nPss: 0 kB\n\
            6000-7000 rw-s 0 0:1 8 /dev/zero (deleted)\nRss: 0 kB\nPss: 0 kB\n\
            8000-9000 rw-s 1000 0:1 9 /memfd:pool (deleted)\nRss: 4 kB\nPss: 4 kB\n\
            a000-b000 rw-p 0 8:1 7 /lib/l.so\nRss: 4 kB\nPss: 4 kB\n";
        let snapshot = Snapshot::from_maps_text(text).expect("good text");
        let files = PeersView::files(&snapshot);
        assert_eq!(files.len(), 4);
        let segment = snapshot.mappings[0].file;
        let peer = snapshot::Peer { pid: abi::Pid(8), name: b"other"[..].into(), size: 4096 };
        let peers = Peers { by_file: HashMap::from([(segment, vec![peer])]), unseen: 1 };
        let rows = [proc_text::SysvShmRow { key: 0xdead_beef, id: 3, bytes: 4096, attached: 2 }];
        let view = PeersView::new(1, "p".into(), &snapshot, &peers, Some(&rows));
        let shown: Vec<_> =
            view.shared.iter().map(|row| (row.what.as_str(), row.size, row.peers.len())).collect();
        assert_eq!(
            shown,
            [
                ("System V segment 3, key 0xdeadbeef", 0x1000, 1),
                ("memfd pool", 0x3000, 0),
                ("POSIX shared memory /ring", 0x1000, 0),
                ("shared anonymous memory", 0x1000, 0),
            ]
        );
        assert_eq!(view.shared[0].sysv.and_then(|row| row.attached), Some(2));
        assert_eq!((view.shared[1].rss, view.unseen), (Some(12 << 10), 1));
    }
}
