//! Mappings of rings and devices: each driver has rules of its own.

use super::story::story;
use crate::driver::Driver;
use crate::flags::VmFlags;

#[test]
fn the_ring_of_a_counter_is_whole_or_gone() {
    story(
        "
        map P 0..3                | DDD
        unmap 1..2                = EINVAL
        protect R 0..1            = EINVAL
        map W 2..4                = EINVAL
        advise SEQUENTIAL 0..1    = EINVAL
        advise DOFORK 0..3        = EINVAL
        resize 0..3 4 move        = EFAULT
        map W 3..4                | DDDW
        remap 0..4 to 5..9        | .....DDDW
        fork                      | ........W
        process 0
        protect R 5..8            | .....DDDW
        unmap 5..8                | ........W
        map P 0..3 private        = EINVAL
        ",
    );
}

#[test]
fn the_kernel_alone_places_the_rings_of_io_uring() {
    story(
        "
        map W 0..1
        map U 0..1                = EINVAL | W
        place U 1 at 5            = EINVAL | W
        place U 2                 = 22 | W.....................DD
        remap 22..24 to 3..5      = EINVAL
        resize 22..24 3 move      = EFAULT
        unmap 22..23              | W......................D
        fork                      | W......................D
        ",
    );
}

#[test]
fn maps_of_bpf_keep_to_what_they_were_mapped_for() {
    story(
        "
        map B 0..2
        map B 2..4                | DD|DD
        protect R 0..1            | D|D|DD
        protect W 0..1            | D|D|DD
        map b 4..5
        protect W 4..5            = EACCES
        protect X 0..1            = EACCES
        remap 0..4 to 5..9        = EFAULT
        map B 6..7 private        = EINVAL
        ",
    );
}

#[test]
fn arenas_and_trace_buffers_are_not_split_and_not_inherited() {
    story(
        "
        map A 0..2
        map T 4..6                | DD..DD
        unmap 0..1                = EINVAL
        unmap 5..6                = EINVAL
        protect W 4..6            = EACCES
        fork                      |
        mappings 0
        ",
    );
}

#[test]
fn of_an_unknown_driver_only_the_absence_of_memory_leaves_what_was_there() {
    story(
        "
        map W 0..4                | WWWW
        map D 1..2 ENODEV         = ENODEV | WWWW
        map D 1..2 EAGAIN         = EAGAIN | W.WW
        map D 1..2                | WDWW
        ",
    );
}

#[test]
fn a_driver_changes_only_what_is_its_to_change() {
    let asked = VmFlags::READ | VmFlags::WRITE | VmFlags::MAY_ALL | VmFlags::LOCKED;
    let told = VmFlags::READ | VmFlags::MAYREAD | VmFlags::IO | VmFlags::PFNMAP | VmFlags::SOFTDIRTY;
    let flags = Driver::Other.flags(asked, Some(told));
    let access = VmFlags::READ | VmFlags::WRITE | VmFlags::MAYREAD | VmFlags::LOCKED;
    assert_eq!(flags, access | VmFlags::IO | VmFlags::PFNMAP);
    assert!(Driver::Other.flags(asked, None).contains(VmFlags::DONTEXPAND));
}
