//! `budgets`: numbers that may only go down, kept in `xtask/budgets`, one `name = number` a line.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use super::finding::Finding;

/// Reads the budgets' text; `#` begins a comment.
pub(super) fn parse(text: &str) -> Result<BTreeMap<String, usize>> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    let entry = |line: &str| {
        let (name, number) = line.split_once('=').with_context(|| format!("budget without `=`: {line}"))?;
        Ok((name.trim().to_string(), number.trim().parse().with_context(|| line.to_string())?))
    };
    lines.filter(|line| !line.is_empty()).map(entry).collect()
}

/// Finds numbers above their budget.
pub(super) fn check(budgets: &BTreeMap<String, usize>, measured: &[(&str, usize)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, value) in measured {
        let what = match budgets.get(*name) {
            None => format!("no budget for {name}, which is {value}"),
            Some(budget) if value > budget => format!("{name} is {value}, the budget is {budget}"),
            Some(_) => continue,
        };
        findings.push(Finding { rule: "budgets", path: "xtask/budgets".into(), line: 0, what });
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_above_their_budget_are_found() -> Result<()> {
        let budgets = parse("# why\na = 3 # three\nb = 1\n")?;
        let found: Vec<_> =
            check(&budgets, &[("a", 3), ("b", 2), ("c", 0)]).into_iter().map(|found| found.what).collect();
        assert_eq!(found, ["b is 2, the budget is 1", "no budget for c, which is 0"]);
        assert!(parse("a 3").is_err());
        Ok(())
    }
}
