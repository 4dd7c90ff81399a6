//! E23: what a child gets.

use super::story::story;

#[test]
fn e23_locks_do_not_follow() {
    story(
        "
        map W 0..2 locked
        fork
        counts                = 2 data 2 stack 0 locked 0
        map W 2..4            | WW|WW
        process 0
        counts                = 2 data 2 stack 0 locked 2
        ",
    );
}

#[test]
fn e23_untouched_memory_merges_in_a_child_too() {
    story(
        "
        map W 0..2
        map N 2..4
        fork
        protect W 2..4        | WWWW
        write 0
        fork
        map W 4..6            | WWWW|WW
        ",
    );
}
