//! Attributes beside the flags that keep mappings apart: NUMA policies, names, KSM for the whole process.

use super::story::story;

#[test]
fn policies_split_and_merge() {
    story(
        "
        map W 0..6
        policy bind 2..4      | WW|WW|WW
        policy bind 0..6      | WWWWWW
        policy default 0..3   | WWW|WWW
        policy bind 6..8      = EFAULT
        policy bind 4..8      = EFAULT
        policy default 4..8   | WWW|W|WW
        ",
    );
}

#[test]
fn a_policy_stays_at_moved_memory() {
    story(
        "
        map W 0..2
        policy bind 0..2
        remap 0..2 to 4..6
        map W 6..8            | ....WW|WW
        ",
    );
}

#[test]
fn without_the_option_there_are_no_names() {
    story(
        "
        map W 0..2
        name heap 0..1        = EINVAL
        ",
    );
}

#[test]
fn names_split_and_merge() {
    story(
        "
        names
        map W 0..4
        map F 4..5
        name heap 0..2        | WW|WWF
        name heap 2..4        | WWWWF
        name he[p 2..4        = EINVAL
        name stack 3..5       = EBADF | WWW|WF
        name stack 5..7       = ENOMEM
        ",
    );
}

#[test]
fn ksm_for_all_joins_nothing_by_itself() {
    story(
        "
        map W 0..4
        advise MERGEABLE 0..2 | WW|WW
        mergeany 1            | WW|WW
        map W 4..5            | WW|WWW
        mergeany 0
        map W 5..6            | WW|WWWW
        ",
    );
}
