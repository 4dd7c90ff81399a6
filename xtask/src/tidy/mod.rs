//! `cargo xtask tidy`: what STYLE.md claims, checked; one file per rule.
//!
//! A rule is a function from the repository's files to findings. Each has a test with a bad example, so that a
//! checker that no longer sees anything is noticed.

mod addresses;
mod allows;
mod blobs;
mod budgets;
mod dependencies;
mod finding;
mod ignored_tests;
mod layers;
mod lengths;
mod module_docs;
mod packages;
mod panics;
mod paths;
mod tree;
mod unsafe_code;
mod words;

use anyhow::{Context, Result, ensure};

use self::dependencies::Dependencies;
use self::finding::Finding;
use self::tree::Tree;

/// The rules that need only the files.
const CHECKERS: &[fn(&Tree) -> Vec<Finding>] = &[
    addresses::check,
    allows::check,
    blobs::check,
    ignored_tests::check,
    lengths::check,
    module_docs::check,
    panics::check,
    paths::check,
    unsafe_code::check,
    words::check,
];

/// Checks all rules and prints every finding.
pub(crate) fn run(args: &[String]) -> Result<()> {
    ensure!(args.is_empty(), "tidy takes no arguments, not {args:?}");
    let tree = Tree::read()?;
    let text = |path: &str| {
        let file = tree.files.get(path).and_then(|file| file.text.as_deref());
        file.with_context(|| format!("no {path}"))
    };
    let packages = packages::read()?;
    let dependencies = Dependencies::read()?;
    let measured = [
        ("shipped-packages", dependencies.shipped.len()),
        ("median-file-lines", lengths::median(&tree)),
        ("expects-outside-tests", panics::expects(&tree)),
    ];

    let mut findings: Vec<Finding> = CHECKERS.iter().flat_map(|check| check(&tree)).collect();
    findings.extend(layers::check(text("ARCHITECTURE.md")?, &packages));
    findings.extend(dependencies.check_licences());
    findings.extend(dependencies::check_pure(&packages));
    findings.extend(budgets::check(&budgets::parse(text("xtask/budgets")?)?, &measured));
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    for (name, value) in measured {
        println!("{name}: {value}");
    }
    ensure!(findings.is_empty(), "{} findings; the rules are in STYLE.md", findings.len());
    println!("tidy: {} files, nothing found", tree.files.len());
    Ok(())
}
