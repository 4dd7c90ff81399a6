//! `small-files`: no file over 64 KiB but generated lock files; big fixtures are made when they are needed.

use super::finding::Finding;
use super::tree::Tree;

const BYTES_MAX: usize = 64 * 1024;

/// Finds files that are too big.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let too_big =
        tree.files.iter().filter(|(path, file)| file.size > BYTES_MAX && !path.ends_with("Cargo.lock"));
    let finding = |(path, file): (&String, &super::tree::File)| Finding {
        rule: "small-files",
        path: path.clone(),
        line: 0,
        what: format!("{} bytes, {BYTES_MAX} are allowed", file.size),
    };
    too_big.map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_big_file_is_found() {
        let big = "x".repeat(BYTES_MAX + 1);
        let found = check(&Tree::of(&[("docs/a.svg", &big), ("docs/b.svg", "x")]));
        assert_eq!(found.iter().map(|finding| finding.path.as_str()).collect::<Vec<_>>(), ["docs/a.svg"]);
    }
}
