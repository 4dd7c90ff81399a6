//! E17 and E18: advice, msync, mincore.

use super::story::story;

#[test]
fn e17_flags_split_and_merge() {
    story(
        "
        map W 0..6
        advise DONTFORK 2..4    | WW|WW|WW
        advise DOFORK 0..6      | WWWWWW
        advise HUGEPAGE 0..2    | WW|WWWW
        advise NOHUGEPAGE 2..4  | WW|WW|WW
        advise HUGEPAGE 0..6    | WWWWWW
        advise RANDOM 1..2
        advise SEQUENTIAL 2..3
        mappings 4
        advise NORMAL 0..6      | WWWWWW
        advise MERGEABLE 0..3   | WWW|WWW
        advise UNMERGEABLE 0..3 | WWWWWW
        advise WIPEONFORK 0..1  | W|WWWWW
        advise KEEPONFORK 0..1  | WWWWWW
        advise DONTDUMP 0..1    | W|WWWWW
        advise DODUMP 0..1      | WWWWWW
        ",
    );
}

#[test]
fn e17_holes_are_passed_over_and_told_at_the_end() {
    story(
        "
        map W 0..2
        map W 4..6
        advise DONTFORK 1..6    = ENOMEM | W|W..WW
        advise DONTFORK 6..8    = ENOMEM
        advise DONTFORK 2..4    = ENOMEM
        advise DONTFORK 3..5    = ENOMEM | W|W..WW
        advise DOFORK 0..2      | WW..WW
        ",
    );
}

#[test]
fn e17_the_first_that_refuses_ends_it() {
    story(
        "
        map W 0..2
        map S 2..4
        map W 4..6
        advise WIPEONFORK 0..6  = EINVAL
        advise KEEPONFORK 0..1  | W|WSSWW
        lock 4..6
        advise DONTNEED 0..6    = EINVAL
        advise DONTNEED_LOCKED 0..6
        advise FREE 2..3        = EINVAL
        advise COLD 0..6        = EINVAL
        advise REMOVE 2..4
        advise REMOVE 0..1      = EINVAL
        ",
    );
}

#[test]
fn e12_splits_by_advice_answer_eagain() {
    story(
        "
        limit mappings 1
        map W 0..3
        advise DONTFORK 1..2    = EAGAIN
        lock 1..2               = ENOMEM
        mseal 1..2              = ENOMEM
        ",
    );
}

#[test]
fn e17_guards_fault_without_a_split_and_set_an_anon_vma() {
    story(
        "
        map W 0..4
        advise GUARD_INSTALL 1..2 | WWWW
        write 1                   = MAPERR
        write 2
        advise DONTNEED 0..4
        read 1                    = MAPERR
        advise GUARD_REMOVE 0..4
        write 1
        map W 6..7
        map N 7..8
        map W 8..9
        advise GUARD_INSTALL 6..7
        write 8
        protect W 7..8            | WWWW..WW|W
        lock 6..7                 = ENOMEM
        advise GUARD_INSTALL 6..7 = EINVAL
        ",
    );
}

#[test]
fn e17_guards_keep_no_mappings_apart_and_give_files_no_anon_vma() {
    story(
        "
        map S 0..4
        advise HUGEPAGE 2..4      | SS|SS
        advise GUARD_INSTALL 1..3 | SS|SS
        advise HUGEPAGE 0..2      | SSSS
        map W 6..8
        advise GUARD_INSTALL 6..7
        map W 8..10               | SSSS..WWWW
        ",
    );
}

#[test]
fn e17_guards_move_and_go_with_their_pages() {
    story(
        "
        map W 0..4
        advise GUARD_INSTALL 1..2
        remap 0..4 to 8..12
        write 9                   = MAPERR
        write 8
        map W 8..12
        write 9
        ",
    );
}

#[test]
fn e17_populate_stops_at_the_first_bad_page() {
    story(
        "
        map R 0..2
        map W 3..5
        advise POPULATE_WRITE 0..2 = EINVAL
        advise POPULATE_READ 0..3  = ENOMEM
        advise POPULATE_READ 0..2
        advise GUARD_INSTALL 4..5
        advise POPULATE_WRITE 3..5 = EFAULT
        advise POPULATE_READ 3..5  = EFAULT
        map F 7..9
        advise POPULATE_READ 7..8
        advise POPULATE_READ 7..9  = EFAULT
        ",
    );
}

#[test]
fn e17_collapse_is_refused_where_no_huge_page_fits() {
    story(
        "
        map W 0..4
        advise COLLAPSE 0..4    = EINVAL
        ",
    );
}

#[test]
fn e18_msync() {
    story(
        "
        map W 0..2
        map S 3..5
        sync async 0..5         = ENOMEM
        sync sync 0..5          = ENOMEM
        sync sync 3..5
        sync sync 0..2
        lock 3..4
        sync invalidate 0..5    = EBUSY
        sync invalidate 0..2
        ",
    );
}

#[test]
fn e18_mincore_writes_before_it_meets_a_hole() {
    story(
        "
        map W 0..2
        map W 6..8
        incore 0..3 at 6        = ENOMEM
        incore 0..2 at 3        = EFAULT
        incore 3..4 at 3        = ENOMEM
        incore 0..2 at 6
        map N 8..10
        map W 10..12
        write 10
        protect W 8..10         | WW....WWWW|WW
        ",
    );
}
