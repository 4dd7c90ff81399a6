//! `no-ignore`: no test is switched off; a wrong behaviour is asserted, with a FIXME that says what would be right.

use syn::spanned::Spanned;
use syn::visit::Visit;

use super::finding::Finding;
use super::tree::Tree;

/// Finds ignored tests.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, file) in tree.rust() {
        Ignores { path, findings: &mut findings }.visit_file(file);
    }
    findings
}

struct Ignores<'a> {
    path: &'a str,
    findings: &'a mut Vec<Finding>,
}

impl<'ast> Visit<'ast> for Ignores<'_> {
    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        if attribute.path().is_ident("ignore") {
            let what = "an ignored test proves nothing and rots".to_string();
            let line = attribute.span().start().line;
            self.findings.push(Finding { rule: "no-ignore", path: self.path.into(), line, what });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ignored_test_is_found() {
        let tree = Tree::of(&[("a.rs", "#[test]\n#[ignore]\nfn f() {}\n")]);
        assert_eq!(check(&tree)[0].line, 2);
    }
}
