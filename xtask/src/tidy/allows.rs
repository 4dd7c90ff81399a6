//! `expect-with-reason`: no lint is switched off for a whole crate or module; elsewhere `#[expect]`, with a reason.

use syn::spanned::Spanned;
use syn::visit::Visit;

use super::finding::Finding;
use super::tree::{Tree, tokens};

/// Finds lints switched off.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, file) in tree.rust() {
        let mut attributes = Attributes { path, findings: &mut findings };
        attributes.visit_file(file);
    }
    findings
}

struct Attributes<'a> {
    path: &'a str,
    findings: &'a mut Vec<Finding>,
}

impl<'ast> Visit<'ast> for Attributes<'_> {
    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        let is_allow = attribute.path().is_ident("allow");
        let is_inner = matches!(attribute.style, syn::AttrStyle::Inner(_));
        let what = if is_allow && is_inner {
            "a lint is allowed for a whole crate or module"
        } else if is_allow {
            "`#[allow]` outlives its cause; write `#[expect(lint, reason = \"...\")]`"
        } else if attribute.path().is_ident("expect") && !tokens(attribute).contains("reason") {
            "`#[expect]` has no reason"
        } else {
            return;
        };
        let line = attribute.span().start().line;
        self.findings.push(Finding {
            rule: "expect-with-reason",
            path: self.path.into(),
            line,
            what: what.into(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allows_and_unreasoned_expects_are_found() {
        let text = "#![allow(dead_code)]\n#[allow(unused)]\nfn f() {}\n#[expect(unused)]\nfn g() {}\n\
                    #[expect(unused, reason = \"why\")]\nfn h() {}\n";
        let lines: Vec<_> = check(&Tree::of(&[("a.rs", text)])).into_iter().map(|found| found.line).collect();
        assert_eq!(lines, [1, 2, 4]);
    }
}
