//! E15: sealed mappings.

use super::story::story;

#[test]
fn e15_sealing_splits_merges_and_needs_a_whole_range() {
    story(
        "
        map W 0..6
        mseal 2..4           | WWwwWW
        mseal 3..8           = ENOMEM | WWwwWW
        mseal 0..3           | wwwwWW
        mseal 7..8           = ENOMEM
        ",
    );
}

#[test]
fn e15_unmapping_stops_at_a_seal() {
    story(
        "
        map W 0..2
        map R 2..4
        mseal 2..4           | WWrr
        unmap 0..4           = EPERM | WWrr
        unmap 1..3           = EPERM | W|Wrr
        unmap 3..4           = EPERM | W|Wrr
        map W 2..4           = EPERM
        protect W 0..4       = EPERM
        remap 2..4 to 8..10  = EPERM
        resize 2..4 1        = EPERM
        lock 2..4
        unlock 2..4
        ",
    );
}

#[test]
fn e15_only_read_only_anonymous_memory_keeps_its_data() {
    story(
        "
        map R 0..2
        map W 2..4
        map F 4..6
        mseal 0..6           | rrwwff
        advise DONTNEED 0..2  = EPERM
        advise FREE 0..1      = EPERM
        advise DONTFORK 0..1  = EPERM
        advise WIPEONFORK 0..1 = EPERM
        advise GUARD_INSTALL 0..1 = EPERM
        advise COLD 0..2
        advise DONTDUMP 0..1  | r|rwwff
        advise DONTNEED 2..6
        ",
    );
}
