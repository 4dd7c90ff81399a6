//! System V segments.

use super::story::story;

#[test]
fn each_attachment_is_a_file_of_its_own() {
    story(
        "
        attach at 2           | ..SS
        attach at 4           | ..SS|SS
        attach at 5           = EINVAL
        attach at 5 remap     | ..SS|S|SS
        attach                = 22
        detach 2              | ....S|SS...............SS
        detach 3              = EINVAL
        detach 4              | .....SS...............SS
        ",
    );
}

#[test]
fn detaching_finds_the_pieces() {
    story(
        "
        attach at 2
        protect R 2..3        | ..S|S
        map W 6..7
        detach 2              | ......W
        ",
    );
}
