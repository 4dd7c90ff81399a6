//! E9, E10: stacks that grow, and the heap.

use super::story::story;

#[test]
fn e9_a_stack_grows_to_the_page_of_the_access() {
    story(
        "
        map G 8..10
        write 5               = grew | .....GGGGG
        counts                = 5 data 0 stack 5 locked 0
        limit STACK 6
        write 3               = MAPERR
        read 4                = grew
        ",
    );
}

#[test]
fn e9_it_keeps_clear_of_what_can_be_accessed() {
    story(
        "
        map N 0..1
        map G 8..10
        write 2               = grew | N.GGGGGGGG
        unmap 0..1
        map W 0..1
        write 1               = MAPERR | W.GGGGGGGG
        ",
    );
}

#[test]
fn e10_the_heap_grows_and_shrinks() {
    story(
        "
        brk 2                 | ................WW
        brk 5                 | ................WWWWW
        brk 1                 | ................W
        brk 0                 | .
        ",
    );
}

#[test]
fn e10_a_page_below_the_next_mapping_stays_free() {
    story(
        "
        map R 20..21
        brk 4                 = refused
        brk 3                 | ................WWW.R
        ",
    );
}

#[test]
fn e10_a_hole_in_the_heap_makes_a_second_one() {
    story(
        "
        brk 2
        protect R 17..18      | ................WR
        brk 3                 | ................WRW
        limit DATA 4
        brk 5                 = refused
        brk 4                 | ................WRWW
        ",
    );
}
