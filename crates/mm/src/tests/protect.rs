//! E14, E15, E19: protection, seals, and the signals of accesses.

use super::story::story;

#[test]
fn e14_what_came_before_a_hole_is_changed() {
    story(
        "
        map W 0..2
        map W 3..5            | WW.WW
        protect R 0..5        = ENOMEM | RR.WW
        protect R 2..4        = ENOMEM | RR.WW
        ",
    );
}

#[test]
fn e14_what_came_before_a_seal_is_changed() {
    story(
        "
        map W 0..2
        map R 2..4
        seal 2..4             | WWrr
        protect R 0..4        = EPERM | RRrr
        protect R 2..4        = EPERM
        ",
    );
}

#[test]
fn e14_growsdown_reaches_to_the_start() {
    story(
        "
        map G 4..8
        protect R 6..7 down   | ....RRRG
        unmap 0..
        map W 4..8
        protect R 6..7 down   = EINVAL
        protect R 0..2 down   = ENOMEM
        ",
    );
}

#[test]
fn e15_a_seal_stops_unmapping_half_way() {
    story(
        "
        map W 0..2
        map R 2..4
        seal 2..4
        unmap 1..3            = EPERM | W|Wrr
        map W 3..4            = EPERM | W|Wrr
        unmap 0..2            | ..rr
        ",
    );
}

#[test]
fn e19_signals() {
    story(
        "
        map R 0..1
        map N 1..2
        map F 6..10
        read 0
        write 0               = ACCERR
        read 1                = ACCERR
        fetch 0               = ACCERR
        read 2                = MAPERR
        read 7
        write 8               = BUS
        ",
    );
}
