//! Every mapping in words, and the ranges of one kind in it.

use abi::{AddrRange, Prot};
use serde::{Deserialize, Serialize};
use snapshot::{Leaf, Mapping, Owner, PageSums, Snapshot};

use super::sums::{MapSums, from_pages};
use crate::saved;
use crate::words::{Word, printable};

/// A mapping.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MappingLine {
    /// Where.
    #[serde(skip)]
    pub range: AddrRange,
    /// Its first address, in hex.
    pub start: String,
    /// The address past its end, in hex.
    pub end: String,
    /// Its permissions as the kernel writes them: `rw-p`.
    pub permissions: String,
    /// Offset into the file in bytes.
    pub offset: u64,
    /// Its device as the kernel writes it.
    pub device: String,
    /// Its inode, 0 for none.
    pub inode: u64,
    /// Its name as the kernel writes it, empty for none.
    pub name: String,
    /// Bytes between the end of the mapping before and this one.
    pub gap_before: u64,
    /// Its sums.
    #[serde(flatten)]
    pub sums: MapSums,
    /// What it holds, ascending; at least one.
    pub leaves: Vec<LeafLine>,
}

/// A range of one kind.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LeafLine {
    /// Its first address, in hex.
    pub start: String,
    /// The address past its end, in hex.
    pub end: String,
    /// Its size in bytes.
    pub size: u64,
    /// The kind's name for programs.
    #[serde(deserialize_with = "saved::kind")]
    pub kind: Word,
    /// The kind's name for people.
    #[serde(skip)]
    pub name: Word,
    /// To whom it belongs, empty if that is not known.
    pub owner: String,
    /// Why it is of this kind.
    pub rule: String,
}

/// Every mapping with what it holds, ascending.
pub(super) fn mappings(snapshot: &Snapshot, leaves: &[Leaf]) -> Vec<MappingLine> {
    let mut before = abi::VirtAddr::NULL;
    let lines = leaves.chunk_by(|a, b| a.mapping == b.mapping).map(|of_one| {
        let index = of_one[0].mapping;
        let mapping = &snapshot.mappings[index];
        let gap_before = mapping.range.start.0 - before.0;
        before = mapping.range.end;
        let of_pages = || Some(from_pages(PageSums::within(snapshot.pages.as_ref()?, mapping.range)));
        let sums = snapshot.sums.get(index).copied().or_else(of_pages).unwrap_or_default();
        MappingLine {
            range: mapping.range,
            start: mapping.range.start.to_string(),
            end: mapping.range.end.to_string(),
            permissions: permissions(mapping),
            offset: mapping.offset.0,
            device: mapping.file.dev.to_string(),
            inode: mapping.file.ino,
            name: printable(&mapping.name),
            gap_before,
            sums: MapSums {
                in_core: snapshot.held_within(mapping.range),
                ..MapSums::from_kernel(mapping.range.len(), 1, sums)
            },
            leaves: of_one.iter().map(|leaf| leaf_line(snapshot, leaf)).collect(),
        }
    });
    lines.collect()
}

/// The permissions as the kernel writes them.
pub(crate) fn permissions(mapping: &Mapping) -> String {
    permissions_of(mapping.prot, mapping.shared)
}

/// The permissions as the kernel writes them.
pub(crate) fn permissions_of(prot: Prot, is_shared: bool) -> String {
    let letter = |bit, letter| if prot.contains(bit) { letter } else { '-' };
    let letters = [letter(Prot::READ, 'r'), letter(Prot::WRITE, 'w'), letter(Prot::EXEC, 'x')];
    letters.into_iter().chain([if is_shared { 's' } else { 'p' }]).collect()
}

/// A leaf in words.
pub(crate) fn leaf_line(snapshot: &Snapshot, leaf: &Leaf) -> LeafLine {
    LeafLine {
        start: leaf.range.start.to_string(),
        end: leaf.range.end.to_string(),
        size: leaf.range.len(),
        kind: leaf.kind.slug(),
        name: leaf.kind.name(),
        owner: owner(snapshot, leaf),
        rule: leaf.rule.to_string(),
    }
}

fn owner(snapshot: &Snapshot, leaf: &Leaf) -> String {
    match leaf.owner {
        Some(Owner::Object(object)) => printable(&snapshot.objects[object].path),
        Some(Owner::Thread(tid)) => {
            let name = snapshot.threads.iter().find(|thread| thread.tid == tid).map(|thread| &thread.name);
            let name = name.filter(|name| !name.is_empty());
            name.map_or_else(|| format!("thread {tid}"), |name| format!("thread {tid} ({})", printable(name)))
        }
        None => String::new(),
    }
}

/// One process of several.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ProcessLine {
    /// The process.
    pub pid: Option<i32>,
    /// Its name.
    pub program: String,
    /// Its sums.
    #[serde(flatten)]
    pub sums: MapSums,
}
