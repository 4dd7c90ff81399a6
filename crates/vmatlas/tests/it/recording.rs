//! A recording as `vmatlas report --json` tells it.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::run::vmatlas;

/// The report of a recording.
#[derive(Debug)]
pub(crate) struct Report {
    json: Value,
}

impl Report {
    /// Opens a recording; it must be readable.
    pub(crate) fn open(path: &Path) -> Self {
        let output = Command::new(vmatlas()).arg("report").arg(path).arg("--json").output();
        let output = output.expect("the binary runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "report {}: {stderr}", path.display());
        let json: Value = serde_json::from_slice(&output.stdout).expect("--json prints JSON");
        assert_eq!(json["schema"], "vmatlas.report/1");
        Self { json }
    }

    /// Returns the value at a path such as `/proof/mappings`.
    pub(crate) fn at(&self, pointer: &str) -> &Value {
        self.json.pointer(pointer).unwrap_or_else(|| panic!("no {pointer} in the report"))
    }

    /// Returns the number at a path.
    pub(crate) fn number(&self, pointer: &str) -> u64 {
        self.at(pointer).as_u64().unwrap_or_else(|| panic!("{pointer} is no number but {}", self.at(pointer)))
    }

    /// Returns the list at a path.
    pub(crate) fn list(&self, pointer: &str) -> &[Value] {
        self.at(pointer).as_array().unwrap_or_else(|| panic!("{pointer} is no list"))
    }

    /// Returns how often a call of this name was made.
    pub(crate) fn calls(&self, name: &str) -> u64 {
        let row = self.list("/run/calls_by_name").iter().find(|row| row["name"] == name);
        row.map_or(0, |row| row["count"].as_u64().expect("a count"))
    }

    /// Returns the size of a kind in the memory shown, in bytes.
    pub(crate) fn kind_size(&self, kind: &str) -> u64 {
        let kinds =
            self.list("/memory/groups").iter().flat_map(|group| group["kinds"].as_array().expect("a list"));
        kinds.filter(|row| row["kind"] == kind).map(|row| row["size"].as_u64().expect("bytes")).sum()
    }

    /// Demands that the recording is whole and that the twin held every mapping of every map of the kernel's.
    pub(crate) fn assert_held(&self) {
        assert!(
            self.at("/recording/incomplete").is_null(),
            "incomplete: {}",
            self.at("/recording/incomplete")
        );
        self.assert_consistent();
        let proof = self.at("/proof");
        assert!(self.number("/proof/checkpoints") > 0, "no checkpoint: {proof:#}");
        assert_eq!(proof["mappings_matched"], proof["mappings"], "not all mappings held: {proof:#}");
        assert_eq!(proof["mappings_extra"], 0, "mappings only in the twin: {proof:#}");
        assert_eq!(proof["resyncs"], 0, "the kernel's map replaced the twin's: {proof:#}");
    }

    /// Tells whether the twin and the kernel differ where events were lost.
    pub(crate) fn differs_for_losses(&self) -> bool {
        self.list("/proof/differences").iter().any(|difference| difference["reason"] == "events were lost")
    }

    /// Demands the same of a program whose threads make memory calls at the same time: where the order in which the
    /// kernel took them could not be told, that must be said of each difference.
    pub(crate) fn assert_held_but_for_races(&self) {
        assert!(
            self.at("/recording/incomplete").is_null(),
            "incomplete: {}",
            self.at("/recording/incomplete")
        );
        self.assert_consistent();
        assert!(self.number("/proof/checkpoints") > 0, "no checkpoint: {:#}", self.at("/proof"));
        for difference in self.list("/proof/differences") {
            assert_eq!(difference["reason"], "threads raced, their order is not known", "{difference:#}");
        }
        let unheld = self.number("/proof/mappings") - self.number("/proof/mappings_matched");
        let differs = unheld + self.number("/proof/mappings_extra") > 0;
        assert_eq!(differs, self.number("/proof/resyncs") > 0, "{:#}", self.at("/proof"));
    }

    /// Demands that the proof does not contradict itself.
    pub(crate) fn assert_consistent(&self) {
        let proof = self.at("/proof");
        let number = |name: &str| self.number(&format!("/proof/{name}"));
        assert!(number("mappings_matched") <= number("mappings"), "{proof:#}");
        assert!(number("checkpoints_matched") <= number("checkpoints"), "{proof:#}");
        assert!(number("calls_confirmed") + number("calls_corrected") <= number("calls"), "{proof:#}");
        let has_flaw = number("checkpoints_matched") < number("checkpoints")
            || number("calls_corrected") + number("calls_unmodelled") + number("mappings_extra") > 0
            || !self.list("/proof/differences").is_empty();
        assert!(!has_flaw || proof["whole"] == false, "called whole, and is not: {proof:#}");
    }

    /// Demands that so many processes ran and that the end of each was seen.
    pub(crate) fn assert_processes(&self, count: u64) {
        let processes = self.list("/processes");
        assert_eq!(self.number("/run/processes"), count, "{processes:#?}");
        for process in processes {
            assert_ne!(process["end"], "running", "{process:#}");
        }
    }
}
