//! `few-dependencies`: how many packages the shipped program is made of, their licences, and that the twin and
//! the vocabulary need none.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use serde_json::Value;

use super::finding::Finding;
use super::packages::Package;
use crate::shell::Command;

/// Licences that a dependency may have; one of an `OR` is enough, each of an `AND` is needed.
const LICENCES: [&str; 10] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Zlib",
];

/// What the tree of dependencies looks like.
pub(super) struct Dependencies {
    /// The names of the packages that the shipped program is built from, its own among them.
    pub(super) shipped: BTreeSet<String>,
    /// Each package that any build here uses, with its licence.
    licences: Vec<(String, String)>,
}

impl Dependencies {
    /// Asks cargo.
    pub(super) fn read() -> Result<Self> {
        let tree = "cargo tree --package vmatlas --edges normal,build --prefix none --target x86_64-unknown-linux-gnu";
        let name = |line: &str| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
        let shipped =
            Command::words(tree).read()?.lines().map(name).filter(|name| !name.is_empty()).collect();
        let metadata = "cargo metadata --format-version 1 --filter-platform x86_64-unknown-linux-gnu";
        let metadata = Command::words(metadata).read()?;
        let metadata: Value = serde_json::from_str(&metadata).context("cargo metadata")?;
        let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
        let licence = |package: &Value| {
            let name = package["name"].as_str()?.to_string();
            Some((name, package["license"].as_str().unwrap_or("none").to_string()))
        };
        Ok(Self { shipped, licences: packages.iter().filter_map(licence).collect() })
    }

    /// Finds licences that are not on the list.
    pub(super) fn check_licences(&self) -> Vec<Finding> {
        let foreign = self.licences.iter().filter(|(_, licence)| !is_allowed(licence));
        foreign.map(|(name, licence)| finding(format!("`{name}` has the licence {licence}"))).collect()
    }
}

/// Finds dependencies of the crates that may have none.
pub(super) fn check_pure(packages: &[Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, allowed) in [("vmatlas-abi", &[][..]), ("vmatlas-mm", &["vmatlas-abi"][..])] {
        for package in packages.iter().filter(|package| package.name == name) {
            let foreign = package.normal.iter().filter(|used| !allowed.contains(&used.as_str()));
            findings.extend(foreign.map(|used| finding(format!("`{name}` may not depend on `{used}`"))));
        }
    }
    findings
}

fn finding(what: String) -> Finding {
    Finding { rule: "few-dependencies", path: "Cargo.toml".into(), line: 0, what }
}

fn is_allowed(licence: &str) -> bool {
    let plain = licence.replace('/', " OR ").replace(['(', ')'], " ");
    let is_listed = |one: &str| LICENCES.contains(&one.trim());
    plain.split(" AND ").all(|part| part.split(" OR ").any(is_listed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_licences_are_found() {
        assert!(is_allowed("MIT OR GPL-3.0"));
        assert!(is_allowed("MIT/Apache-2.0"));
        assert!(is_allowed("(MIT OR Apache-2.0) AND Unicode-3.0"));
        assert!(!is_allowed("MIT AND GPL-3.0"));
        assert!(!is_allowed("none"));
        let licences = vec![("bad".to_string(), "GPL-2.0".to_string())];
        let found = Dependencies { shipped: BTreeSet::new(), licences }.check_licences();
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn a_dependency_of_the_twin_is_found() {
        let normal = vec!["vmatlas-abi".to_string(), "libc".to_string()];
        let mm = Package { name: "vmatlas-mm".into(), path: "crates/mm".into(), normal };
        assert_eq!(check_pure(&[mm]).len(), 1);
    }
}
