//! The lines of `/proc/PID/maps` of a twin.

use std::sync::Arc;

use abi::FileId;
use mm::{ObjectId, Vma};
use proc_twin::{Line, NAMELESS, NAMELESS_HUGE, Name};
use recording::{Bytes, MapRow};

use super::Twin;

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

    /// Learns from the kernel's lines which file the kernel made for each nameless mapping: an input.
    /// Returns how many were learnt.
    pub fn learn_nameless(&mut self, kernel: &[MapRow]) -> u64 {
        let mut learnt = 0;
        let is_nameless = |row: &&MapRow| row.shared && *row.name == *NAMELESS || *row.name == *NAMELESS_HUGE;
        for row in kernel.iter().filter(is_nameless) {
            let nameless =
                self.space.find(row.range.start).and_then(|vma| match vma.backing.file()?.object {
                    ObjectId::Nameless(no) => Some(no),
                    ObjectId::File(_) => None,
                });
            let Some(no) = nameless.filter(|no| !self.nameless.contains_key(no)) else { continue };
            Arc::make_mut(&mut self.nameless).insert(no, row.file);
            learnt += 1;
        }
        learnt
    }
}
