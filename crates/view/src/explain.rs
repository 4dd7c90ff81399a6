//! What is at one address, and by which rule.

use abi::{AddrRange, FileId, PAGE_SIZE, Prot, VirtAddr};
use serde::Serialize;
use snapshot::{Backing, Leaf, Mapping, Origin, Sharing, Snapshot, classify};

use crate::map::{LeafLine, leaf_line, permissions};
use crate::words::{bytes, printable};

/// What is at one address.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Explanation {
    /// The address, in hex.
    pub address: String,
    /// What it belongs to; `None` if nothing is mapped there.
    pub leaf: Option<LeafLine>,
    /// The mapping as the kernel writes it; empty if nothing is mapped there.
    pub mapping: String,
    /// Its attributes, such as `dynamic`, `anonymous`, `private`.
    pub attributes: Vec<&'static str>,
    /// Where in its file the byte is, if it is of a file.
    pub file_offset: Option<u64>,
    /// What reading, writing and executing there would do.
    pub accesses: Vec<Access>,
    /// The mapping below and how far its end is, the mapping above and how far its start is.
    pub neighbours: Vec<String>,
}

/// What an access would do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Access {
    /// The access.
    pub access: &'static str,
    /// What it would do.
    pub outcome: Outcome,
    /// In words.
    pub words: String,
}

/// What an access would do, as far as the map alone decides it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is allowed.
    Allowed,
    /// The process gets SIGSEGV with `SEGV_ACCERR`.
    Forbidden,
    /// The process gets SIGSEGV with `SEGV_MAPERR`.
    NotMapped,
    /// The stack may grow so far that the address is mapped.
    MayGrow,
}

impl Explanation {
    /// Explains an address.
    pub fn new(snapshot: &Snapshot, address: VirtAddr) -> Self {
        let leaves = classify(snapshot);
        let leaf = leaves.iter().find(|leaf| leaf.range.contains(address));
        let at = snapshot.mappings.partition_point(|m| m.range.end <= address);
        let mapping = leaf.map(|leaf| &snapshot.mappings[leaf.mapping]);
        Self {
            address: address.to_string(),
            leaf: leaf.map(|leaf| leaf_line(snapshot, leaf)),
            mapping: mapping.map(line).unwrap_or_default(),
            attributes: leaf.map(|leaf| attributes(snapshot, leaf)).unwrap_or_default(),
            file_offset: mapping
                .filter(|mapping| mapping.file != FileId::default())
                .map(|mapping| mapping.offset.0 + (address.0 - mapping.range.start.0)),
            accesses: accesses(snapshot, mapping, at),
            neighbours: neighbours(snapshot, address, at, mapping.is_some()),
        }
    }
}

fn line(mapping: &Mapping) -> String {
    format!(
        "{} {} {:08x} {} {} {}",
        mapping.range,
        permissions(mapping),
        mapping.offset.0,
        mapping.file.dev,
        mapping.file.ino,
        printable(&mapping.name)
    )
}

fn attributes(snapshot: &Snapshot, leaf: &Leaf) -> Vec<&'static str> {
    let nature = leaf.nature(snapshot);
    vec![
        match nature.origin {
            Origin::Static => "static",
            Origin::Dynamic => "dynamic",
        },
        match nature.backing {
            Backing::File => "file-backed",
            Backing::Anonymous => "anonymous",
        },
        match nature.sharing {
            Sharing::Private => "private",
            Sharing::Shared => "shared",
        },
    ]
}

fn accesses(snapshot: &Snapshot, mapping: Option<&Mapping>, at: usize) -> Vec<Access> {
    let kinds = [("read", Prot::READ), ("write", Prot::WRITE), ("execute", Prot::EXEC)];
    let access = |(access, right)| {
        let (outcome, words) = match mapping {
            Some(mapping) => of_mapping(mapping, right),
            None => of_nothing(snapshot, at),
        };
        Access { access, outcome, words }
    };
    kinds.into_iter().map(access).collect()
}

fn of_mapping(mapping: &Mapping, right: Prot) -> (Outcome, String) {
    // On x86-64 a page that may be written or executed may be read as well.
    let is_allowed = mapping.prot.contains(right)
        || right == Prot::READ && mapping.prot.intersects(Prot::WRITE.with(Prot::EXEC));
    if !is_allowed {
        return (Outcome::Forbidden, "SIGSEGV (SEGV_ACCERR): the mapping does not permit it".into());
    }
    let has_file = mapping.file != FileId::default();
    let words = match (right, mapping.shared, has_file) {
        (Prot::WRITE, false, true) => "allowed; the page is copied first, the file never changes",
        (Prot::WRITE, true, _) => "allowed; everyone who maps it sees the write",
        (_, _, true) => "allowed; SIGBUS on pages past the end of the file",
        _ => "allowed",
    };
    (Outcome::Allowed, words.into())
}

fn of_nothing(snapshot: &Snapshot, at: usize) -> (Outcome, String) {
    match snapshot.mappings.get(at).filter(|above| *above.name == *b"[stack]") {
        Some(_) => (Outcome::MayGrow, "the stack above may grow down to here, within its limit".into()),
        None => (Outcome::NotMapped, "SIGSEGV (SEGV_MAPERR): nothing is mapped there".into()),
    }
}

fn neighbours(snapshot: &Snapshot, address: VirtAddr, at: usize, is_mapped: bool) -> Vec<String> {
    let page = AddrRange::new(address.page_down(), VirtAddr(address.page_down().0.saturating_add(PAGE_SIZE)));
    let own = snapshot.mappings.get(at).filter(|_| is_mapped).map_or(page, |mapping| mapping.range);
    let below = at.checked_sub(1).and_then(|below| snapshot.mappings.get(below));
    let above = snapshot.mappings.get(at + usize::from(is_mapped));
    let mut texts = Vec::new();
    if let Some(above) = above {
        let gap = above.range.start.0.saturating_sub(own.end.0);
        texts.push(format!("above, after {}: {}", bytes(gap), line(above)));
    }
    if let Some(below) = below {
        let gap = own.start.0.saturating_sub(below.range.end.0);
        texts.push(format!("below, after {}: {}", bytes(gap), line(below)));
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"\
00400000-00401000 r-xp 00001000 08:01 7                                  /bin/p\n\
7ffe00000000-7ffe00021000 rw-p 00000000 00:00 0                          [stack]\n";

    fn outcomes(address: u64) -> Vec<Outcome> {
        let snapshot = Snapshot::from_maps_text(TEXT).expect("good text");
        let explanation = Explanation::new(&snapshot, VirtAddr(address));
        explanation.accesses.iter().map(|access| access.outcome).collect()
    }

    #[test]
    fn accesses_follow_the_map() {
        use Outcome::{Allowed, Forbidden, MayGrow, NotMapped};
        assert_eq!(outcomes(0x40_0123), [Allowed, Forbidden, Allowed]);
        assert_eq!(outcomes(0x1000), [NotMapped; 3]);
        assert_eq!(outcomes(0x7ffd_ffff_f000), [MayGrow; 3]);
        assert_eq!(outcomes(0x7ffe_0000_0000), [Allowed, Allowed, Forbidden]);
    }

    #[test]
    fn a_byte_of_a_file_has_its_offset() {
        let snapshot = Snapshot::from_maps_text(TEXT).expect("good text");
        let explanation = Explanation::new(&snapshot, VirtAddr(0x40_0123));
        assert_eq!(explanation.file_offset, Some(0x1123));
        assert_eq!(explanation.attributes, ["static", "file-backed", "private"]);
        assert_eq!(explanation.neighbours.len(), 1);
    }
}
