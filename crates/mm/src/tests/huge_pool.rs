//! Huge pages of hugetlbfs, with a pool that has some and with one that has none.

use alloc::sync::Arc;

use abi::{Advice, Call, Errno, Fd, FileId, MapFlags, PAGE_SIZE, Prot, RemapFlags, ShmFlags, VirtAddr};

use crate::access::{Access, Signal};
use crate::file::{DescriptionId, FileKind, MapFile, ObjectId};
use crate::flags::VmFlags;
use crate::input::{FileInput, HugePool, Input};
use crate::profile::Profile;
use crate::space::{AddressSpace, Layout, Limits};
use crate::system::System;

const HUGE: u64 = 2 << 20;
const GIB: u64 = 1 << 30;
const BASE: u64 = 0x10_0000_0000;
const PRIVATE: MapFlags =
    MapFlags(MapFlags::PRIVATE.0 | MapFlags::ANONYMOUS.0 | MapFlags::FIXED.0 | MapFlags::HUGETLB.0);

/// One process, and what it is told beside its calls.
struct World {
    sys: System,
    space: AddressSpace,
    input: Input,
}

/// An address so many huge pages up.
fn huge(at: u64) -> VirtAddr {
    VirtAddr(BASE + at * HUGE)
}

fn world(huge_pool: HugePool) -> World {
    let mut sys = System::new(Profile::linux_6_18_x86_64());
    let layout = Layout { mmap_base: huge(1 << 16), ..Layout::default() };
    let space = AddressSpace::adopt(&mut sys, layout, Limits::default(), []);
    World { sys, space, input: Input { huge_pool, ..Input::default() } }
}

impl World {
    fn call(&mut self, call: Call) -> Result<u64, Errno> {
        self.space.call(&mut self.sys, call, &self.input).result
    }

    fn map(&mut self, pages: u64, prot: Prot, flags: MapFlags, offset: u64) -> Result<u64, Errno> {
        self.call(Call::Mmap { addr: huge(0), len: pages * HUGE, prot, flags, fd: Fd(-1), offset })
    }

    fn touch(&mut self, addr: VirtAddr, access: Access) -> Result<(), Signal> {
        self.space.touch(&mut self.sys, addr, access, &self.input).map(drop)
    }

    /// Says that the descriptor is of a file of so many huge pages.
    fn open(&mut self, pages: u64) {
        let id = FileId { ino: 7, ..FileId::default() };
        let (object, description) = (ObjectId::File(id), DescriptionId::Known(7));
        let regular = MapFile::regular(id, pages * HUGE);
        let file = MapFile { object, description, kind: FileKind::Hugetlb, ..regular };
        self.input.file = FileInput::Open(Arc::new(file));
    }

    fn map_file(&mut self, at: u64, pages: u64, prot: Prot, offset: u64) -> Result<u64, Errno> {
        let flags = MapFlags::SHARED | MapFlags::FIXED;
        self.call(Call::Mmap { addr: huge(at), len: pages * HUGE, prot, flags, fd: Fd(3), offset })
    }
}

#[test]
fn a_pool_has_pages_or_none() {
    let mut world = world(HugePool::Observed);
    assert_eq!(world.map(1, Prot::RW, PRIVATE, 0), Err(Errno::ENOMEM));
    assert_eq!(world.map(1, Prot::RW, PRIVATE | MapFlags::NORESERVE, 0), Ok(BASE));
    assert_eq!(world.touch(huge(0), Access::Write), Err(Signal::BusAdrErr));
    world.input.huge_pool = HugePool::Stocked;
    assert_eq!(world.map(1, Prot::RW, PRIVATE, 0), Ok(BASE));
    assert_eq!(world.touch(huge(0), Access::Write), Ok(()));
}

/// The page comes first: only then the processor sees that it may not be executed.
#[test]
fn a_fetch_brings_the_page_before_it_is_refused() {
    let mut world = world(HugePool::Stocked);
    world.map(1, Prot::RW, PRIVATE, 0).expect("huge pages");
    assert_eq!(world.touch(huge(0), Access::Exec), Err(Signal::SegvAccErr));
    world.input.huge_pool = HugePool::Observed;
    assert_eq!(world.touch(huge(0), Access::Exec), Err(Signal::BusAdrErr));
}

#[test]
fn a_writable_mapping_makes_its_file_longer() {
    let mut world = world(HugePool::Stocked);
    world.open(1);
    world.map_file(0, 3, Prot::READ, 0).expect("huge pages");
    assert_eq!(world.touch(huge(1), Access::Read), Err(Signal::BusAdrErr));
    world.map_file(4, 1, Prot::RW, HUGE).expect("huge pages");
    assert_eq!(world.touch(huge(1), Access::Read), Ok(()));
    assert_eq!(world.touch(huge(2), Access::Read), Err(Signal::BusAdrErr));
}

/// Nameless memory with an offset begins past the end of its file, unless it may be written.
#[test]
fn nameless_memory_with_an_offset_is_past_its_end() {
    let mut world = world(HugePool::Stocked);
    world.map(1, Prot::READ, PRIVATE, 4 * HUGE).expect("huge pages");
    assert_eq!(world.touch(huge(0), Access::Read), Err(Signal::BusAdrErr));
    world.map(1, Prot::RW, PRIVATE, 4 * HUGE).expect("huge pages");
    assert_eq!(world.touch(huge(0), Access::Read), Ok(()));
}

#[test]
fn filling_ends_at_the_first_page_past_the_end() {
    let mut world = world(HugePool::Stocked);
    world.open(2);
    world.map_file(0, 3, Prot::READ, 0).expect("huge pages");
    let fill = |pages| Call::Madvise { addr: huge(0), len: pages * HUGE, advice: Advice::POPULATE_READ };
    assert_eq!(world.call(fill(2)), Ok(0));
    assert_eq!(world.call(fill(3)), Err(Errno::EFAULT));
    assert_eq!(world.call(Call::Mlock { addr: huge(0), len: 3 * HUGE }), Err(Errno::ENOMEM));
}

#[test]
fn a_hole_is_punched_unless_the_file_is_sealed() {
    let mut world = world(HugePool::Stocked);
    world.open(2);
    world.map_file(0, 2, Prot::RW, 0).expect("huge pages");
    assert_eq!(world.call(Call::Madvise { addr: huge(0), len: PAGE_SIZE, advice: Advice::REMOVE }), Ok(0));
    world.map(1, Prot::RW, PRIVATE, 0).expect("huge pages");
    let private = Call::Madvise { addr: huge(0), len: HUGE, advice: Advice::REMOVE };
    assert_eq!(world.call(private), Err(Errno::EACCES));
}

/// Huge pages of 1 GiB move as whole ones.
#[test]
fn the_size_of_its_pages_says_where_a_mapping_is_cut() {
    let mut world = world(HugePool::Observed);
    let log2 = MapFlags(30 << MapFlags::HUGE_SHIFT);
    let flags = PRIVATE | MapFlags::NORESERVE | log2;
    world.map(2 * GIB / HUGE, Prot::RW, flags, 0).expect("not promised");
    let unmap = |at, len| Call::Munmap { addr: VirtAddr(BASE + at), len };
    assert_eq!(world.call(unmap(HUGE, HUGE)), Err(Errno::EINVAL));
    let flags = RemapFlags::MAYMOVE | RemapFlags::FIXED;
    let to = |at, len| Call::Mremap {
        addr: VirtAddr(BASE),
        old_len: len,
        new_len: len,
        flags,
        new_addr: VirtAddr(BASE + at),
    };
    assert_eq!(world.call(to(4 * GIB + HUGE, HUGE)), Err(Errno::EINVAL));
    assert_eq!(world.call(to(4 * GIB, HUGE)), Ok(BASE + 4 * GIB));
    assert_eq!(world.space.find(VirtAddr(BASE)).map(|vma| vma.range.start), None);
    assert_eq!(world.space.find(VirtAddr(BASE + GIB)).map(|vma| vma.range.start), Some(VirtAddr(BASE + GIB)));
}

#[test]
fn a_segment_of_huge_pages_is_cut_between_them() {
    let mut world = world(HugePool::Stocked);
    let id = FileId { ino: 8, ..FileId::default() };
    let segment = MapFile { kind: FileKind::SysVHuge, ..MapFile::regular(id, 2 * HUGE) };
    world.input.segment = Some(Arc::new(segment));
    let attach = |addr| Call::Shmat { id: 8, addr, flags: ShmFlags::NONE };
    assert_eq!(world.call(attach(VirtAddr(BASE + PAGE_SIZE))), Err(Errno::EINVAL));
    assert_eq!(world.call(attach(huge(0))), Ok(BASE));
    let flags = world.space.find(huge(0)).map(|vma| vma.flags).expect("attached");
    assert!(flags.contains(VmFlags::HUGETLB) && !flags.contains(VmFlags::NORESERVE), "{flags:?}");
    let unmap = |addr, len| Call::Munmap { addr, len };
    assert_eq!(world.call(unmap(huge(0), PAGE_SIZE)), Err(Errno::EINVAL));
    assert_eq!(world.call(unmap(huge(1), HUGE)), Ok(0));
    assert_eq!(world.touch(huge(0), Access::Write), Ok(()));
    assert_eq!(world.call(Call::Shmdt { addr: huge(0) }), Ok(0));
    assert!(world.space.find(huge(0)).is_none());
}
