//! The lines of `/proc/PID/maps` of a twin.

use std::sync::Arc;

use abi::FileId;
use mm::{ObjectId, Vma};
use proc_twin::{Line, Name};
use recording::{Bytes, MapRow};

use super::Twin;

/// How the names of files end that no folder holds.
const DELETED: &[u8] = b" (deleted)";

impl Twin {
    /// The line of one mapping.
    pub(super) fn row(&self, vma: &Vma) -> MapRow {
        let Line { range, prot, shared, offset, object, name } = Line::of(&self.space, vma);
        let file = match object {
            None => FileId::default(),
            Some(ObjectId::File(id)) => id,
            Some(ObjectId::Nameless(number)) => self.nameless.get(&number).copied().unwrap_or_default(),
        };
        let name = match name {
            Name::Fixed(b"") => Bytes::default(),
            Name::Fixed(name) => name.into(),
            Name::Given(before, name) => [before, name, b"]"].concat().into(),
            Name::Path(id) => self.paths.get(&id).cloned().unwrap_or_default(),
        };
        MapRow { range, prot, shared, offset, file, name }
    }

    /// Learns from the kernel's lines which file the kernel made for each mapping of memory that has no name of its
    /// own (shared anonymous memory, huge pages of a pool, rings of AIO contexts): an input.
    /// Returns how many were learnt.
    pub fn learn_nameless(&mut self, kernel: &[MapRow]) -> u64 {
        let mut learnt = 0;
        for row in kernel.iter().filter(|row| row.name.ends_with(DELETED)) {
            let Some(vma) = self.space.find(row.range.start) else { continue };
            let Some(ObjectId::Nameless(no)) = vma.backing.file().map(|file| file.object) else { continue };
            if !self.nameless.contains_key(&no) && self.row(vma).name == row.name {
                Arc::make_mut(&mut self.nameless).insert(no, row.file);
                learnt += 1;
            }
        }
        learnt
    }
}
