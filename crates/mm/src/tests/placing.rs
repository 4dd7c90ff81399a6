//! E4 to E8, E21: which address, which errno first.

use super::story::story;

#[test]
fn e4_noreplace_and_zero_length() {
    story(
        "
        map W 0..2            | WW
        map W 1..3 noreplace  = EEXIST | WW
        map W 2..3 noreplace  | WWW
        map W 3..3            = EINVAL
        unmap 3..3            = EINVAL
        protect R 9..9        = ok
        ",
    );
}

#[test]
fn e5_the_highest_free_place_wins() {
    story(
        "
        place W 2             = 22
        place N 2             = 20
        unmap 22..24
        place W 3             = 17
        place W 2             = 22
        ",
    );
}

#[test]
fn e5_a_free_hint_is_taken() {
    story(
        "
        place W 2 at 4        = ok | ....WW
        place W 2 at 5        = 22
        place W 2 at 2        = ok | ..WWWW................WW
        ",
    );
}

#[test]
fn e6_below_a_stack_its_gap_stays_free() {
    story(
        "
        map G 20..22
        place W 2             = 22
        place W 1             = -237
        place W 1 at 19       = -238
        map W 19..20 noreplace = ok
        ",
    );
}

#[test]
fn e7_two_mib_are_aligned_a_page_more_is_not() {
    story(
        "
        place W 512           = -512
        place W 513           = -1025
        place S 512           = -1537
        ",
    );
}
