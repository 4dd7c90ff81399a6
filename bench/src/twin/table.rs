//! The rows of a run, as text, CSV and Markdown.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};

/// One measured number.
pub struct Row {
    /// What is measured.
    pub what: &'static str,
    /// The number of mappings.
    pub mappings: u64,
    /// Whose number it is.
    pub who: &'static str,
    /// The median of one operation, in nanoseconds.
    pub median_ns: f64,
}

/// Whether a target of the design is met.
pub struct Verdict {
    /// The target in words.
    pub target: &'static str,
    /// What was reached.
    pub reached: f64,
    /// What is allowed at most.
    pub limit: f64,
}

/// Everything that a run has measured.
#[derive(Default)]
pub struct Table {
    rows: Vec<Row>,
    verdicts: Vec<Verdict>,
}

impl Table {
    /// Adds the medians of those who were compared.
    pub fn add(&mut self, what: &'static str, mappings: u64, who: &[&'static str], medians: &[f64]) {
        for (who, median_ns) in who.iter().zip(medians) {
            self.rows.push(Row { what, mappings, who, median_ns: *median_ns });
        }
    }

    /// Returns a number that has been measured.
    pub fn get(&self, what: &str, mappings: u64, who: &str) -> Option<f64> {
        let mut rows = self.rows.iter();
        rows.find(|row| row.what == what && row.mappings == mappings && row.who == who)
            .map(|row| row.median_ns)
    }

    /// Holds a ratio of two measured numbers against a target; says nothing if one was not measured.
    pub fn judge(&mut self, target: &'static str, limit: f64, ours: Option<f64>, beside: Option<f64>) {
        if let (Some(ours), Some(beside)) = (ours, beside) {
            self.verdicts.push(Verdict { target, reached: ours / beside, limit });
        }
    }

    /// Renders the table, one line for each measured thing and number of mappings.
    pub fn markdown(&self) -> String {
        let mut text =
            String::from("Medians of one operation in nanoseconds; the ratio is to the first of the line.\n");
        let mut what = "";
        let mut rows: Vec<&Row> = self.rows.iter().collect();
        rows.sort_by_key(|row| row.what);
        for group in rows.chunk_by(|a, b| a.what == b.what && a.mappings == b.mappings) {
            if group[0].what != what {
                what = group[0].what;
                let _ =
                    writeln!(text, "\n## {what}\n\n| mappings | who | ns | ratio |\n|---:|---|---:|---:|");
            }
            for row in group {
                let ratio = row.median_ns / group[0].median_ns;
                let _ =
                    writeln!(text, "| {} | {} | {:.1} | {ratio:.2} |", row.mappings, row.who, row.median_ns);
            }
        }
        text.push_str("\n## Targets\n\n| target | reached | at most | |\n|---|---:|---:|---|\n");
        for Verdict { target, reached, limit } in &self.verdicts {
            let word = if reached <= limit { "met" } else { "MISSED" };
            let _ = writeln!(text, "| {target} | {reached:.3} | {limit} | {word} |");
        }
        text
    }

    /// Renders the numbers, one line each.
    pub fn csv(&self) -> String {
        let mut text = String::from("what,mappings,who,median_ns\n");
        for Row { what, mappings, who, median_ns } in &self.rows {
            let _ = writeln!(text, "{what},{mappings},{who},{median_ns:.2}");
        }
        text
    }

    /// Writes `twin.csv` and `twin.md` into a run's folder.
    pub fn save(&self, dir: &Path) -> Result<()> {
        std::fs::write(dir.join("twin.csv"), self.csv()).context("writing twin.csv")?;
        let page = format!(
            "# The twin's speed\n\n`cargo xtask bench twin --save`; machine: setup.md.\n\n{}",
            self.markdown()
        );
        std::fs::write(dir.join("twin.md"), page).context("writing twin.md")
    }
}
