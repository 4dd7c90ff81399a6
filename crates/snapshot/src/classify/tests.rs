//! Tests of the division: on drawn maps, and on our own.

use std::sync::Arc;

use abi::{AddrRange, DevId, FileId, FileOff, Prot, Tid, VirtAddr};
use elf::Segment;

use super::*;
use crate::totals::Totals;
use crate::value::{Mapping, Object, StackArea, Thread};

fn range(start: u64, end: u64) -> AddrRange {
    AddrRange::new(VirtAddr(start), VirtAddr(end))
}

fn file(ino: u64) -> FileId {
    FileId { dev: DevId { major: 8, minor: 1 }, ino }
}

/// A mapping drawn as `prot`: `"rw-"`; `ino` 0 for no file.
fn mapping(start: u64, end: u64, prot: &str, offset: u64, ino: u64, name: &str) -> Mapping {
    let mut bits = Prot::NONE;
    for (letter, bit) in [('r', Prot::READ), ('w', Prot::WRITE), ('x', Prot::EXEC)] {
        if prot.contains(letter) {
            bits = bits | bit;
        }
    }
    let file = if ino == 0 { FileId::default() } else { file(ino) };
    Mapping {
        range: range(start, end),
        prot: bits,
        shared: prot.ends_with('s'),
        offset: FileOff(offset),
        file,
        name: name.as_bytes().into(),
    }
}

fn shown(snapshot: &Snapshot) -> Vec<(Kind, u64, u64, Rule)> {
    let leaves = classify(snapshot);
    assert_partition(snapshot, &leaves);
    leaves.iter().map(|leaf| (leaf.kind, leaf.range.start.0, leaf.range.end.0, leaf.rule)).collect()
}

/// Every mapped byte is in exactly one leaf, in order.
fn assert_partition(snapshot: &Snapshot, leaves: &[Leaf]) {
    let mut leaves = leaves.iter();
    for (index, mapping) in snapshot.mappings.iter().enumerate() {
        let mut at = mapping.range.start;
        while at < mapping.range.end {
            let leaf = leaves.next().expect("a leaf for every byte");
            assert_eq!((leaf.mapping, leaf.range.start), (index, at));
            assert!(!leaf.range.is_empty() && leaf.range.end <= mapping.range.end);
            at = leaf.range.end;
        }
    }
    assert_eq!(leaves.next(), None);
}

fn library() -> Object {
    let load = |flags, addr: u64, file_bytes, memory_bytes| {
        Segment::from_raw(1, flags, [addr, addr, file_bytes, memory_bytes, 4096])
    };
    let relro = Segment::from_raw(0x6474_e552, 4, [0x3d00, 0x3d00, 0x300, 0x300, 1]);
    Object {
        soname: Arc::from(&b""[..]),
        file: file(7),
        path: Arc::from(&b"/lib/l.so"[..]),
        build_id: Arc::from(&b""[..]),
        segments: vec![
            load(4, 0, 0x800, 0x800),
            load(5, 0x1000, 0x1234, 0x1234),
            load(6, 0x3d00, 0x400, 0x3000),
            relro,
        ],
    }
}

#[test]
fn a_library_with_its_bss_merged_into_the_next_mapping() {
    //  file:  r--(0) r-x(1..3) r--(3: relro) rw-(4: data+bss)   then no file: bss tail, someone else's memory
    let base = 0x7f00_0000_0000;
    let snapshot = Snapshot {
        mappings: vec![
            mapping(base, base + 0x1000, "r--", 0, 7, "/lib/l.so"),
            mapping(base + 0x1000, base + 0x3000, "r-x", 0x1000, 7, "/lib/l.so"),
            mapping(base + 0x3000, base + 0x4000, "r--", 0x3000, 7, "/lib/l.so"),
            mapping(base + 0x4000, base + 0x5000, "rw-", 0x4000, 7, "/lib/l.so"),
            mapping(base + 0x5000, base + 0x9000, "rw-", 0, 0, ""),
        ],
        objects: vec![library()],
        ..Snapshot::default()
    };
    assert_eq!(
        shown(&snapshot),
        [
            (Kind::ReadOnlyData, base, base + 0x1000, Rule::Segment),
            (Kind::Text, base + 0x1000, base + 0x3000, Rule::Segment),
            (Kind::Relro, base + 0x3000, base + 0x4000, Rule::Segment),
            (Kind::Data, base + 0x4000, base + 0x4100, Rule::Segment),
            (Kind::Bss, base + 0x4100, base + 0x5000, Rule::Segment),
            (Kind::Bss, base + 0x5000, base + 0x7000, Rule::BssTail),
            (Kind::Anonymous, base + 0x7000, base + 0x9000, Rule::PlainAnonymous),
        ]
    );
    let totals = Totals::of(&snapshot, &classify(&snapshot));
    assert_eq!((totals.all.size, totals.all.mappings), (0x9000, 5));
    assert_eq!(totals.objects.iter().map(|o| o.amounts.size).sum::<u64>(), 0x7000);
    assert_eq!(totals.kinds.iter().map(|k| k.amounts.mappings).sum::<usize>(), 5);
}

#[test]
fn a_library_read_as_a_file_is_a_file() {
    let snapshot = Snapshot {
        mappings: vec![mapping(0x10000, 0x20000, "r--", 0, 7, "/lib/l.so")],
        objects: vec![library()],
        ..Snapshot::default()
    };
    assert_eq!(shown(&snapshot), [(Kind::PrivateFile, 0x10000, 0x20000, Rule::FileMappedPrivate)]);
}

#[test]
fn thread_stacks_by_call_and_by_pointer() {
    let snapshot = Snapshot {
        mappings: vec![
            mapping(0x10000, 0x11000, "---", 0, 0, ""),
            mapping(0x11000, 0x20000, "rw-", 0, 0, ""),
            mapping(0x30000, 0x31000, "---", 0, 0, ""),
            mapping(0x31000, 0x40000, "rw-", 0, 0, ""),
        ],
        threads: vec![Thread {
            tid: Tid(9),
            name: Arc::from(&b"w"[..]),
            stack_pointer: Some(VirtAddr(0x3f000)),
        }],
        stack_areas: vec![StackArea { range: range(0x10000, 0x18000), thread: None }],
        ..Snapshot::default()
    };
    assert_eq!(
        shown(&snapshot),
        [
            (Kind::StackGuard, 0x10000, 0x11000, Rule::GuardBelowStack),
            (Kind::ThreadStack, 0x11000, 0x18000, Rule::StackKept),
            (Kind::Anonymous, 0x18000, 0x20000, Rule::PlainAnonymous),
            (Kind::StackGuard, 0x30000, 0x31000, Rule::GuardBelowStack),
            (Kind::ThreadStack, 0x31000, 0x40000, Rule::StackPointer),
        ]
    );
}

#[test]
fn a_glibc_arena_by_its_shape() {
    let arena = 0x7f00_0400_0000;
    let snapshot = Snapshot {
        mappings: vec![
            mapping(arena - 0x1000, arena + 0x21000, "rw-", 0, 0, ""),
            mapping(arena + 0x21000, arena + (64 << 20), "---", 0, 0, ""),
        ],
        ..Snapshot::default()
    };
    assert_eq!(
        shown(&snapshot),
        [
            (Kind::Anonymous, arena - 0x1000, arena, Rule::PlainAnonymous),
            (Kind::Arena, arena, arena + 0x21000, Rule::GlibcArenaShape),
            (Kind::Reservation, arena + 0x21000, arena + (64 << 20), Rule::GlibcArenaRest),
        ]
    );
}

#[test]
fn allocators_by_shape_only_where_the_process_has_them() {
    let mut snapshot = Snapshot {
        mappings: vec![
            mapping(0xc0_0000_0000, 0xc0_0040_0000, "rw-", 0, 0, ""),
            mapping(0x7f00_0000_0000, 0x7f00_0040_0000, "rw-", 0, 0, ""),
            mapping(0x7f10_0000_0000, 0x7f10_0000_1000, "---", 0, 0, ""),
            mapping(0x7f10_0000_1000, 0x7f10_0000_3000, "rw-", 0, 0, ""),
        ],
        ..Snapshot::default()
    };
    let kinds = |snapshot: &Snapshot| shown(snapshot).into_iter().map(|(kind, ..)| kind).collect::<Vec<_>>();
    assert_eq!(kinds(&snapshot), [Kind::Arena, Kind::Anonymous, Kind::StackGuard, Kind::SignalStack]);
    snapshot.objects.push(Object { path: Arc::from(&b"/usr/lib/libjemalloc.so.2"[..]), ..library() });
    assert_eq!(
        shown(&snapshot)[1],
        (Kind::Arena, 0x7f00_0000_0000, 0x7f00_0040_0000, Rule::AllocatorShape("jemalloc"))
    );
    assert!(classify(&snapshot).iter().all(|leaf| leaf.rule.is_inferred()));
}

#[test]
fn names_and_paths() {
    let kinds = |name: &str, prot: &str, ino| {
        let snapshot =
            Snapshot { mappings: vec![mapping(0x1000, 0x2000, prot, 0, ino, name)], ..Snapshot::default() };
        shown(&snapshot)[0].0
    };
    for (name, prot, ino, kind) in [
        ("[heap]", "rw-", 0, Kind::Heap),
        ("[stack]", "rw-", 0, Kind::MainStack),
        ("[vvar_vclock]", "r--", 0, Kind::Vvar),
        ("[vsyscall]", "--x", 0, Kind::Vsyscall),
        ("/SYSV0000002a (deleted)", "rw-s", 3, Kind::SysvShm),
        ("/memfd:x y (deleted)", "rw-s", 3, Kind::MemoryFile),
        ("/dev/zero (deleted)", "rw-s", 3, Kind::SharedAnonymous),
        ("anon_inode:[perf_event]", "rw-s", 3, Kind::Device),
        ("[anon:jemalloc_pg]", "rw-", 0, Kind::Arena),
        ("[anon:my cache]", "rw-", 0, Kind::Anonymous),
        ("", "rwx", 0, Kind::JitCode),
        ("", "---", 0, Kind::Reservation),
        ("/usr/lib/locale/locale-archive", "r--", 4, Kind::PrivateFile),
        ("/var/db", "rw-s", 4, Kind::SharedFile),
        ("/opt/program", "r-x", 4, Kind::Text),
    ] {
        assert_eq!(kinds(name, prot, ino), kind, "{name} {prot}");
    }
}

#[test]
fn a_heap_that_begins_inside_the_bss_mapping() {
    let snapshot = Snapshot {
        mappings: vec![mapping(0x5000, 0x9000, "rw-", 0, 0, "[heap]")],
        heap: Some(range(0x6000, 0x8800)),
        ..Snapshot::default()
    };
    let leaves = shown(&snapshot);
    assert_eq!(leaves[1], (Kind::Heap, 0x6000, 0x9000, Rule::BrkBounds));
}

#[test]
fn our_own_map_with_our_own_headers() {
    let text = std::fs::read("/proc/self/maps").expect("a Linux machine");
    let mut snapshot = Snapshot::from_maps_text(&text).expect("the kernel's text");
    for file in objects::executable_files(&snapshot) {
        let path = snapshot.mappings.iter().find(|m| m.file == file).expect("its mapping").name.clone();
        let bytes = std::fs::read(std::str::from_utf8(&path).expect("a plain path")).expect("a library");
        let segments = elf::read(&bytes).expect("a library").segments;
        snapshot.objects.push(Object {
            file,
            path,
            soname: Arc::from(&b""[..]),
            build_id: Arc::from(&b""[..]),
            segments,
        });
    }
    let leaves = classify(&snapshot);
    assert_partition(&snapshot, &leaves);
    let has = |kind| leaves.iter().any(|leaf| leaf.kind == kind && leaf.rule != Rule::ObjectByProtection);
    for kind in
        [Kind::Text, Kind::ReadOnlyData, Kind::Relro, Kind::Data, Kind::Bss, Kind::Heap, Kind::MainStack]
    {
        assert!(has(kind), "{kind:?}");
    }
    assert!(leaves.iter().all(|leaf| leaf.rule != Rule::ObjectByProtection));
}
