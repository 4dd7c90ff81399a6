//! Files mapped: coherent with everybody else's view, private copies, truncation, writeback.

extern crate std;

use alloc::sync::Arc;
use alloc::vec::Vec;
use std::sync::Mutex;

use abi::{AddrRange, Advice, Call, Fd, FileId, MapFlags, MsyncFlags, PAGE_SIZE, Prot, VirtAddr};

use super::{World, page, pages};
use crate::access::Signal;
use crate::file::{DescriptionId, FileKind, MapFile, ObjectId, OpenMode};
use crate::input::{FileInput, Input};
use crate::pages::{FileStore, IoError, PageKind, Rss};
use crate::profile::Profile;

/// A disk of one file.
#[derive(Debug, Default)]
struct Disk(Mutex<Vec<u8>>);

impl Disk {
    fn bytes(&self) -> Vec<u8> {
        self.0.lock().expect("nobody panicked").clone()
    }
}

impl FileStore for Disk {
    fn size(&self) -> u64 {
        self.bytes().len() as u64
    }

    fn set_size(&self, bytes: u64) -> Result<(), IoError> {
        self.0.lock().expect("nobody panicked").resize(bytes as usize, 0);
        Ok(())
    }

    fn read_page(&self, page: u64, into: &mut [u8; 4096]) -> Result<(), IoError> {
        let bytes = self.bytes();
        let from = &bytes[bytes.len().min((page * PAGE_SIZE) as usize)..];
        let len = from.len().min(into.len());
        into[..len].copy_from_slice(&from[..len]);
        Ok(())
    }

    fn write_page(&self, page: u64, bytes: &[u8]) -> Result<(), IoError> {
        let mut all = self.0.lock().expect("nobody panicked");
        let start = (page * PAGE_SIZE) as usize;
        if all.len() < start + bytes.len() {
            all.resize(start + bytes.len(), 0);
        }
        all[start..start + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }
}

const FILE: ObjectId = ObjectId::File(FileId { dev: abi::DevId { major: 8, minor: 1 }, ino: 2 });
const KIND: FileKind = FileKind::Regular;

fn input(kind: FileKind) -> Input {
    let file = MapFile {
        object: FILE,
        description: DescriptionId::Known(1),
        kind,
        mode: OpenMode { read: true, write: true, append_only: false },
        bytes: 0,
        seals: 0,
        noexec: false,
    };
    Input { file: FileInput::Open(Arc::new(file)), ..Input::default() }
}

impl World {
    fn with_file(profile: Profile, bytes: &[u8]) -> (Self, Arc<Disk>) {
        let mut world = Self::with(profile);
        let disk = Arc::new(Disk(Mutex::new(bytes.to_vec())));
        world.sys.attach(FILE, Arc::<Disk>::clone(&disk));
        (world, disk)
    }

    fn map_file(&mut self, who: usize, range: AddrRange, flags: MapFlags, kind: FileKind) {
        let (addr, len) = (range.start, range.len());
        let flags = flags | MapFlags::FIXED;
        let call = Call::Mmap { addr, len, prot: Prot::RW, flags, fd: Fd(3), offset: 0 };
        self.act(who, call, &input(kind)).result.expect("nothing refuses it");
    }

    fn read_file(&mut self, offset: u64, len: usize) -> Vec<u8> {
        let mut bytes = alloc::vec![0; len];
        let read = self.sys.read_file(FILE, KIND, offset, &mut bytes).expect("the disk is sound");
        bytes.truncate(read);
        bytes
    }

    fn catch_up(&mut self) {
        for space in &mut self.spaces {
            space.catch_up(&mut self.sys);
        }
        self.check();
    }
}

fn byte(at: u64, inside: u64) -> VirtAddr {
    VirtAddr(page(at).0 + inside)
}

#[test]
fn shared_writes_reach_everybody_and_the_disk_when_written_back() {
    let (mut world, disk) = World::with_file(Profile::linux_6_18_x86_64(), &[1; 5000]);
    world.map_file(0, pages(0, 2), MapFlags::SHARED, KIND);
    let child = world.fork(0);
    assert_eq!(world.load(0, byte(1, 3)), Ok(1));
    world.store(0, byte(1, 3), 9).expect("writable");
    assert_eq!(world.load(child, byte(1, 3)), Ok(9));
    assert_eq!(world.read_file(PAGE_SIZE + 3, 1), [9]);
    world.sys.write_file(FILE, KIND, 10, &[7]).expect("the disk is sound");
    assert_eq!(world.load(0, byte(0, 10)), Ok(7));
    assert_eq!(disk.bytes(), [1; 5000], "nothing was written back yet");
    assert_eq!(world.spaces[0].rss(), Rss { file: 2, ..Rss::default() });

    let sync = Call::Msync { addr: page(0), len: 2 * PAGE_SIZE, flags: MsyncFlags::SYNC };
    let faults = world.spaces[0].faults().minor;
    world.store(0, byte(1, 4), 8).expect("writable");
    assert_eq!(world.spaces[0].faults().minor, faults, "the file knows of this page already");
    world.call(0, sync);
    assert_eq!((disk.bytes()[PAGE_SIZE as usize + 3], disk.bytes()[10]), (9, 7));
    world.store(0, byte(1, 4), 8).expect("writable");
    assert_eq!(world.spaces[0].faults().minor, faults + 1, "the file wants to know again");
}

#[test]
fn private_writes_stay_private() {
    let (mut world, disk) = World::with_file(Profile::linux_6_18_x86_64(), &[1; 8192]);
    world.map_file(0, pages(0, 2), MapFlags::PRIVATE, KIND);
    world.store(0, page(0), 9).expect("writable");
    assert_eq!(world.load(0, page(1)), Ok(1));
    world.store(0, page(1), 8).expect("writable");
    assert_eq!(world.spaces[0].rss(), Rss { anon: 2, ..Rss::default() });
    assert_eq!(world.read_file(0, 1), [1]);
    world.sys.write_file(FILE, KIND, 1, &[5]).expect("the disk is sound");
    assert_eq!(world.load(0, byte(0, 1)), Ok(1), "the copy is as old as the write");
    world.sys.sync().expect("the disk is sound");
    assert_eq!(disk.bytes()[..2], [1, 5]);
    world.call(0, Call::Madvise { addr: page(0), len: PAGE_SIZE, advice: Advice::DONTNEED });
    assert_eq!((world.load(0, page(0)), world.load(0, byte(0, 1))), (Ok(1), Ok(5)));
}

#[test]
fn the_tail_of_the_last_page_is_zero_and_never_written() {
    let (mut world, disk) = World::with_file(Profile::linux_6_18_x86_64(), &[1; 5000]);
    world.map_file(0, pages(0, 4), MapFlags::SHARED, KIND);
    let tail = byte(1, 1000);
    assert_eq!(world.load(0, tail), Ok(0));
    world.store(0, tail, 9).expect("the page is there");
    assert_eq!(world.load(0, tail), Ok(9));
    assert_eq!(world.load(0, page(2)).map_err(|fault| fault.signal), Err(Signal::BusAdrErr));
    world.sys.sync().expect("the disk is sound");
    assert_eq!(disk.bytes(), [1; 5000]);
    assert_eq!(world.load(0, tail), Ok(0), "writing back cleared it");
    world.store(0, tail, 9).expect("the page is there");
    world.sys.truncate(FILE, KIND, 3 * PAGE_SIZE).expect("the disk is sound");
    assert_eq!((world.load(0, tail), world.load(0, page(2))), (Ok(0), Ok(0)));
}

#[test]
fn truncation_takes_pages_from_under_every_mapping() {
    let (mut world, _disk) = World::with_file(Profile::linux_6_18_x86_64(), &[1; 4 * 4096]);
    world.map_file(0, pages(0, 4), MapFlags::SHARED, KIND);
    world.map_file(0, pages(10, 14), MapFlags::PRIVATE, KIND);
    let child = world.fork(0);
    world.load(child, page(3)).expect("readable");
    world.load(0, page(3)).expect("readable");
    world.load(0, page(1)).expect("readable");
    world.store(0, page(12), 5).expect("writable");
    world.store(0, page(10), 6).expect("writable");
    world.sys.truncate(FILE, KIND, PAGE_SIZE + 1).expect("the disk is sound");
    world.catch_up();
    assert_eq!([1, 2, 3].map(|at| world.kind(0, at)), [PageKind::File, PageKind::None, PageKind::None]);
    assert_eq!(world.spaces[0].rss().anon, 1, "a private copy past the end goes too");
    assert_eq!(world.load(child, page(2)).map_err(|fault| fault.signal), Err(Signal::BusAdrErr));
    assert_eq!((world.load(0, byte(1, 0)), world.load(0, byte(1, 1))), (Ok(1), Ok(0)));
    assert_eq!(world.load(0, page(10)), Ok(6));
    world.sys.truncate(FILE, KIND, 4 * PAGE_SIZE).expect("the disk is sound");
    assert_eq!((world.load(0, page(3)), world.load(0, page(12))), (Ok(0), Ok(0)));
}

#[test]
fn reading_maps_what_is_cached_around() {
    let (mut world, _disk) = World::with_file(Profile::linux_6_18_x86_64(), &[1; 64 * 4096]);
    world.read_file(0, 40 * 4096);
    world.map_file(0, pages(3, 67), MapFlags::PRIVATE, KIND);
    world.load(0, page(20)).expect("readable");
    // Addresses 16 to 31 of the table show pages 13 to 28 of the file.
    assert_eq!(world.spaces[0].rss().file, 16);
    assert_eq!([15, 16, 31, 32].map(|at| world.kind(0, at) == PageKind::File), [false, true, true, false]);
    world.load(0, page(42)).expect("readable");
    assert_eq!(world.spaces[0].rss().file, 16 + 11, "the cache ends at page 39 of the file, which is at 42");
    assert_eq!(world.spaces[0].faults().minor, 2);
    world.load(0, page(43)).expect("readable");
    assert_eq!(world.spaces[0].faults().major, 1);
    // What was read around is mapped around: up to the end of the window at 47.
    assert_eq!(world.spaces[0].rss().file, 16 + 11 + 5);
}

#[test]
fn shared_anonymous_memory_is_the_familys_and_goes_with_it() {
    let mut world = World::new();
    let flags = MapFlags::SHARED | MapFlags::ANONYMOUS | MapFlags::FIXED;
    let (addr, len) = (page(0), 4 * PAGE_SIZE);
    world.call(0, Call::Mmap { addr, len, prot: Prot::RW, flags, fd: Fd(-1), offset: 0 });
    world.store(0, page(0), 1).expect("writable");
    let child = world.fork(0);
    assert_eq!(world.spaces[child].rss(), Rss::default(), "fork leaves it to faults");
    assert_eq!(world.load(child, page(0)), Ok(1));
    world.store(child, page(1), 2).expect("writable");
    assert_eq!(world.load(0, page(1)), Ok(2));
    assert_eq!(world.spaces[0].rss(), Rss { shmem: 2, ..Rss::default() });
    world.call(0, Call::Madvise { addr: page(0), len: PAGE_SIZE, advice: Advice::DONTNEED });
    assert_eq!(world.load(0, page(0)), Ok(1));
    world.call(0, Call::Madvise { addr: page(0), len: PAGE_SIZE, advice: Advice::REMOVE });
    assert_eq!((world.load(0, page(0)), world.load(child, page(0))), (Ok(0), Ok(0)));
    world.call(0, Call::Munmap { addr, len });
    assert_ne!(world.sys.frames(), 0);
    world.exit(child);
    assert_eq!(world.sys.frames(), 0);
}

#[cfg(feature = "mutants")]
#[test]
fn each_changed_rule_of_files_is_seen() {
    use crate::mutation::Mutation;
    let story = |mutation| {
        let profile = Profile { mutation, ..Profile::linux_6_18_x86_64() };
        let (mut world, disk) = World::with_file(profile, &[1; 5000]);
        world.map_file(0, pages(0, 4), MapFlags::SHARED, KIND);
        world.map_file(0, pages(10, 12), MapFlags::PRIVATE, KIND);
        world.store(0, byte(1, 2000), 9).expect("the page is there");
        world.store(0, page(10), 7).expect("writable");
        let past = world.load(0, page(2)).is_err();
        let seen = world.read_file(0, 1);
        world.sys.sync().expect("the disk is sound");
        (past, seen, disk.bytes())
    };
    let right = story(None);
    assert_eq!(right, (true, alloc::vec![1], alloc::vec![1; 5000]));
    for mutation in [Mutation::PrivateWritesFile, Mutation::TailWritten, Mutation::BusOnePageLate] {
        assert_ne!(story(Some(mutation)), right, "{mutation:?}");
    }
}

#[test]
fn the_last_page_alone_is_not_mapped_around_where_there_is_no_table() {
    let (mut world, _disk) = World::with_file(Profile::linux_6_18_x86_64(), &[1; 4 * 4096]);
    world.read_file(0, 4 * 4096);
    world.map_file(0, pages(3, 6), MapFlags::PRIVATE, KIND);
    world.map_file(0, pages(1024, 1030), MapFlags::PRIVATE, KIND);
    // The mappings show pages 0 to 2 and 0 to 5: past the end of the file the pages before it are mapped all the same.
    assert_eq!(world.load(0, page(1029)).map_err(|fault| fault.signal), Err(Signal::BusAdrErr));
    assert_eq!([1024, 1027, 1028].map(|at| world.kind(0, at) == PageKind::File), [true, true, false]);
    world.sys.truncate(FILE, KIND, 4096).expect("the disk is sound");
    world.catch_up();
    assert_eq!(world.load(0, page(4)).map_err(|fault| fault.signal), Err(Signal::BusAdrErr));
    assert_eq!(world.kind(0, 3), PageKind::None);
    world.load(0, page(3)).expect("readable");
    assert_eq!(world.kind(0, 3), PageKind::File);
}

#[test]
fn reading_a_hole_of_a_file_in_memory_leaves_it_one() {
    let mut world = World::new();
    world.sys.truncate(FILE, FileKind::Shmem, 2 * PAGE_SIZE).expect("nothing is behind it");
    world.sys.write_file(FILE, FileKind::Shmem, PAGE_SIZE, &[7]).expect("nothing is behind it");
    let mut bytes = [1; 5000];
    assert_eq!(world.sys.read_file(FILE, FileKind::Shmem, 0, &mut bytes), Ok(5000));
    assert_eq!((bytes[0], bytes[4095], bytes[4096], bytes[4097]), (0, 0, 7, 0));
    world.map_file(0, pages(0, 2), MapFlags::SHARED, FileKind::Shmem);
    assert_eq!(world.load(0, page(1)), Ok(7));
    assert_eq!([0, 1].map(|at| world.kind(0, at) == PageKind::None), [true, false]);
    assert_eq!(world.load(0, page(0)), Ok(0));
}

#[test]
fn what_lies_past_the_end_goes_when_it_is_written_back_or_cut_at_the_same_size() {
    for kind in [KIND, FileKind::Shmem] {
        let mut world = World::new();
        world.sys.truncate(FILE, kind, 100).expect("nothing is behind it");
        world.map_file(0, pages(0, 1), MapFlags::SHARED, kind);
        let kept = if kind == KIND { 0 } else { 9 };
        world.store(0, byte(0, 100), 9).expect("the page is there");
        world.sys.truncate(FILE, kind, 100).expect("nothing is behind it");
        assert_eq!(world.load(0, byte(0, 100)), Ok(0));
        world.store(0, byte(0, 100), 9).expect("the page is there");
        world.call(0, Call::Msync { addr: page(0), len: PAGE_SIZE, flags: MsyncFlags::SYNC });
        assert_eq!(world.load(0, byte(0, 100)), Ok(kept));
    }
}
