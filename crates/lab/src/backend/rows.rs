//! The lines of a map, from either side, and what changed between two maps.

use abi::{AddrRange, FileId, FileOff, Prot};
use proc_text::TextError;

/// A line of a map.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// Where.
    pub range: AddrRange,
    /// The protection.
    pub prot: Prot,
    /// Whether it is shared.
    pub shared: bool,
    /// The offset into its file.
    pub offset: FileOff,
    /// Its file; zeros for none.
    pub file: FileId,
    /// Its name, as a person reads it.
    pub name: String,
}

impl Row {
    /// Reads the lines of a text of maps; the page of the legacy system calls is left out.
    pub(crate) fn of_text(text: &[u8]) -> Result<Vec<Self>, TextError> {
        let of = |row: Result<proc_text::MapsRow<'_>, TextError>| {
            row.map(|row| Self {
                range: row.range,
                prot: row.prot,
                shared: row.shared,
                offset: row.offset,
                file: row.file,
                name: view::words::printable(row.name),
            })
        };
        let rows = proc_text::maps(text).map(of);
        rows.filter(|row| !matches!(row, Ok(row) if row.name == "[vsyscall]")).collect()
    }

    /// The letters of its protection and sharing.
    pub fn letters(&self) -> String {
        let letter = |bit, letter| if self.prot.contains(bit) { letter } else { '-' };
        let shared = if self.shared { 's' } else { 'p' };
        [letter(Prot::READ, 'r'), letter(Prot::WRITE, 'w'), letter(Prot::EXEC, 'x'), shared].iter().collect()
    }
}

/// A line of a map that came or went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// It was there, and is no longer.
    Gone(Row),
    /// It is new.
    Come(Row),
}

/// What changed between two maps, both in the order of addresses: first what went, then what came, each in the order of addresses.
pub fn changes(before: &[Row], after: &[Row]) -> Vec<Change> {
    let has = |rows: &[Row], row: &Row| {
        let at = rows.binary_search_by_key(&row.range.start, |row| row.range.start);
        at.is_ok_and(|at| rows.get(at) == Some(row))
    };
    let gone = before.iter().filter(|row| !has(after, row)).cloned().map(Change::Gone);
    let come = after.iter().filter(|row| !has(before, row)).cloned().map(Change::Come);
    gone.chain(come).collect()
}
