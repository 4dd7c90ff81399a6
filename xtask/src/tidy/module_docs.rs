//! `module-docs`: each Rust file opens with `//!`; each library's root ends its docs with an `Invariant:` line.

use super::finding::Finding;
use super::tree::Tree;

/// Finds files without a header and crates without an invariant.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut found = |path: &str, what: &str| {
        findings.push(Finding { rule: "module-docs", path: path.into(), line: 1, what: what.into() });
    };
    for (path, text) in tree.rust_texts() {
        if !text.starts_with("//! ") {
            found(path, "does not open with a `//!` line that says what lives here");
        }
        let is_library = path.starts_with("crates/") && path.ends_with("/src/lib.rs");
        if is_library && !text.lines().any(|line| line.starts_with("//! Invariant: ")) {
            found(path, "has no `//! Invariant:` line that says what the crate must not know");
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_headers_and_invariants_are_found() {
        let tree = Tree::of(&[
            ("crates/a/src/lib.rs", "//! Lives here.\n//!\n//! Invariant: none of it.\n"),
            ("crates/a/src/b.rs", "fn f() {}\n"),
            ("crates/b/src/lib.rs", "//! Lives here.\n"),
        ]);
        let found: Vec<_> = check(&tree).into_iter().map(|finding| finding.path).collect();
        assert_eq!(found, ["crates/a/src/b.rs", "crates/b/src/lib.rs"]);
    }
}
