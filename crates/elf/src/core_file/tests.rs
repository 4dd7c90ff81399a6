//! Tests of the reader of core files, on one made here by hand.

use super::*;

fn words(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn note(owner: &[u8], kind: u32, contents: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [owner.len() as u32 + 1, contents.len() as u32, kind] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend(owner);
    bytes.resize((bytes.len() + 1).next_multiple_of(4), 0);
    bytes.extend(contents);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// A core of one thread, one file and two ranges, of which it holds the second.
fn core() -> Vec<u8> {
    let mut status = vec![0; 336];
    status[32] = 9;
    for (place, value) in [(4, 0x7001u64), (16, 0x1234), (19, 0x7000), (21, 0x7100)] {
        status[112 + place * 8..][..8].copy_from_slice(&value.to_le_bytes());
    }
    let mut info = vec![0; 136];
    info[24] = 9;
    info[40..43].copy_from_slice(b"abc");
    info[56..61].copy_from_slice(b"abc d");
    let mut files = words(&[1, 4096, 0x1000, 0x2000, 3]);
    files.extend(b"/bin/abc\0");
    let mut signal = vec![0; 128];
    signal[..24]
        .copy_from_slice(&[11, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0]);
    let notes = [
        note(b"CORE", 1, &status),
        note(b"CORE", 3, &info),
        note(b"CORE", 6, &words(&[6, 4096, 0, 0])),
        note(b"CORE", 0x5349_4749, &signal),
        note(b"CORE", 0x4649_4c45, &files),
    ]
    .concat();
    let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x04\0\x3e\0\x01\0\0\0".to_vec();
    bytes.extend(words(&[0, 64, 0]));
    bytes.extend([0, 0, 0, 0, 64, 0, 56, 0, 3, 0, 0, 0, 0, 0, 0, 0]);
    let rows = [
        (4u32, 0u32, [64 + 3 * 56, 0, 0, notes.len() as u64, 0, 4]),
        (1, 5, [0, 0x1000, 0, 0, 0x1000, 4096]),
        (1, 6, [64 + 3 * 56 + notes.len() as u64, 0x7000, 0, 16, 0x1000, 4096]),
    ];
    for (kind, flags, rest) in rows {
        bytes.extend(kind.to_le_bytes());
        bytes.extend(flags.to_le_bytes());
        bytes.extend(words(&rest));
    }
    bytes.extend(notes);
    bytes.extend([7; 16]);
    bytes
}

#[test]
fn all_of_it_is_read() {
    let bytes = core();
    let core = read_core(bytes.as_slice()).expect("a good core");
    assert_eq!(core.bytes_expected, bytes.len() as u64);
    let [text, stack] = core.segments[..] else { panic!("two ranges: {:?}", core.segments) };
    assert_eq!((text.prot, text.bytes_held), (Prot::READ | Prot::EXEC, 0));
    assert_eq!((stack.range.start, stack.prot, stack.bytes_held), (VirtAddr(0x7000), Prot::RW, 16));
    let process = core.process.expect("a process");
    assert_eq!(
        (process.pid.0, process.name.as_slice(), process.arguments.as_slice()),
        (9, &b"abc"[..], &b"abc d"[..])
    );
    let [thread] = core.threads[..] else { panic!("one thread") };
    assert_eq!((thread.tid, thread.instruction, thread.stack), (Tid(9), VirtAddr(0x1234), VirtAddr(0x7000)));
    assert_eq!(core.files[0].path, b"/bin/abc");
    assert_eq!(core.files[0].offset, FileOff(3 * 4096));
    assert_eq!(core.auxv, [(6, 4096)]);
    assert_eq!(core.signal.and_then(|signal| signal.addr), Some(VirtAddr(0x10)));
    assert_eq!(core.maker, CoreMaker::Kernel);
}

#[test]
fn cut_anywhere_it_is_read_as_far_as_it_goes_or_refused() {
    let bytes = core();
    for end in 0..bytes.len() {
        match read_core(&bytes[..end]) {
            Ok(core) => assert!(core.bytes_expected > end as u64, "{end}"),
            Err(error) => assert!(end < 64 + 3 * 56, "{end}: {error}"),
        }
    }
}

#[test]
fn other_files_are_refused() {
    assert_eq!(read_core(&b"#!/bin/sh"[..]), Err(ElfError::NotElf));
    let own = std::fs::read("/proc/self/exe").expect("a Linux machine");
    assert_eq!(read_core(own.as_slice()), Err(ElfError::NotCore));
    let mut other = core();
    other[18] = 183;
    assert_eq!(read_core(other.as_slice()), Err(ElfError::OtherMachine { machine: 183 }));
    let mut overlapping = core();
    let second = 64 + 2 * 56 + 16;
    overlapping[second..second + 8].copy_from_slice(&0x1800u64.to_le_bytes());
    assert!(matches!(read_core(overlapping.as_slice()), Err(ElfError::Damaged { .. })));
}
