//! A snapshot from the text of `/proc/PID/maps` or `smaps`, wherever it was saved.

use std::sync::Arc;

use proc_text::{SmapsFields, TextError};

use crate::sums::MappingSums;
use crate::value::{Mapping, Snapshot};

/// The mappings of a text that may come in pieces.
#[derive(Default)]
pub(crate) struct Rows {
    mappings: Vec<Mapping>,
    sums: Vec<MappingSums>,
    /// Whether a mapping came without them: then none are kept.
    lacks_sums: bool,
    /// Lines of the pieces before.
    lines: usize,
    last_name: Arc<[u8]>,
}

impl Rows {
    /// Takes in a piece: whole mappings, with all lines that describe them.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Result<(), TextError> {
        let in_whole = |error: TextError, lines| TextError { line: error.line + lines, ..error };
        let mut rows = proc_text::smaps(piece);
        loop {
            let line = rows.next_line();
            let Some(row) = rows.next() else { break };
            let row = row.map_err(|error| in_whole(error, self.lines))?;
            let map = row.map;
            if self.mappings.last().is_some_and(|last| map.range.start < last.range.end) {
                let expected = proc_text::Expected::Ascending;
                return Err(in_whole(TextError { line, column: 1, expected }, self.lines));
            }
            self.push_sums(&row.fields);
            let name = self.shared_name(map.name);
            self.mappings.push(Mapping {
                range: map.range,
                prot: map.prot,
                shared: map.shared,
                offset: map.offset,
                file: map.file,
                name,
            });
        }
        self.lines += rows.next_line() - 1;
        Ok(())
    }

    /// A snapshot of what was taken in.
    pub(crate) fn finish(self) -> Snapshot {
        Snapshot { mappings: self.mappings, sums: self.sums, ..Snapshot::default() }
    }

    fn push_sums(&mut self, fields: &SmapsFields<'_>) {
        if fields.rss.is_none() && !self.lacks_sums {
            self.lacks_sums = true;
            self.sums = Vec::new();
        }
        if !self.lacks_sums {
            self.sums.push(MappingSums::from_smaps(fields));
        }
    }

    /// A name, kept once where neighbours share it.
    fn shared_name(&mut self, name: &[u8]) -> Arc<[u8]> {
        if *self.last_name != *name {
            self.last_name = name.into();
        }
        self.last_name.clone()
    }
}

impl Snapshot {
    /// Makes a snapshot of the mappings, and of the kernel's sums if the text has them for all: a maps text
    /// has none.
    ///
    /// # Errors
    /// If a line is not one of such a text. Mappings out of order are an error as well: pieces of several
    /// texts.
    pub fn from_maps_text(text: &[u8]) -> Result<Self, TextError> {
        let mut rows = Rows::default();
        rows.push(text)?;
        Ok(rows.finish())
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
