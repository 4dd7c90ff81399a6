//! E1 to E3: which mappings become one.

use super::story::story;

#[test]
fn e1_only_one_touched_merges() {
    story(
        "
        map W 0..2        | WW
        map N 2..4        | WWNN
        map W 4..6        | WWNNWW
        write 0
        protect W 2..4    | WWWWWW
        ",
    );
}

#[test]
fn e1_touched_apart_stays_two() {
    story(
        "
        map W 0..2        | WW
        map N 2..4        | WWNN
        map W 4..6        | WWNNWW
        write 0
        write 4
        protect W 2..4    | WWWW|WW
        ",
    );
}

#[test]
fn e1_a_split_shares_the_anon_vma() {
    story(
        "
        map W 0..6        | WWWWWW
        write 0
        protect N 2..4    | WWNNWW
        write 4
        protect W 2..4    | WWWWWW
        ",
    );
}

#[test]
fn e1_a_neighbours_anon_vma_is_used_if_only_the_access_differs() {
    story(
        "
        map W 0..2        | WW
        write 0
        protect R 0..2    | RR
        map W 2..4        | RRWW
        write 2
        protect W 0..2    | WWWW
        ",
    );
}

#[test]
fn e1_a_child_does_not_merge_what_its_parent_does() {
    story(
        "
        map W 0..2        | WW
        map N 2..4        | WWNN
        write 0
        fork              | WWNN
        protect W 2..4    | WW|WW
        process 0         | WWNN
        protect W 2..4    | WWWW
        ",
    );
}

#[test]
fn e1_reading_gives_no_anon_vma() {
    story(
        "
        map W 0..2
        map N 2..4
        map W 4..6
        read 0
        read 4
        protect W 2..4    | WWWWWW
        ",
    );
}

#[test]
fn e2_a_file_continues_by_offset_only() {
    story(
        "
        map F 0..2        | FF
        map F 2..4        | FFFF
        unmap 1..3        | F..F
        map F 1..3        | FFFF
        ",
    );
}

#[test]
fn e3_new_joins_both_sides() {
    story(
        "
        map W 0..2        | WW
        map W 4..6        | WW..WW
        map W 2..4        | WWWWWW
        ",
    );
}

#[test]
fn e3_new_joins_the_left_if_the_sides_were_touched_apart() {
    story(
        "
        map W 0..2
        map W 4..6
        write 0
        write 4
        map W 2..4        | WWWW|WW
        ",
    );
}

#[test]
fn e3_a_part_moves_to_its_neighbour() {
    story(
        "
        map R 0..2
        map W 2..6        | RRWWWW
        protect R 2..4    | RRRRWW
        protect W 3..4    | RRRWWW
        protect R 5..6    | RRRWWR
        ",
    );
}

#[test]
fn e3_the_charge_is_a_flag() {
    story(
        "
        map W 0..2
        map R 2..4        | WWRR
        protect W 2..4    | WWWW
        unmap 0..
        map W 0..2 noreserve
        map W 2..4        | WW|WW
        ",
    );
}

#[test]
fn e3_a_touched_read_only_part_keeps_its_charge() {
    story(
        "
        map W 0..2
        write 0
        protect R 0..2    | RR
        map R 2..4        | RR|RR
        ",
    );
}

#[test]
fn e3_shared_memory_is_one_file_each() {
    story(
        "
        map S 0..2
        map S 2..4        | SS|SS
        protect R 0..4    | SS|SS
        ",
    );
}

#[test]
fn pieces_of_a_file_of_overlayfs_merge_later_but_not_when_they_are_mapped() {
    story(
        "
        map F 0..2        | FF
        map F 2..4        | FFFF
        map O 0..2        | OOFF
        map O 2..4        | OO|OO
        map O 6..8        | OO|OO..OO
        map O 4..6        | OO|OO|OO|OO
        protect R 2..4    | OO|OO|OO|OO
        protect W 2..4    | OOOOOO|OO
        map O 1..2        | O|O|OOOO|OO
        ",
    );
}
