//! E13, and E2 and E12 where `mremap` meets them.

use super::story::story;

#[test]
fn e13_moves_to_a_fixed_place() {
    story(
        "
        map W 0..4            | WWWW
        remap 1..3 to 6..8    | W..W..WW
        map R 10..14
        remap 6..8 to 11..13  | W..W......RWWR
        remap 4..5 to 8..9    = EFAULT
        remap 0..1 to 0..1    = EINVAL
        ",
    );
}

#[test]
fn e13_an_untouched_move_merges_with_its_own_rest() {
    story(
        "
        map W 0..4            | WWWW
        remap 2..4 to 4..6    | WW..WW
        map W 8..12
        remap 10..12 to 6..8  | WW..WWWWWW
        ",
    );
}

#[test]
fn e2_a_touched_mapping_keeps_its_offset_and_stays_apart() {
    story(
        "
        map W 0..2
        write 0
        remap 0..2 to 4..6    | ....WW
        map W 6..8            | ....WW|WW
        remap 4..6 to 0..2    | WW....WW
        map W 2..3            | WWW...WW
        ",
    );
}

#[test]
fn e13_shrinks_over_several_mappings() {
    story(
        "
        map W 0..2
        map R 2..4
        map W 4..6            | WWRRWW
        resize 0..5 1         | W....W
        resize 0..9 1         | W
        resize 0..1 1
        resize 0..20 20
        ",
    );
}

#[test]
fn e13_shrinks_and_moves() {
    story(
        "
        map W 0..4            | WWWW
        remap 0..4 to 8..10   | ........WW
        counts                = 2 data 2 stack 0 locked 0
        ",
    );
}

#[test]
fn e13_grows_in_place_only_at_the_end_of_the_mapping() {
    story(
        "
        map W 0..4            | WWWW
        resize 0..2 4         = ENOMEM
        resize 2..4 4         | WWWWWW
        map R 6..7
        resize 4..6 3         = ENOMEM
        resize 4..6 3 move    = 21 | WWWW..R..............WWW
        resize 0..5 6         = EFAULT
        ",
    );
}

#[test]
fn e13_growing_joins_the_next() {
    story(
        "
        map W 0..2
        map W 4..6            | WW..WW
        resize 0..2 4         | WWWWWW
        map W 8..9
        write 0
        write 8
        resize 0..6 8         | WWWWWWWW|W
        ",
    );
}

#[test]
fn e13_old_length_0_doubles_shared_memory_only() {
    story(
        "
        map W 0..2
        map S 4..6
        resize 0..0 2 move    = EINVAL
        resize 4..4 2         = ENOMEM
        resize 4..4 2 move    = 22 | WW..SS................SS
        remap 4..4 to 8..9    | WW..SS..S.............SS
        ",
    );
}

#[test]
fn e13_dontunmap_leaves_an_empty_mapping() {
    story(
        "
        map W 0..4
        write 0
        remap 0..2 to 6..8 keep  | WWWW..WW
        counts                   = 6 data 6 stack 0 locked 0
        remap 0..2 to 6..9 keep  = EINVAL
        limit AS 6
        remap 0..1 to 9..10 keep = ENOMEM
        ",
    );
}

#[test]
fn e13_dontunmap_unlocks_the_whole_source_but_counts_it() {
    story(
        "
        map W 0..4 locked
        counts                   = 4 data 4 stack 0 locked 4
        remap 0..2 to 6..8 keep  | WWWW..WW
        counts                   = 6 data 6 stack 0 locked 6
        unmap 0..4
        counts                   = 2 data 2 stack 0 locked 6
        ",
    );
}

#[test]
fn e13_dontunmap_of_the_whole_gives_its_anon_vma_away() {
    story(
        "
        map W 0..2
        map N 2..3
        map W 3..5
        write 0
        write 3
        remap 0..2 to 8..10 keep | WWNWW...WW
        protect W 2..3           | WWWWW...WW
        ",
    );
}

#[test]
fn e13_several_mappings_move_and_holes_stay() {
    story(
        "
        map W 0..2
        map R 2..3
        map W 5..6
        remap 0..6 to 10..16   | ..........WWR..W
        remap 9..16 to 0..7    = EFAULT
        remap 11..14 to 2..5   | ..WR......W....W
        ",
    );
}

#[test]
fn e13_a_refusal_leaves_what_moved_before() {
    story(
        "
        map W 0..2
        map R 2..4
        mseal 2..4             | WWrr
        remap 0..4 to 8..12    = EPERM | ..rr....WW
        ",
    );
}

#[test]
fn e13_the_target_goes_before_the_limits_are_asked() {
    story(
        "
        map W 0..2
        map R 8..12
        limit AS 3
        remap 0..2 to 8..11    = ENOMEM | WW......RRRR
        limit AS 6
        remap 0..2 to 8..10 keep | WW......WWRR
        limit AS 4
        remap 0..1 to 10..11 keep = ENOMEM | WW......WW.R
        ",
    );
}

#[test]
fn e12_mremap_needs_headroom() {
    story(
        "
        limit mappings 8
        map W 0..1
        map R 1..2
        map W 2..3             | WRW
        remap 0..1 to 9..10    = ENOMEM
        limit mappings 9
        remap 0..1 to 9..10    | .RW......W
        limit mappings 6
        resize 2..3 2          | .RWW.....W
        map N 4..5
        resize 2..4 3 move     = ENOMEM
        limit mappings 8
        resize 2..4 3 move     = 21 | .R..N....W...........WWW
        ",
    );
}

#[test]
fn e13_a_locked_mapping_grows_locked() {
    story(
        "
        limit MEMLOCK 4
        map W 0..3 locked
        resize 0..3 5          = EAGAIN
        resize 0..3 4          | WWWW
        counts                 = 4 data 4 stack 0 locked 4
        remap 0..4 to 8..12    | ........WWWW
        counts                 = 4 data 4 stack 0 locked 4
        ",
    );
}

#[test]
fn e13_a_length_that_wraps_may_unmap_the_source_first() {
    // 2^52 - 1 pages: the source's end wraps below the target.
    story(
        "
        map W 0..2
        remap 0..4503599627370495 to 0..1 = EFAULT | .W
        ",
    );
}
