//! The columns of a block: one run of bytes for each field, so that like stands beside like.

use crate::error::Malformed;
use crate::varint;

macro_rules! columns {
    ($( $name:ident $text:literal ),* $(,)?) => {
        /// A field's column. The numbers are part of the format: new ones are added at the end.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u16)]
        pub(crate) enum Col { $( $name ),* }

        /// The columns' names in the order of their numbers, as `docs/recording-format.md` lists them.
        pub(crate) const NAMES: &[&str] = &[ $( $text ),* ];
    };
}

columns! {
    Time "event.time", Tid "event.tid", Mm "event.mm", Kind "event.kind",
    CallNr "call.nr", CallResult "call.result", CallValue "call.value", CallInput "call.input",
    CallStack "call.stack",
    InputFile "input.file", InputFileBytes "input.file.bytes", InputDescription "input.file.description",
    InputPid "input.pid", InputLimit "input.limit", InputName "input.name", InputTarget "input.target",
    InputCount "input.count", InputRange "input.range", InputWord "input.word", InputKey "input.key",
    InputBytes "input.bytes",
    MappedRange "mapped.range", MappedProt "mapped.prot", MappedShared "mapped.shared",
    MappedOffset "mapped.offset", MappedFile "mapped.file", MappedName "mapped.name",
    FaultAddr "fault.addr", FaultIp "fault.ip", FaultMode "fault.mode", FaultStack "fault.stack",
    SpawnChild "spawn.child", SpawnPid "spawn.pid", SpawnMm "spawn.mm", SpawnKind "spawn.kind",
    ExecPid "exec.pid", ExecFormerTid "exec.former_tid", ExecFormerMm "exec.former_mm", ExecPath "exec.path",
    ExecArgs "exec.args", ExecArg "exec.arg", ExecAuxv "exec.auxv", ExecAuxType "exec.auxv.type",
    ExecAuxValue "exec.auxv.value", ExecAddr "exec.addr", ExecPersonality "exec.personality",
    ExecForeign "exec.foreign",
    ExitKind "exit.kind", ExitStatus "exit.status", ExitLast "exit.last",
    Signal "signal", ThreadName "thread.name",
    CheckReason "checkpoint.reason", CheckCounter "checkpoint.counter", CheckFlights "checkpoint.flights",
    CheckFlight "checkpoint.flight", CheckBase "checkpoint.base",
    RowPatch "row.patch", RowRange "row.range", RowProt "row.prot", RowShared "row.shared",
    RowOffset "row.offset", RowFile "row.file", RowName "row.name",
    RunPatch "run.patch", RunRange "run.range", RunState "run.state",
    UnmodelledWhy "unmodelled.why", UnmodelledNr "unmodelled.nr", UnmodelledArg "unmodelled.arg",
    LostSource "lost.source", LostCount "lost.count", Period "fault.period",
    ObjectFile "object.file", ObjectPath "object.path", ObjectBuildId "object.build_id",
    ObjectSegments "object.segments", SegmentWord "segment.word",
    LimitResource "limit.resource", LimitValue "limit.value",
    DictBytes "dictionary.string", DictFile "dictionary.file", DictFileWord "dictionary.file.word",
    DictChain "dictionary.stack", DictAddr "dictionary.stack.address",
    StackNo "stack.number",
    IndexKind "index.kind", IndexOffset "index.offset", IndexEvents "index.events", IndexTime "index.time",
}

/// The columns of calls' arguments follow the named ones: six for each row of `abi::table::ROWS`.
const CALL_ARGS: usize = NAMES.len();
/// Columns a block may have.
const COUNT: usize = CALL_ARGS + 6 * 64 + 3;

/// A column by its number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ColumnNo(usize);

impl From<Col> for ColumnNo {
    fn from(col: Col) -> Self {
        Self(col as usize)
    }
}

impl ColumnNo {
    /// Of huge pages, how much was looked at. It stands behind all others: those of calls' arguments keep their numbers.
    pub(crate) const HUGE_LOOKED_AT: Self = Self(COUNT - 3);
    /// Of that, how much holds only zeros.
    pub(crate) const HUGE_ZEROS: Self = Self(COUNT - 2);
    /// Of a file in the dictionary, what it is exactly.
    pub(crate) const FILE_EXACT: Self = Self(COUNT - 1);

    /// The column of argument `arg` (0 to 5) of the call in row `row` of the table of calls.
    pub(crate) fn of_call(row: usize, arg: usize) -> Self {
        debug_assert!(row < 64 && arg < 6);
        Self(CALL_ARGS + 6 * row + arg)
    }
}

/// The columns of a block being written.
pub(crate) struct ColumnsOut {
    columns: Vec<ColumnOut>,
    bytes: usize,
}

#[derive(Default, Clone)]
struct ColumnOut {
    bytes: Vec<u8>,
    last: u64,
}

impl ColumnsOut {
    pub(crate) fn new() -> Self {
        Self { columns: vec![ColumnOut::default(); COUNT], bytes: 0 }
    }

    /// How many bytes all columns hold.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Appends a number.
    pub(crate) fn put(&mut self, col: impl Into<ColumnNo>, value: u64) {
        self.append(col.into(), |bytes, _| varint::put(bytes, value));
    }

    /// Appends a number as its difference to the one before in the column.
    pub(crate) fn put_difference(&mut self, col: impl Into<ColumnNo>, value: u64) {
        self.append(col.into(), |bytes, last| {
            varint::put_difference(bytes, *last, value);
            *last = value;
        });
    }

    /// Appends a text with its length.
    pub(crate) fn put_bytes(&mut self, col: impl Into<ColumnNo>, text: &[u8]) {
        self.append(col.into(), |bytes, _| {
            varint::put(bytes, text.len() as u64);
            bytes.extend_from_slice(text);
        });
    }

    fn append(&mut self, col: ColumnNo, write: impl FnOnce(&mut Vec<u8>, &mut u64)) {
        let column = &mut self.columns[col.0];
        let before = column.bytes.len();
        write(&mut column.bytes, &mut column.last);
        self.bytes += column.bytes.len() - before;
    }

    /// Writes the payload of a block (for each column with content its number and length, a zero
    /// length, then the contents) and empties the columns.
    pub(crate) fn take_payload(&mut self) -> Vec<u8> {
        let mut payload = Vec::with_capacity(self.bytes + 256);
        for (no, column) in self.columns.iter().enumerate().filter(|(_, column)| !column.bytes.is_empty()) {
            varint::put(&mut payload, column.bytes.len() as u64);
            varint::put(&mut payload, no as u64);
        }
        payload.push(0);
        for column in &mut self.columns {
            payload.extend_from_slice(&column.bytes);
            column.bytes.clear();
            column.last = 0;
        }
        self.bytes = 0;
        payload
    }
}

/// The columns of a block being read.
pub(crate) struct ColumnsIn {
    payload: Vec<u8>,
    columns: Vec<ColumnIn>,
}

#[derive(Default, Clone, Copy)]
struct ColumnIn {
    at: usize,
    end: usize,
    last: u64,
}

impl ColumnsIn {
    /// Finds the columns of a payload. Columns of unknown number are left unread.
    pub(crate) fn new(payload: Vec<u8>) -> Result<Self, Malformed> {
        let mut columns = vec![ColumnIn::default(); COUNT];
        let mut left = payload.as_slice();
        let mut found = Vec::new();
        loop {
            let length = varint::get(&mut left)?;
            if length == 0 {
                break;
            }
            found.push((varint::get(&mut left)?, length));
        }
        let mut at = payload.len() - left.len();
        for (no, length) in found {
            let end = usize::try_from(length).ok().and_then(|length| at.checked_add(length));
            let end = end.filter(|&end| end <= payload.len()).ok_or(Malformed("a column is cut off"))?;
            if let Some(column) = usize::try_from(no).ok().and_then(|no| columns.get_mut(no)) {
                *column = ColumnIn { at, end, last: 0 };
            }
            at = end;
        }
        Ok(Self { payload, columns })
    }

    /// Gives the payload back.
    pub(crate) fn into_payload(self) -> Vec<u8> {
        self.payload
    }

    /// A number.
    pub(crate) fn get(&mut self, col: impl Into<ColumnNo>) -> Result<u64, Malformed> {
        self.take(col.into(), |bytes, _| varint::get(bytes))
    }

    /// A number written as its difference to the one before in the column.
    pub(crate) fn get_difference(&mut self, col: impl Into<ColumnNo>) -> Result<u64, Malformed> {
        self.take(col.into(), |bytes, last| {
            *last = varint::get_difference(bytes, *last)?;
            Ok(*last)
        })
    }

    /// A text.
    pub(crate) fn get_bytes(&mut self, col: impl Into<ColumnNo>) -> Result<&[u8], Malformed> {
        let col = col.into();
        let length = self.get(col)?;
        let column = &mut self.columns[col.0];
        let text = usize::try_from(length)
            .ok()
            .and_then(|length| self.payload[column.at..column.end].get(..length))
            .ok_or(Malformed("a text is cut off"))?;
        column.at += text.len();
        Ok(text)
    }

    /// A count of things of which each takes at least one byte of the column `of`.
    pub(crate) fn get_count(&mut self, col: Col, of: Col) -> Result<usize, Malformed> {
        let count = self.get(col)?;
        self.check_count(count, of)
    }

    /// Checks a count of things of which each takes at least one byte of the column `of`.
    pub(crate) fn check_count(&self, count: u64, of: Col) -> Result<usize, Malformed> {
        let of = self.columns[of as usize];
        match usize::try_from(count) {
            Ok(count) if count <= of.end - of.at => Ok(count),
            _ => Err(Malformed("a list is longer than its column")),
        }
    }

    /// Tells whether the column holds nothing more.
    pub(crate) fn is_at_end(&self, col: impl Into<ColumnNo>) -> bool {
        let column = self.columns[col.into().0];
        column.at == column.end
    }

    fn take<T>(
        &mut self,
        col: ColumnNo,
        read: impl FnOnce(&mut &[u8], &mut u64) -> Result<T, Malformed>,
    ) -> Result<T, Malformed> {
        let column = &mut self.columns[col.0];
        let mut bytes = &self.payload[column.at..column.end];
        let value = read(&mut bytes, &mut column.last)?;
        column.at = column.end - bytes.len();
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_come_back_and_end_where_they_end() {
        let mut out = ColumnsOut::new();
        out.put(Col::Tid, 300);
        out.put_difference(Col::FaultAddr, 0x7000);
        out.put_difference(Col::FaultAddr, 0x6000);
        out.put_bytes(Col::DictBytes, b"libc");
        let mut columns = ColumnsIn::new(out.take_payload()).expect("whole");
        assert_eq!(columns.get(Col::Tid), Ok(300));
        assert_eq!(columns.get_difference(Col::FaultAddr), Ok(0x7000));
        assert_eq!(columns.get_difference(Col::FaultAddr), Ok(0x6000));
        assert_eq!(columns.get_bytes(Col::DictBytes), Ok(b"libc".as_slice()));
        assert!(columns.get(Col::Tid).is_err());
        assert_eq!(out.bytes(), 0);
    }

    #[test]
    fn a_column_longer_than_the_block_is_refused() {
        assert!(ColumnsIn::new(vec![9, 0, 0, 1]).is_err());
        assert!(ColumnsIn::new(vec![]).is_err());
    }

    #[test]
    fn the_format_document_names_every_column() {
        let document = include_str!("../../../docs/recording-format.md");
        for (no, name) in NAMES.iter().enumerate() {
            assert!(document.contains(&format!("| {no} | `{name}` |")), "column {no} {name}");
        }
    }

    #[test]
    fn every_call_has_its_columns() {
        assert!(abi::table::ROWS.len() <= 64);
    }
}
