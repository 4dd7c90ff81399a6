//! A snapshot from the text of `/proc/PID/maps` or `smaps`, wherever it was saved.

use proc_text::TextError;

use crate::sums::MappingSums;
use crate::value::{Mapping, Snapshot};

impl Snapshot {
    /// Makes a snapshot of the mappings, and of the kernel's sums if the text has them for all: a maps text
    /// has none.
    ///
    /// # Errors
    /// If a line is not one of such a text. Mappings out of order are an error as well: pieces of several
    /// texts.
    pub fn from_maps_text(text: &[u8]) -> Result<Self, TextError> {
        let mut mappings: Vec<Mapping> = Vec::new();
        let mut sums: Vec<MappingSums> = Vec::new();
        let mut rows = proc_text::smaps(text);
        loop {
            let line = rows.next_line();
            let Some(row) = rows.next() else { break };
            let row = row?;
            let map = row.map;
            sums.push(MappingSums::from_smaps(&row.fields));
            if mappings.last().is_some_and(|last| map.range.start < last.range.end) {
                return Err(TextError { line, column: 1, expected: proc_text::Expected::Ascending });
            }
            mappings.push(Mapping {
                range: map.range,
                prot: map.prot,
                shared: map.shared,
                offset: map.offset,
                file: map.file,
                name: map.name.into(),
            });
        }
        if sums.iter().any(|sum| sum.rss.is_none()) {
            sums.clear();
        }
        Ok(Self { mappings, sums, ..Self::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_two_texts_are_refused() {
        let text = b"2000-3000 rw-p 0 0:0 0\nRss: 4 kB\n1000-2000 rw-p 0 0:0 0\n";
        let error = Snapshot::from_maps_text(text).unwrap_err();
        assert_eq!(error.to_string(), "line 3, column 1: expected an address above the ones before");
    }
}
