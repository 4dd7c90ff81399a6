//! What is mapped executable in each memory, as the events tell it.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use abi::{AddrRange, Call, DevId, FileId, FileOff, MapFlags, Prot, Tid, VirtAddr};
use recording::{Body, CallEvent, CallInput, Event, MmId, SpawnKind};
use stacks::{Code, CodeMap, ObjectFile};

/// The executable mappings of all memories.
#[derive(Debug, Default)]
pub(super) struct Follow {
    maps: HashMap<MmId, CodeMap>,
    objects: HashMap<FileId, Option<Arc<ObjectFile>>>,
    /// How many threads each memory has.
    users: HashMap<MmId, u64>,
    /// Counts the changes of all maps.
    changes: u64,
}

impl Follow {
    pub(super) fn map(&self, mm: MmId) -> Option<&CodeMap> {
        self.maps.get(&mm)
    }

    /// A number that is another one whenever any map has changed.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// Takes an event in.
    pub(super) fn see(&mut self, event: &Event) {
        let mm = event.mm;
        match &event.body {
            Body::Exec(exec) => {
                self.changes += 1;
                self.maps.insert(mm, CodeMap::new());
                self.users.insert(mm, 1);
                self.leave(exec.former_mm);
            }
            Body::Spawn(spawn) => {
                *self.users.entry(spawn.child_mm).or_insert(0) += 1;
                if spawn.kind == SpawnKind::Fork
                    && let Some(map) = self.maps.get(&mm)
                {
                    let map = map.clone();
                    self.maps.insert(spawn.child_mm, map);
                }
            }
            Body::Exit { .. } => self.leave(mm),
            Body::Checkpoint(checkpoint) => {
                let rows = checkpoint.maps.iter().filter(|row| row.prot.contains(Prot::EXEC));
                let rows: Vec<_> =
                    rows.map(|row| (row.range, row.offset, row.file, row.name.clone())).collect();
                let mut map = CodeMap::new();
                for (range, offset, file, name) in rows {
                    map.insert(self.code(event.tid, range, offset, file, &name));
                }
                self.changes += 1;
                self.maps.insert(mm, map);
            }
            Body::Mapped(mapped) if mapped.prot.contains(Prot::EXEC) => {
                let code = self.code(event.tid, mapped.range, mapped.offset, mapped.file, &mapped.name);
                self.insert(mm, code);
            }
            Body::Call(call) => self.call(event.tid, mm, call),
            _ => {}
        }
    }

    fn leave(&mut self, mm: MmId) {
        if let Some(users) = self.users.get_mut(&mm) {
            *users = users.saturating_sub(1);
            if *users == 0 {
                self.users.remove(&mm);
                self.maps.remove(&mm);
            }
        }
    }

    /// A call of which the address is known before its result.
    fn call(&mut self, tid: Tid, mm: MmId, event: &CallEvent) {
        let of = |addr: VirtAddr, len: u64| AddrRange::from_len(addr, VirtAddr(len).page_up_wrapping().0);
        match event.call {
            Call::Mmap { addr, len, prot, flags, offset, .. } if flags.contains(MapFlags::FIXED) => {
                let Some(range) = of(addr, len) else { return };
                match (&event.input, prot.contains(Prot::EXEC)) {
                    (CallInput::File(file), true) => {
                        let code = self.code(tid, range, FileOff(offset), file.id, &file.path);
                        self.insert(mm, code);
                    }
                    (_, true) => self.insert(mm, Code { range, offset: FileOff(0), object: None }),
                    _ => self.remove(mm, range),
                }
            }
            Call::Munmap { addr, len } => {
                if let Some(range) = of(addr, len) {
                    self.remove(mm, range);
                }
            }
            Call::Mprotect { addr, len, prot } | Call::PkeyMprotect { addr, len, prot, .. } => {
                // What a file's pages hold is known already; what becomes code otherwise was made by the program.
                if let Some(range) = of(addr, len)
                    && prot.contains(Prot::EXEC)
                    && self.maps.get(&mm).is_some_and(|map| map.find(range.start).is_none())
                {
                    self.insert(mm, Code { range, offset: FileOff(0), object: None });
                }
            }
            _ => {}
        }
    }

    fn insert(&mut self, mm: MmId, code: Code) {
        self.changes += 1;
        self.maps.entry(mm).or_default().insert(code);
    }

    fn remove(&mut self, mm: MmId, range: AddrRange) {
        if self.maps.get_mut(&mm).is_some_and(|map| map.remove(range)) {
            self.changes += 1;
        }
    }

    fn code(&mut self, tid: Tid, range: AddrRange, offset: FileOff, file: FileId, name: &[u8]) -> Code {
        let object = if file.ino == 0 {
            None
        } else {
            self.objects.entry(file).or_insert_with(|| open(tid, file, name)).clone()
        };
        Code { range, offset, object }
    }
}

/// Opens a mapped file, if what is at its path is still the same file: as we see it, or as the process does.
fn open(tid: Tid, file: FileId, name: &[u8]) -> Option<Arc<ObjectFile>> {
    let path = Path::new(OsStr::from_bytes(name));
    let inside = Path::new("/proc").join(tid.to_string()).join("root").join(path.strip_prefix("/").ok()?);
    [path, &inside].into_iter().find_map(|path| {
        let metadata = path.metadata().ok()?;
        let device = metadata.dev();
        let dev = DevId { major: major(device), minor: minor(device) };
        // File systems with many devices tell another one in maps: there the inode must do.
        let is_same = metadata.ino() == file.ino && (dev == file.dev || dev.major == 0);
        ObjectFile::open(path).ok().filter(|_| is_same).map(Arc::new)
    })
}

fn major(device: u64) -> u32 {
    ((device >> 8 & 0xfff) | (device >> 32 & !0xfff)) as u32
}

fn minor(device: u64) -> u32 {
    ((device & 0xff) | (device >> 12 & !0xff)) as u32
}
