//! Texts of small twins: what each rule of printing makes of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use abi::{AddrRange, Advice, Call, DevId, Fd, FileId, MapFlags, Prot, VirtAddr};
use mm::{
    AddressSpace, Contents, FileInput, Input, Layout, Limits, MapFile, ObjectId, Pages, Profile, System,
};
use proc_twin::{Mapping, Names, write_maps, write_mincore, write_pagemap, write_rollup, write_smaps};

type Sys = System<Pages<Contents>>;
type Space = AddressSpace<Pages<Contents>>;

const PAGE: u64 = 0x1000;
const AT: VirtAddr = VirtAddr(0x4000_0000);
const FILE: FileId = FileId { dev: DevId { major: 8, minor: 1 }, ino: 7 };

fn twin(profile: Profile) -> (Sys, Space) {
    let mut sys = System::with_contents(profile);
    let layout = Layout {
        mmap_base: VirtAddr(0x7fff_f7ff_f000),
        start_brk: VirtAddr(0x3000_0000),
        brk: VirtAddr(0x3000_0000),
        start_stack: VirtAddr(0x7fff_ffff_e000),
        ..Layout::default()
    };
    let space = AddressSpace::adopt(&mut sys, layout, Limits::default(), []);
    (sys, space)
}

fn map(sys: &mut Sys, space: &mut Space, at: VirtAddr, pages: u64, flags: MapFlags, file: FileInput) {
    let fd = if matches!(file, FileInput::Open(_)) { Fd(3) } else { Fd(-1) };
    let flags = flags | MapFlags::FIXED | if fd == Fd(-1) { MapFlags::ANONYMOUS } else { MapFlags::NONE };
    let call = Call::Mmap { addr: at, len: pages * PAGE, prot: Prot::RW, flags, fd, offset: 0 };
    let input = Input { file, ..Input::default() };
    space.call(sys, call, &input).result.expect("it may be mapped");
}

fn anonymous(sys: &mut Sys, space: &mut Space, pages: u64) {
    map(sys, space, AT, pages, MapFlags::PRIVATE, FileInput::default());
}

fn field(text: &[u8], key: &str) -> Vec<u64> {
    let text = std::str::from_utf8(text).expect("text");
    let lines = text.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    lines.map(|rest| rest.trim().trim_end_matches(" kB").parse().expect("a number")).collect()
}

/// The first line of a rollup, without its name.
fn head(text: &[u8]) -> &str {
    let text = std::str::from_utf8(text).expect("text");
    let (line, _) = text.split_once('\n').expect("lines");
    let (head, name) = line.split_at_checked(73).expect("a column of names");
    assert_eq!(name, "[rollup]");
    head.trim_end()
}

#[test]
fn lines_of_a_map_are_the_kernels() {
    let (mut sys, mut space) = twin(Profile::linux_6_18_x86_64());
    let brk = Call::Brk { addr: VirtAddr(0x3000_1000) };
    space.call(&mut sys, brk, &Input::default()).result.expect("room for a heap");
    let file = FileInput::Open(Arc::new(MapFile::regular(FILE, 2 * PAGE)));
    map(&mut sys, &mut space, AT, 2, MapFlags::SHARED, file);
    map(&mut sys, &mut space, VirtAddr(AT.0 + 4 * PAGE), 1, MapFlags::SHARED, FileInput::default());
    let mut names = Names { paths: BTreeMap::from([(FILE, b"/a b\nc".to_vec())]), ..Names::default() };
    let number = space.vmas().find_map(|vma| match vma.backing.file()?.object {
        ObjectId::Nameless(number) => Some(number),
        ObjectId::File(_) => None,
    });
    let zero = FileId { dev: DevId { major: 0, minor: 1 }, ino: 99 };
    names.nameless.insert(number.expect("shared memory without a name"), zero);
    let mut text = Vec::new();
    write_maps(&space, &names, &mut text);
    assert_eq!(
        String::from_utf8_lossy(&text),
        "\
30000000-30001000 rw-p 00000000 00:00 0                                  [heap]
40000000-40002000 rw-s 00000000 08:01 7                                  /a b\\012c
40004000-40005000 rw-s 00000000 00:01 99                                 /dev/zero (deleted)
"
    );
    let unknown = Mapping::of(&space, space.find(AT).expect("it is mapped"), &Names::default());
    assert_eq!((unknown.file, unknown.name), (FILE, Vec::new()));
}

#[test]
fn a_whole_text_of_smaps() {
    let (mut sys, mut space) = twin(Profile::linux_6_18_x86_64());
    anonymous(&mut sys, &mut space, 3);
    space.store(&mut sys, AT, &[1]).expect("it may be written");
    let lock = Call::Mlock { addr: AT, len: PAGE };
    space.call(&mut sys, lock, &Input::default()).result.expect("it may be locked");
    let mut text = Vec::new();
    write_smaps(&space, &sys, &Names::default(), &mut text);
    assert_eq!(String::from_utf8_lossy(&text).split_inclusive("VmFlags").next(), Some(LOCKED));
    assert!(text.ends_with(b"VmFlags: rd wr mr mw me ac \n"));
}

const LOCKED: &str = "\
40000000-40001000 rw-p 00000000 00:00 0 
Size:                  4 kB
KernelPageSize:        4 kB
MMUPageSize:           4 kB
Rss:                   4 kB
Pss:                   4 kB
Pss_Dirty:             4 kB
Shared_Clean:          0 kB
Shared_Dirty:          0 kB
Private_Clean:         0 kB
Private_Dirty:         4 kB
Referenced:            4 kB
Anonymous:             4 kB
KSM:                   0 kB
LazyFree:              0 kB
AnonHugePages:         0 kB
ShmemPmdMapped:        0 kB
FilePmdMapped:         0 kB
Shared_Hugetlb:        0 kB
Private_Hugetlb:       0 kB
Swap:                  0 kB
SwapPss:               0 kB
Locked:                4 kB
THPeligible:           0
VmFlags";

#[test]
fn a_key_is_told_where_the_processor_has_keys() {
    let mut profile = Profile::linux_6_18_x86_64();
    for (pkeys, expected) in [(false, vec![]), (true, vec![0])] {
        profile.options.pkeys = pkeys;
        let (mut sys, mut space) = twin(profile.clone());
        anonymous(&mut sys, &mut space, 1);
        let mut text = Vec::new();
        write_smaps(&space, &sys, &Names::default(), &mut text);
        assert_eq!(field(&text, "ProtectionKey"), expected);
    }
}

#[test]
fn a_rollup_adds_up_before_it_rounds() {
    let (mut sys, mut space) = twin(Profile::linux_6_18_x86_64());
    anonymous(&mut sys, &mut space, 3);
    space.store(&mut sys, AT, &[0; 3 * PAGE as usize]).expect("it may be written");
    let protect = Call::Mprotect { addr: VirtAddr(AT.0 + PAGE), len: PAGE, prot: Prot::READ };
    space.call(&mut sys, protect, &Input::default()).result.expect("it may be protected");
    let _two_more: [Space; 2] =
        std::array::from_fn(|_| space.fork(&mut sys, &Input::default()).expect("it forks"));
    let (mut text, mut sums) = (Vec::new(), Vec::new());
    write_smaps(&space, &sys, &Names::default(), &mut text);
    write_rollup(&space, &sys, &mut sums);
    assert_eq!(head(&sums), "40000000-40003000 ---p 00000000 00:00 0");
    assert_eq!((field(&text, "Pss"), field(&sums, "Pss")), (vec![1, 1, 1], vec![3]));
    assert_eq!((field(&text, "Pss_Anon"), field(&sums, "Pss_Anon")), (vec![], vec![3]));
    assert_eq!(field(&sums, "Shared_Dirty"), [12]);
}

#[test]
fn a_memory_without_mappings_has_a_rollup_too() {
    let (sys, space) = twin(Profile::linux_6_18_x86_64());
    let mut sums = Vec::new();
    write_rollup(&space, &sys, &mut sums);
    assert_eq!(head(&sums), "00000000-00000000 ---p 00000000 00:00 0");
}

#[test]
fn words_and_vectors_of_pages() {
    let (mut sys, mut space) = twin(Profile::linux_6_18_x86_64());
    anonymous(&mut sys, &mut space, 4);
    space.load(&mut sys, AT, &mut [0]).expect("it may be read");
    space.store(&mut sys, VirtAddr(AT.0 + PAGE), &[1]).expect("it may be written");
    let guard = Call::Madvise { addr: VirtAddr(AT.0 + 2 * PAGE), len: PAGE, advice: Advice::GUARD_INSTALL };
    space.call(&mut sys, guard, &Input::default()).result.expect("it may be guarded");
    let range = AddrRange::new(AT, VirtAddr(AT.0 + 4 * PAGE));
    let (mut words, mut vector) = (Vec::new(), Vec::new());
    write_pagemap(&space, &sys, range, &mut words);
    write_mincore(&space, &sys, range, &mut vector);
    let words: Vec<_> = words.as_chunks().0.iter().map(|word| u64::from_ne_bytes(*word)).collect();
    // The page of zeroes, this memory's own page, a marker where a place in swap would be, nothing.
    assert_eq!(words, [1 << 63, 1 << 63 | 1 << 56, 1 << 62 | 1 << 58, 0]);
    assert_eq!(vector, [1, 1, 0, 0]);
}
