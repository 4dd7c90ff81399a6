//! E16: locked memory.

use super::story::story;

#[test]
fn e16_locking_splits_and_unlocking_merges() {
    story(
        "
        map W 0..6
        lock 2..4            | WW|WW|WW
        counts               = 6 data 6 stack 0 locked 2
        lock 2..4            | WW|WW|WW
        counts               = 6 data 6 stack 0 locked 2
        unlock 0..6          | WWWWWW
        counts               = 6 data 6 stack 0 locked 0
        lock 0..6 onfault    | WWWWWW
        counts               = 6 data 6 stack 0 locked 6
        lock 0..2            | WW|WWWW
        counts               = 6 data 6 stack 0 locked 6
        ",
    );
}

#[test]
fn e16_a_hole_ends_it_after_what_lies_before() {
    story(
        "
        map W 0..2
        map W 3..5
        lock 0..5            = ENOMEM | WW.WW
        counts               = 4 data 4 stack 0 locked 2
        lock 2..5            = ENOMEM
        counts               = 4 data 4 stack 0 locked 2
        unlock 0..3          = ENOMEM
        counts               = 4 data 4 stack 0 locked 0
        ",
    );
}

#[test]
fn e16_locked_pages_are_not_counted_twice() {
    story(
        "
        limit MEMLOCK 4
        map W 0..8
        lock 0..8            = ENOMEM
        lock 0..4
        lock 0..4
        lock 2..5            = ENOMEM
        limit MEMLOCK 0
        lock 0..1            = EPERM
        unlock 0..4
        counts               = 8 data 8 stack 0 locked 0
        ",
    );
}

#[test]
fn e16_what_can_not_be_faulted_in_is_locked_all_the_same() {
    story(
        "
        map N 0..2
        lock 0..2            = ENOMEM
        counts               = 2 data 0 stack 0 locked 2
        map W 4..8
        advise GUARD_INSTALL 6..7
        lock 4..8            = ENOMEM
        counts               = 6 data 4 stack 0 locked 6
        ",
    );
}

#[test]
fn e16_locking_touches() {
    story(
        "
        map W 0..2
        map N 2..4
        map W 4..6
        lock 0..2
        unlock 0..2
        write 4
        protect W 2..4       | WWWW|WW
        ",
    );
}

#[test]
fn e16_mlockall() {
    story(
        "
        limit MEMLOCK 4
        map W 0..3
        lockall onfault      = EINVAL
        lockall              = EINVAL
        lockall current
        counts               = 3 data 3 stack 0 locked 3
        lockall future
        map W 3..4
        counts               = 4 data 4 stack 0 locked 4
        map W 4..5           = EAGAIN
        unlockall
        counts               = 4 data 4 stack 0 locked 0
        map W 4..5           | WWWWW
        lockall current      = ENOMEM
        ",
    );
}
