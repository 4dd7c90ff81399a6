//! `file-length` and `function-length`: hard limits, and the median that is reported.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::finding::Finding;
use super::tree::{Tree, is_cfg_test, is_tests};

const FILE_LINES_MAX: usize = 1_000;
const FUNCTION_LINES_MAX: usize = 70;

/// Finds files and functions that are too long.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.rust_texts() {
        let lines = text.lines().count();
        if lines > FILE_LINES_MAX {
            let what = format!("{lines} lines, {FILE_LINES_MAX} are allowed");
            findings.push(Finding { rule: "file-length", path: path.into(), line: 0, what });
        }
    }
    for (path, file) in tree.rust() {
        let mut functions = Functions { path, findings: &mut findings };
        functions.visit_file(file);
    }
    findings
}

/// Returns the median number of lines of the files that are not tests.
pub(super) fn median(tree: &Tree) -> usize {
    let files = tree.rust_texts().filter(|(path, _)| !is_tests(path));
    let mut lengths: Vec<usize> = files.map(|(_, text)| text.lines().count()).collect();
    lengths.sort_unstable();
    lengths.get(lengths.len() / 2).copied().unwrap_or(0)
}

struct Functions<'a> {
    path: &'a str,
    findings: &'a mut Vec<Finding>,
}

impl Functions<'_> {
    fn measure(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let first = signature.span().start().line;
        let lines = block.span().end().line + 1 - first;
        if lines > FUNCTION_LINES_MAX {
            let what = format!("`{}` has {lines} lines, {FUNCTION_LINES_MAX} are allowed", signature.ident);
            self.findings.push(Finding {
                rule: "function-length",
                path: self.path.into(),
                line: first,
                what,
            });
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        // The length of a test is that of the text it expects.
        if !is_cfg_test(&function.attrs) {
            self.measure(&function.sig, &function.block);
        }
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.measure(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(block) = &function.default {
            self.measure(&function.sig, block);
        }
        visit::visit_trait_item_fn(self, function);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_files_and_functions_are_found() {
        let long_file = "// x\n".repeat(FILE_LINES_MAX + 1);
        let long_function = format!("impl A {{\n    fn f() {{\n{}    }}\n}}\n", "        x;\n".repeat(70));
        let short = "fn f() {\n}\n".to_string();
        let tree = Tree::of(&[("a.rs", &long_file), ("b.rs", &long_function), ("c.rs", &short)]);
        let found: Vec<_> =
            check(&tree).into_iter().map(|found| (found.rule, found.path, found.line)).collect();
        assert_eq!(found, [("file-length", "a.rs".into(), 0), ("function-length", "b.rs".into(), 2)]);
        assert_eq!(median(&tree), 74);
    }
}
