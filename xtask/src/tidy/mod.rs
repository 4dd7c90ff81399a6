//! `cargo xtask tidy`: what STYLE.md claims, checked; one file per rule.
//!
//! A rule is a function from the repository's files to findings. Each has a test with a bad example, so that a
//! checker that no longer sees anything is noticed.

mod blobs;
mod finding;
mod tree;

use anyhow::{Result, ensure};

use self::finding::Finding;
use self::tree::Tree;

/// A rule that needs only the files.
type Checker = fn(&Tree) -> Vec<Finding>;

const CHECKERS: &[Checker] = &[blobs::check];

/// Checks all rules and prints every finding.
pub(crate) fn run(args: &[String]) -> Result<()> {
    ensure!(args.is_empty(), "tidy takes no arguments, not {args:?}");
    let tree = Tree::read()?;
    let mut findings: Vec<Finding> = CHECKERS.iter().flat_map(|check| check(&tree)).collect();
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    ensure!(findings.is_empty(), "{} findings; the rules are in STYLE.md", findings.len());
    println!("tidy: {} files, nothing found", tree.files.len());
    Ok(())
}
