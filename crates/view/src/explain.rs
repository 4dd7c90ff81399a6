//! What is at one address, and by which rule.

use abi::{AddrRange, FileId, PAGE_SIZE, VirtAddr};
use proc_text::PagemapEntry;
use serde::Serialize;
use snapshot::{
    ArenaRole, Backing, ChunkState, Kind, Leaf, Mapping, Memory, Origin, Sharing, Snapshot, classify,
};

mod access;

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
    /// Its page, in words, where page tables can be asked.
    pub page: Option<String>,
    /// Section, symbol and line of the source, where the files tell.
    #[serde(flatten)]
    pub place: Place,
    /// The allocator's chunk, in words.
    pub chunk: Option<String>,
    /// What reading, writing and executing there would do.
    pub accesses: Vec<Access>,
    /// What the first address past the mapping's end is, in words.
    pub past_end: Option<String>,
    /// What happened to the address, in order; only of recordings.
    pub story: Vec<crate::story::StoryLine>,
    /// The mapping below and how far its end is, the mapping above and how far its start is.
    pub neighbours: Vec<String>,
}

/// What files say of an address in an object.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Place {
    /// The section and the offset in it.
    pub section: Option<String>,
    /// The symbol and the offset in it.
    pub symbol: Option<String>,
    /// Lines of the source: those of inlined functions first.
    pub source: Vec<String>,
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
    /// The process gets SIGSEGV with `SI_KERNEL` and no address: the processor takes none like this.
    NotAnAddress,
    /// The stack may grow so far that the address is mapped.
    MayGrow,
}

impl Explanation {
    /// Explains an address. `memory` is asked for the page and the allocator's chunk; `stack_limit` is how large the
    /// main stack may become, where that is known.
    pub fn new(
        snapshot: &Snapshot,
        memory: &dyn Memory,
        address: VirtAddr,
        stack_limit: Option<u64>,
    ) -> Self {
        let leaves = classify(snapshot);
        let leaf = leaves.iter().find(|leaf| leaf.range.contains(address));
        let at = snapshot.mappings.partition_point(|m| m.range.end <= address);
        let mapping = leaf.map(|leaf| &snapshot.mappings[leaf.mapping]);
        let page = mapping.and_then(|_| memory.page(address));
        Self {
            address: address.to_string(),
            leaf: leaf.map(|leaf| leaf_line(snapshot, leaf)),
            mapping: mapping.map(line).unwrap_or_default(),
            attributes: leaf.map(|leaf| attributes(snapshot, leaf)).unwrap_or_default(),
            file_offset: mapping
                .filter(|mapping| mapping.file != FileId::default())
                .and_then(|mapping| mapping.offset.0.checked_add(address.0 - mapping.range.start.0)),
            page: page.map(page_words),
            place: Place::default(),
            chunk: chunk(snapshot, memory, leaf, address),
            accesses: access::accesses(snapshot, address, page, stack_limit),
            past_end: mapping.map(|mapping| past_end(snapshot, mapping, at)),
            story: Vec::new(),
            neighbours: neighbours(snapshot, address, at, mapping.is_some()),
        }
    }
}

/// A page in words.
fn page_words(page: PagemapEntry) -> String {
    if page.is_guard() {
        return "a guard marker: whoever touches it gets SIGSEGV".into();
    }
    if page.is_swapped() {
        return "in swap".into();
    }
    if !page.is_present() {
        return "not there".into();
    }
    let whose = match (page.is_file(), page.is_exclusive()) {
        (true, true) => "of a file or shared memory, mapped here alone",
        (true, false) => "of a file or shared memory, mapped by others too",
        (false, true) => "of no file, this process's own",
        (false, false) => "of no file, shared until someone writes (after fork, or the page of zeros)",
    };
    format!("in memory, {whose}")
}

/// The allocator's chunk at an address, in words.
fn chunk(snapshot: &Snapshot, memory: &dyn Memory, leaf: Option<&Leaf>, address: VirtAddr) -> Option<String> {
    match leaf?.kind {
        Kind::LargeBlock => {
            let block = snapshot.malloc.as_ref()?.blocks.iter().find(|block| block.contains(address))?;
            let inside = address.0 - block.start.0;
            let size = bytes(block.len());
            return Some(format!("{inside:#x} into a block of {size} with a mapping of its own: in use"));
        }
        Kind::Heap | Kind::Arena => {}
        _ => return None,
    }
    let (chunk, arena) = snapshot::chunk_at(snapshot, memory, address)?;
    let state = match chunk.state {
        ChunkState::InUse => "in use",
        ChunkState::Cached => "free, kept by a thread (tcache)",
        ChunkState::Fast => "free, in a fast bin",
        ChunkState::Unsorted => "free, not yet sorted into a bin",
        ChunkState::Small => "free, in a bin of one size",
        ChunkState::Large => "free, in a bin of several sizes",
        ChunkState::Top => "the top: free, never handed out or given back",
    };
    let whose = match arena.role {
        ArenaRole::Main => "the main arena".to_owned(),
        ArenaRole::Thread => format!("the arena at {}", arena.state),
    };
    let inside = address.0 - chunk.range.start.0;
    let part = if inside < 16 { "in the header" } else { "in the memory" };
    let size = bytes(chunk.range.len());
    let from = VirtAddr(chunk.range.start.0 + 16);
    Some(format!("{state}; {size} of {whose}, memory from {from}; the address is {part}"))
}

/// What stands right behind a mapping.
fn past_end(snapshot: &Snapshot, mapping: &Mapping, at: usize) -> String {
    let end = mapping.range.end;
    match snapshot.mappings.get(at + 1).filter(|next| next.range.start == end) {
        Some(next) => format!("{end} is in the next mapping: {}", short_line(next)),
        None => format!("{end}: SIGSEGV (SEGV_MAPERR), nothing is mapped there"),
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

/// What tells a mapping from its neighbours.
fn short_line(mapping: &Mapping) -> String {
    let text = format!("{} {} {}", mapping.range, permissions(mapping), printable(&mapping.name));
    text.trim_end().to_owned()
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

fn neighbours(snapshot: &Snapshot, address: VirtAddr, at: usize, is_mapped: bool) -> Vec<String> {
    let page = AddrRange::new(address.page_down(), VirtAddr(address.page_down().0.saturating_add(PAGE_SIZE)));
    let own = snapshot.mappings.get(at).filter(|_| is_mapped).map_or(page, |mapping| mapping.range);
    let below = at.checked_sub(1).and_then(|below| snapshot.mappings.get(below));
    let above = snapshot.mappings.get(at + usize::from(is_mapped));
    let mut texts = Vec::new();
    if let Some(above) = above {
        let gap = above.range.start.0.saturating_sub(own.end.0);
        texts.push(format!("above, after {}: {}", bytes(gap), short_line(above)));
    }
    if let Some(below) = below {
        let gap = own.start.0.saturating_sub(below.range.end.0);
        texts.push(format!("below, after {}: {}", bytes(gap), short_line(below)));
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"\
00400000-00401000 r-xp 00001000 08:01 7                                  /bin/p\n\
7ffe00000000-7ffe00021000 rw-p 00000000 00:00 0                          [stack]\n";

    #[test]
    fn what_is_past_the_end_is_told() {
        let snapshot = Snapshot::from_maps_text(TEXT).expect("good text");
        let past = |address| Explanation::new(&snapshot, &(), VirtAddr(address), None).past_end;
        assert!(past(0x40_0123).expect("it is mapped").starts_with("0x401000: SIGSEGV"));
        assert_eq!(past(0x1000), None);
    }

    #[test]
    fn an_offset_past_the_end_of_all_files_is_none() {
        let text = b"1000-3000 r--p fffffffffffff000 08:01 7 /f\n";
        let snapshot = Snapshot::from_maps_text(text).expect("good text");
        let offset = |at| Explanation::new(&snapshot, &(), VirtAddr(at), None).file_offset;
        assert_eq!((offset(0x1001), offset(0x2000)), (Some(0xffff_ffff_ffff_f001), None));
    }

    #[test]
    fn pages_are_told_in_words() {
        assert_eq!(page_words(PagemapEntry(1 << 63 | 1 << 56)), "in memory, of no file, this process's own");
        assert!(page_words(PagemapEntry(1 << 58)).starts_with("a guard marker"));
    }

    #[test]
    fn a_byte_of_a_file_has_its_offset() {
        let snapshot = Snapshot::from_maps_text(TEXT).expect("good text");
        let explanation = Explanation::new(&snapshot, &(), VirtAddr(0x40_0123), None);
        assert_eq!(explanation.file_offset, Some(0x1123));
        assert_eq!(explanation.attributes, ["static", "file-backed", "private"]);
        assert_eq!(explanation.neighbours.len(), 1);
    }
}
