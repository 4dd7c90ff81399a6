//! `no-unwrap`: no `unwrap()`, `panic!`, `todo!` or `unimplemented!` outside tests; `expect()` only where its
//! message states why it cannot happen, and in no more places than the budget says.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::finding::Finding;
use super::tree::{Tree, is_cfg_test, is_tests};

/// Finds what would panic on bad input.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    calls(tree).into_iter().filter(|found| found.name != "expect").map(Call::finding).collect()
}

/// Returns how many `expect()` stand outside tests in what is shipped.
pub(super) fn expects(tree: &Tree) -> usize {
    calls(tree).iter().filter(|call| call.name == "expect" && call.path.starts_with("crates/")).count()
}

struct Call {
    path: String,
    line: usize,
    name: String,
}

impl Call {
    fn finding(self) -> Finding {
        let what =
            format!("`{}` outside tests: return an error that says what, where and what to do", self.name);
        Finding { rule: "no-unwrap", path: self.path, line: self.line, what }
    }
}

fn calls(tree: &Tree) -> Vec<Call> {
    let mut calls = Vec::new();
    for (path, file) in tree.rust().filter(|(path, _)| !is_tests(path) && !path.starts_with("bench/")) {
        Calls { path, calls: &mut calls }.visit_file(file);
    }
    calls
}

struct Calls<'a> {
    path: &'a str,
    calls: &'a mut Vec<Call>,
}

impl Calls<'_> {
    fn push(&mut self, name: &str, line: usize) {
        self.calls.push(Call { path: self.path.into(), line, name: name.into() });
    }
}

impl<'ast> Visit<'ast> for Calls<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_cfg_test(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if !is_cfg_test(&item.attrs) {
            visit::visit_item_fn(self, item);
        }
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        let name = call.method.to_string();
        if ["unwrap", "expect", "unwrap_err", "expect_err"].contains(&name.as_str()) {
            self.push(&name, call.method.span().start().line);
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        let name = call.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
        if ["panic", "todo", "unimplemented"].contains(&name.as_str()) {
            self.push(&name, call.span().start().line);
        }
        visit::visit_macro(self, call);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unwraps_outside_tests_are_found() {
        let text = "fn f() {\n    x.unwrap();\n    y.expect(\"z\");\n    todo!()\n}\n\
                    #[cfg(test)]\nmod tests {\n    fn g() { x.unwrap(); }\n}\n";
        let tree = Tree::of(&[("crates/a/src/b.rs", text), ("crates/a/tests/b.rs", text)]);
        let lines: Vec<_> = check(&tree).into_iter().map(|found| found.line).collect();
        assert_eq!(lines, [2, 4]);
        assert_eq!(expects(&tree), 1);
    }
}
