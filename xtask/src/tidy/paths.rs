//! `paths-exist`: a path of this repository that a comment or a document names is there.

use super::finding::Finding;
use super::tree::Tree;

/// The folders by which a path of the repository is known.
const ROOTS: [&str; 8] = ["crates/", "xtask/", "bench/", "fuzz/", "guests/", "docs/", "corpus/", ".ci/"];

/// Finds named paths that are not there.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.texts() {
        let is_document = path.ends_with(".md");
        // The rules' own tests name paths that are not there.
        if !(is_document || path.ends_with(".rs")) || path.starts_with("xtask/src/tidy/") {
            continue;
        }
        for (index, line) in text.lines().enumerate() {
            if !is_document && !line.trim_start().starts_with("//") {
                continue;
            }
            findings.extend(quoted(line).filter(|named| !tree.has(named)).map(|named| Finding {
                rule: "paths-exist",
                path: path.into(),
                line: index + 1,
                what: format!("`{named}` is not there"),
            }));
        }
    }
    findings
}

/// The words between backticks that look like paths of this repository, without patterns.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    let words = line.split('`').skip(1).step_by(2).flat_map(str::split_whitespace);
    let is_plain = |word: &&str| word.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
    words.filter(|word| ROOTS.iter().any(|root| word.starts_with(root))).filter(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_not_there_is_found() {
        let text = "//! See `crates/a/src/lib.rs`, `crates/a/`, `crates/b`, `docs/*.md` and `docs/c.md`.\n";
        let tree = Tree::of(&[("crates/a/src/lib.rs", text), ("docs/c.md", "")]);
        let found = check(&tree);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].what, "`crates/b` is not there");
    }
}
