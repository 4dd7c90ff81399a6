//! `unsafe-in-sys`: `unsafe` only in `crates/sys` (and in `bench/`, which calls the kernel to be measured), each
//! time with a `SAFETY:` comment right above.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::finding::Finding;
use super::tree::Tree;

const ALLOWED: [&str; 2] = ["crates/sys/", "bench/"];

/// Finds `unsafe` in the wrong place or without its reason.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, file) in tree.rust() {
        let text = tree.files[path].text.as_deref().unwrap_or_default();
        let mut places = Places::default();
        places.visit_file(file);
        for line in places.lines {
            let mut found = |what: &str| {
                findings.push(Finding { rule: "unsafe-in-sys", path: path.into(), line, what: what.into() });
            };
            if !ALLOWED.iter().any(|folder| path.starts_with(folder)) {
                found("`unsafe` stands outside crates/sys");
            } else if !has_reason(text, line) {
                found("`unsafe` has no `// SAFETY:` comment right above");
            }
        }
    }
    findings
}

/// Whether the comment above the statement that begins at or before this line has the word.
fn has_reason(text: &str, line: usize) -> bool {
    let lines: Vec<&str> = text.lines().collect();
    let above = lines[..line].iter().rev();
    // A statement may begin a few lines above its `unsafe` word.
    above.take(8).any(|line| line.contains("SAFETY:") || line.contains("# Safety"))
}

#[derive(Default)]
struct Places {
    lines: Vec<usize>,
}

impl<'ast> Visit<'ast> for Places {
    fn visit_expr_unsafe(&mut self, block: &'ast syn::ExprUnsafe) {
        self.lines.push(block.unsafe_token.span().start().line);
        visit::visit_expr_unsafe(self, block);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        self.lines.extend(item.unsafety.as_ref().map(|token| token.span().start().line));
        visit::visit_item_impl(self, item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsafe_outside_sys_or_without_reason_is_found() {
        let bare = "fn f() {\n    unsafe { g() }\n}\n";
        let reasoned = "fn f() {\n    // SAFETY: g has no preconditions.\n    unsafe { g() }\n}\n";
        let tree = Tree::of(&[
            ("crates/mm/src/a.rs", reasoned),
            ("crates/sys/src/a.rs", bare),
            ("crates/sys/src/b.rs", reasoned),
        ]);
        let found: Vec<_> = check(&tree).into_iter().map(|found| (found.path, found.line)).collect();
        assert_eq!(found, [("crates/mm/src/a.rs".into(), 3), ("crates/sys/src/a.rs".into(), 2)]);
    }
}
