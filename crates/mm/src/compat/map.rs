//! The calls that make and remove mappings.

use abi::{Call, MapFlags, MapType, Prot, ShmFlags, VirtAddr};

use super::{Cell, State, table};

const ANON: MapFlags = MapFlags::ANONYMOUS;

table! {
    "mmap" {
        "MAP_SHARED" Verified "": Call::Mmap { flags, .. } if flags.map_type() == MapType::Shared,
        "MAP_PRIVATE" Verified "": Call::Mmap { flags, .. } if flags.map_type() == MapType::Private,
        "MAP_SHARED_VALIDATE" Verified "": Call::Mmap { flags, .. } if flags.map_type() == MapType::SharedValidate,
        "MAP_DROPPABLE" Verified "": Call::Mmap { flags, .. } if flags.map_type() == MapType::Droppable,
        "no type" Verified "": Call::Mmap { flags, .. } if matches!(flags.map_type(), MapType::Invalid(_)),
        "MAP_ANONYMOUS" Verified "": Call::Mmap { flags, .. } if flags.contains(ANON),
        "a file" Verified "regular, tmpfs, memfd, /dev/zero":
            Call::Mmap { flags, .. } if !flags.contains(ANON),
        "a ring of perf, io_uring, BPF, the tracing" Verified "flags, splits, places, what is refused by the arguments alone; else an input":
            Call::Mmap { flags, .. } if !flags.contains(ANON),
        "another device" Input "its flags, where it places itself; split as any other; ENODEV: has nothing to map":
            Call::Mmap { flags, .. } if !flags.contains(ANON),
        "no hint" Verified "top down and bottom up": Call::Mmap { addr: VirtAddr::NULL, .. },
        "a hint" Verified "": Call::Mmap { addr, flags, .. }
            if addr != VirtAddr::NULL && !flags.intersects(MapFlags::FIXED | MapFlags::FIXED_NOREPLACE),
        "MAP_FIXED" Verified "": Call::Mmap { flags, .. } if flags.contains(MapFlags::FIXED),
        "MAP_FIXED_NOREPLACE" Verified "": Call::Mmap { flags, .. } if flags.contains(MapFlags::FIXED_NOREPLACE),
        "MAP_32BIT" Verified "its random start is an input; what follows from it is not":
            Call::Mmap { flags, .. } if flags.contains(MapFlags::MAP_32BIT),
        "MAP_ABOVE4G" Verified "": Call::Mmap { flags, .. } if flags.contains(MapFlags::ABOVE4G),
        "MAP_GROWSDOWN" Verified "": Call::Mmap { flags, .. } if flags.contains(MapFlags::GROWSDOWN),
        "MAP_STACK" Verified "": Call::Mmap { flags, .. } if flags.contains(MapFlags::STACK),
        "MAP_LOCKED" Verified "": Call::Mmap { flags, .. } if flags.contains(MapFlags::LOCKED),
        "MAP_POPULATE" Verified "": Call::Mmap { flags, .. } if flags.contains(MapFlags::POPULATE),
        "MAP_NONBLOCK" Verified "": Call::Mmap { flags, .. } if flags.contains(MapFlags::NONBLOCK),
        "MAP_NORESERVE" Verified "": Call::Mmap { flags, .. } if flags.contains(MapFlags::NORESERVE),
        "MAP_HUGETLB" Verified "whether the pool has pages is an input; what follows from it is not":
            Call::Mmap { flags, .. } if flags.contains(MapFlags::HUGETLB),
        "MAP_SYNC" Verified "": Call::Mmap { flags, .. } if flags.contains(MapFlags::SYNC),
        "MAP_DENYWRITE" Verified "ignored": Call::Mmap { flags, .. } if flags.contains(MapFlags::DENYWRITE),
        "MAP_EXECUTABLE" Verified "ignored": Call::Mmap { flags, .. } if flags.contains(MapFlags::EXECUTABLE),
        "MAP_UNINITIALIZED" Verified "ignored": Call::Mmap { flags, .. } if flags.contains(MapFlags::UNINITIALIZED),
        "PROT_NONE" Verified "": Call::Mmap { prot: Prot::NONE, .. },
        "PROT_WRITE alone" Verified "": Call::Mmap { prot: Prot::WRITE, .. },
        "PROT_EXEC" Verified "": Call::Mmap { prot, .. } if prot.contains(Prot::EXEC),
    }
    "munmap" {
        "any range" Verified "": Call::Munmap { .. },
    }
    "brk" {
        "any address" Verified "": Call::Brk { .. },
    }
    "remap_file_pages" {
        "any range" Verified "": Call::RemapFilePages { .. },
    }
    "shmat" {
        "no address" Verified "which segment it is, its size and mode are inputs":
            Call::Shmat { addr: VirtAddr::NULL, .. },
        "an address" Verified "": Call::Shmat { addr, .. } if addr != VirtAddr::NULL,
        "SHM_RDONLY" Verified "": Call::Shmat { flags, .. } if flags.contains(ShmFlags::RDONLY),
        "SHM_RND" Verified "": Call::Shmat { flags, .. } if flags.contains(ShmFlags::RND),
        "SHM_REMAP" Verified "": Call::Shmat { flags, .. } if flags.contains(ShmFlags::REMAP),
        "SHM_EXEC" Verified "": Call::Shmat { flags, .. } if flags.contains(ShmFlags::EXEC),
    }
    "shmdt" {
        "any address" Verified "": Call::Shmdt { .. },
    }
    "io_setup" {
        "any" Verified "how many events other processes asked for is an input": Call::IoSetup { .. },
    }
    "io_destroy" {
        "any" Verified "a context whose ring is no longer mapped where it was: an input": Call::IoDestroy { .. },
    }
    "map_shadow_stack" {
        "any" Refused "no shadow stacks in this kernel": Call::MapShadowStack { .. },
    }
}
