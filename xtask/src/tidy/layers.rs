//! `layers`: a crate uses only what the table in ARCHITECTURE.md lets it use, and the table lists every crate.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::Finding;
use super::packages::Package;

/// What each crate may use, as ARCHITECTURE.md says it.
type Table = BTreeMap<String, BTreeSet<String>>;

/// Crates that none of ours uses: the binary, and what programs that embed the twin use beside it.
const OUTERMOST: &[&str] = &["vmatlas", "vmatlas-files"];

/// Holds the packages against the table.
pub(super) fn check(architecture: &str, packages: &[Package]) -> Vec<Finding> {
    let table = table(architecture);
    let mut findings = Vec::new();
    let mut found = |path: &str, what: String| {
        findings.push(Finding { rule: "layers", path: path.into(), line: 0, what });
    };
    let crates: Vec<&Package> =
        packages.iter().filter(|package| package.path.starts_with("crates/")).collect();
    for package in &crates {
        let Some(allowed) = table.get(package.short_name()) else {
            found("ARCHITECTURE.md", format!("the table does not list `{}`", package.short_name()));
            continue;
        };
        for used in package.normal.iter().filter(|used| is_own(used, packages)) {
            let used = short(used);
            if !allowed.contains(used) {
                let what = format!("uses `{used}`, which the table in ARCHITECTURE.md does not allow");
                found(&package.path, what);
            }
        }
        let is_used = packages.iter().any(|other| other.normal.contains(&package.name));
        if !is_used && !OUTERMOST.contains(&package.name.as_str()) {
            found(&package.path, "nothing uses this crate: a crate is born with its first user".into());
        }
    }
    for listed in table.keys().filter(|listed| !crates.iter().any(|package| package.short_name() == *listed))
    {
        found("ARCHITECTURE.md", format!("the table lists `{listed}`, which is not there"));
    }
    findings
}

fn is_own(name: &str, packages: &[Package]) -> bool {
    packages.iter().any(|package| package.name == name && package.path.starts_with("crates/"))
}

fn short(name: &str) -> &str {
    name.strip_prefix("vmatlas-").unwrap_or(name)
}

/// Reads the rows ``| `crate` | what | `may`, `use` |`` of the table whose head begins with `| crate |`.
fn table(architecture: &str) -> Table {
    let rows = architecture.lines().skip_while(|line| !line.starts_with("| crate |")).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    let backticked = |cell: &str| cell.split('`').skip(1).step_by(2).map(String::from).collect::<Vec<_>>();
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').collect();
        let name = backticked(cells.first()?).into_iter().next()?;
        Some((name, backticked(cells.last()?).into_iter().collect()))
    };
    rows.filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARCHITECTURE: &str = "\
| crate | what lives there | may use |
|---|---|---|
| `abi` | words | |
| `view` | values with `abi` words | `abi` |
| `gone` | | |
";

    fn package(name: &str, normal: &[&str]) -> Package {
        let normal = normal.iter().map(ToString::to_string).collect();
        Package { name: name.into(), path: format!("crates/{}", short(name)), normal }
    }

    #[test]
    fn forbidden_edges_unlisted_and_unused_crates_are_found() {
        let packages = [
            package("vmatlas-abi", &["vmatlas-view"]),
            package("vmatlas-view", &["vmatlas-abi", "serde"]),
            package("vmatlas-new", &[]),
        ];
        let found: Vec<_> = check(ARCHITECTURE, &packages).into_iter().map(|found| found.what).collect();
        assert_eq!(
            found,
            [
                "uses `view`, which the table in ARCHITECTURE.md does not allow",
                "the table does not list `new`",
                "the table lists `gone`, which is not there",
            ]
        );
        let packages = [package("vmatlas-abi", &[])];
        assert!(check(ARCHITECTURE, &packages)[0].what.starts_with("nothing uses"));
    }
}
