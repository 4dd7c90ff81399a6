//! E11, E12, E20: limits and what counts against them.

use super::story::story;

#[test]
fn e11_data_is_private_writable_memory() {
    story(
        "
        limit DATA 4
        map W 0..4
        map W 4..5            = ENOMEM
        map R 4..6
        protect W 4..6        = ENOMEM | WWWWRR
        map S 6..10
        counts                = 10 data 4 stack 0 locked 0
        protect R 0..2
        counts                = 10 data 2 stack 0 locked 0
        map W 0..2
        counts                = 10 data 4 stack 0 locked 0
        ",
    );
}

#[test]
fn e11_replacing_needs_no_more_room() {
    story(
        "
        limit AS 4
        map W 0..4
        map R 2..4            | WWRR
        map R 4..5            = ENOMEM
        map R 3..5            = ENOMEM | WWR|R
        ",
    );
}

#[test]
fn e12_one_mapping_over_the_limit_then_none() {
    story(
        "
        limit mappings 3
        map W 0..3
        map R 4..5
        map W 6..7
        protect R 1..2        = ENOMEM | WWW.R.W
        unmap 1..2            = ENOMEM | WWW.R.W
        map R 8..9            | WWW.R.W.R
        map W 3..4            = ENOMEM
        unmap 0..1            | .WW.R.W.R
        unmap 4..5            | .WW...W.R
        ",
    );
}

#[test]
fn e12_the_first_of_two_splits_stays() {
    story(
        "
        limit mappings 2
        map W 0..3
        protect R 1..2        = ENOMEM | W|WW
        ",
    );
}

#[test]
fn e16_locked_memory_has_a_limit() {
    story(
        "
        limit MEMLOCK 2
        map W 0..2 locked
        map W 2..3 locked     = EAGAIN
        counts                = 2 data 2 stack 0 locked 2
        limit MEMLOCK 0
        map W 2..3 locked     = EPERM
        unmap 0..1
        counts                = 1 data 1 stack 0 locked 1
        ",
    );
}
