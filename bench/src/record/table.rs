//! The rows of a run, as Markdown and CSV.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};

use super::contender::Contender;
use super::size::{Size, Sizes};

/// A program and its times under each contender.
pub struct Row {
    /// The program.
    pub name: &'static str,
    /// What it does.
    pub what: String,
    /// The median of each contender, in seconds.
    pub medians_s: Vec<f64>,
    /// Every run that counts, in seconds.
    pub times_s: Vec<Vec<f64>>,
    /// The recording.
    pub size: Option<Size>,
}

/// Everything that a run has measured.
pub struct Table {
    contenders: Vec<Contender>,
    rounds: usize,
    /// Whole programs.
    pub programs: Vec<Row>,
    /// The worst case.
    pub loops: Vec<Row>,
    /// Bytes of events.
    pub sizes: Option<Sizes>,
}

/// The targets of the design.
const WITH_FAULTS: f64 = 1.25;
const WITHOUT_FAULTS: f64 = 1.15;
const LOOP_BESIDE_STRACE: f64 = 0.5;
const BYTES_PER_EVENT: f64 = 16.0;

impl Table {
    /// An empty table for these contenders, the first of which is the program alone.
    pub fn new(contenders: &[Contender], rounds: usize) -> Self {
        let contenders = contenders.to_vec();
        Self { contenders, rounds, programs: Vec::new(), loops: Vec::new(), sizes: None }
    }

    /// Renders the table.
    pub fn markdown(&self) -> String {
        let mut text = format!(
            "Medians of {} runs each, in turn, in seconds; in brackets the ratio to the program alone.\n\n| program |",
            self.rounds
        );
        for contender in &self.contenders {
            let _ = write!(text, " {} |", contender.name());
        }
        text.push_str(" events | bytes an event |\n|---|");
        text.push_str(&"---:|".repeat(self.contenders.len() + 2));
        text.push('\n');
        for row in self.programs.iter().chain(&self.loops) {
            self.row(row, &mut text);
        }
        if !self.programs.is_empty() {
            text.push_str("| **geometric mean** |");
            for at in 0..self.contenders.len() {
                let _ = write!(text, " {:.3} |", self.mean(at));
            }
            text.push_str(" | |\n");
        }
        let is_missing = |one: &&Contender| !one.is_without_stacks() && !self.contenders.contains(one);
        for missing in Contender::ALL.iter().filter(is_missing) {
            let _ = writeln!(text, "\nNot installed: {}.", missing.name());
        }
        self.sizes(&mut text);
        self.targets(&mut text);
        text
    }

    fn row(&self, row: &Row, text: &mut String) {
        let _ = write!(text, "| {}: {} |", row.name, row.what);
        for median in &row.medians_s {
            let _ = write!(text, " {median:.2} ({:.2}) |", median / row.medians_s[0]);
        }
        let _ = match row.size {
            Some(Size { bytes, events }) => {
                writeln!(text, " {events} | {:.1} |", bytes as f64 / events.max(1) as f64)
            }
            None => writeln!(text, " | |"),
        };
    }

    /// The geometric mean of a contender's ratios to the program alone, the loop apart.
    fn mean(&self, at: usize) -> f64 {
        let logs = self.programs.iter().map(|row| (row.medians_s[at] / row.medians_s[0]).ln());
        (logs.sum::<f64>() / self.programs.len() as f64).exp()
    }

    fn sizes(&self, text: &mut String) {
        let Some(sizes) = &self.sizes else { return };
        let _ = writeln!(
            text,
            "\nThe loop with every fault: {} events in {} bytes; the fixed part, of a program that does nothing: {} \
             events in {} bytes; so {:.2} bytes for each further event, call chains included.",
            sizes.long.events,
            sizes.long.bytes,
            sizes.fixed.events,
            sizes.fixed.bytes,
            sizes.bytes_per_event()
        );
    }

    fn targets(&self, text: &mut String) {
        let place = |wanted| self.contenders.iter().position(|contender| *contender == wanted);
        let mut rows: Vec<(String, f64, f64)> = Vec::new();
        if !self.programs.is_empty() {
            for (who, limit) in
                [(Contender::Recorded, WITH_FAULTS), (Contender::WithoutFaults, WITHOUT_FAULTS)]
            {
                let Some(at) = place(who) else { continue };
                rows.push((format!("{}, geometric mean beside alone", who.name()), self.mean(at), limit));
                if let Some(strace) = place(Contender::Strace) {
                    let beside = self.mean(at) / self.mean(strace);
                    rows.push((format!("{}, the same beside strace", who.name()), beside, 1.0));
                }
            }
        }
        for row in &self.loops {
            if let (Some(ours), Some(strace)) = (place(Contender::Recorded), place(Contender::Strace)) {
                let beside = row.medians_s[ours] / row.medians_s[strace];
                rows.push(("the loop beside strace".to_owned(), beside, LOOP_BESIDE_STRACE));
            }
        }
        if let Some(sizes) = &self.sizes {
            rows.push(("bytes for each further event".to_owned(), sizes.bytes_per_event(), BYTES_PER_EVENT));
        }
        text.push_str("\n## Targets\n\n| target | reached | at most | |\n|---|---:|---:|---|\n");
        for (target, reached, limit) in rows {
            let word = if reached <= limit { "met" } else { "MISSED" };
            let _ = writeln!(text, "| {target} | {reached:.3} | {limit} | {word} |");
        }
    }

    /// Renders every run, one line each.
    fn csv(&self) -> String {
        let mut text = String::from("program,contender,run,seconds\n");
        for row in self.programs.iter().chain(&self.loops) {
            for (contender, times) in self.contenders.iter().zip(&row.times_s) {
                for (run, seconds) in times.iter().enumerate() {
                    let _ = writeln!(text, "{},{},{run},{seconds:.4}", row.name, contender.name());
                }
            }
        }
        text
    }

    /// Writes `record.csv` and `record.md` into a run's folder.
    pub fn save(&self, dir: &Path) -> Result<()> {
        std::fs::write(dir.join("record.csv"), self.csv()).context("writing record.csv")?;
        let page = format!(
            "# What recording costs\n\n`cargo xtask bench record --save`; machine: setup.md.\n\n{}",
            self.markdown()
        );
        std::fs::write(dir.join("record.md"), page).context("writing record.md")
    }
}
