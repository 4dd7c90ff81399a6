//! `typed-addresses`: no bare integer for an address in a public signature of the twin.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::finding::Finding;
use super::tree::{Tree, is_tests};

const NAMES: [&str; 6] = ["addr", "address", "start", "end", "base", "brk"];
const INTEGERS: [&str; 3] = ["u64", "usize", "i64"];

/// Finds parameters that are named as addresses and typed as integers.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, file) in tree.rust().filter(|(path, _)| path.starts_with("crates/mm/src/") && !is_tests(path))
    {
        Signatures { path, findings: &mut findings }.visit_file(file);
    }
    findings
}

struct Signatures<'a> {
    path: &'a str,
    findings: &'a mut Vec<Finding>,
}

impl Signatures<'_> {
    fn read(&mut self, visibility: &syn::Visibility, signature: &syn::Signature) {
        if !matches!(visibility, syn::Visibility::Public(_)) {
            return;
        }
        for input in &signature.inputs {
            let syn::FnArg::Typed(typed) = input else { continue };
            let (syn::Pat::Ident(pattern), syn::Type::Path(kind)) = (&*typed.pat, &*typed.ty) else {
                continue;
            };
            let name = pattern.ident.to_string();
            let is_integer = INTEGERS.iter().any(|integer| kind.path.is_ident(integer));
            let last_word = name.rsplit('_').next().unwrap_or_default();
            if is_integer && NAMES.contains(&last_word) {
                self.findings.push(Finding {
                    rule: "typed-addresses",
                    path: self.path.into(),
                    line: typed.span().start().line,
                    what: format!("`{name}` of `{}` is a bare integer; use a type of `abi`", signature.ident),
                });
            }
        }
    }
}

impl<'ast> Visit<'ast> for Signatures<'_> {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.read(&function.vis, &function.sig);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.read(&function.vis, &function.sig);
        visit::visit_impl_item_fn(self, function);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_addresses_are_found() {
        let text = "pub fn f(new_start: u64, start: VirtAddr, count: u64) {}\nfn g(start: u64) {}\n";
        let tree = Tree::of(&[("crates/mm/src/a.rs", text), ("crates/view/src/a.rs", text)]);
        assert_eq!(check(&tree).len(), 1);
    }
}
