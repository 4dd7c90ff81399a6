//! Apache Parquet: a table by columns, one row a stack. `docs/parquet.md` describes the columns.
//!
//! The part of the format that one table of numbers and names needs: every column required, values plain, pages
//! gzipped, the footer in Thrift's compact encoding.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use view::{OriginBytes, OriginRow, OriginsView};

use crate::varint;

const MAGIC: &[u8; 4] = b"PAR1";
/// Rows that are written together.
const GROUP_ROWS: usize = 1 << 16;

/// The format's numbers: types of columns, `UTF8`, required, encodings, codec, kind of page.
const INT64: i64 = 2;
const BYTE_ARRAY: i64 = 6;
const UTF8: i64 = 0;
const REQUIRED: i64 = 0;
const PLAIN: i64 = 0;
const RLE: i64 = 3;
const GZIP: i64 = 2;
const DATA_PAGE: i64 = 0;

/// A column: its name, and how its value is found.
struct Column {
    name: &'static str,
    of: Of,
}

enum Of {
    Number(fn(&OriginsView, &OriginBytes) -> u64),
    Text(fn(&OriginsView, &OriginRow) -> String),
}

impl Of {
    const fn kind(&self) -> i64 {
        match self {
            Self::Number(_) => INT64,
            Self::Text(_) => BYTE_ARRAY,
        }
    }
}

const COLUMNS: [Column; 12] = [
    Column { name: "program", of: Of::Text(|view, _| view.program.clone()) },
    Column { name: "pid", of: Of::Number(|view, _| view.pid.map_or(0, |pid| pid.unsigned_abs().into())) },
    Column { name: "time_ns", of: Of::Number(|view, _| view.time_ns) },
    Column { name: "name", of: Of::Text(|_, row| row.name.clone()) },
    Column { name: "object", of: Of::Text(|_, row| object(row)) },
    Column { name: "stack", of: Of::Text(|_, row| crate::folded::stack(row)) },
    Column { name: "resident", of: Of::Number(|_, bytes| bytes.resident) },
    Column { name: "size", of: Of::Number(|_, bytes| bytes.size) },
    Column { name: "dirty", of: Of::Number(|_, bytes| bytes.dirty) },
    Column { name: "shared", of: Of::Number(|_, bytes| bytes.shared) },
    Column { name: "copied", of: Of::Number(|_, bytes| bytes.copied) },
    Column { name: "pieces", of: Of::Number(|_, bytes| bytes.pieces) },
];

/// The file that holds the innermost frame's code.
fn object(row: &OriginRow) -> String {
    row.frames.first().map(|frame| frame.object.clone()).unwrap_or_default()
}

/// Where a column of a group of rows lies.
struct Chunk {
    offset: u64,
    plain_bytes: u64,
    bytes: u64,
    rows: usize,
}

pub(crate) fn write(view: &OriginsView, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(MAGIC)?;
    let mut at = MAGIC.len() as u64;
    let mut groups: Vec<Vec<Chunk>> = Vec::new();
    for rows in view.rows.chunks(GROUP_ROWS) {
        let mut chunks = Vec::with_capacity(COLUMNS.len());
        for column in &COLUMNS {
            let values = values(view, rows, column)?;
            let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
            gzip.write_all(&values)?;
            let packed = gzip.finish()?;
            let header = page_header(rows.len(), values.len(), packed.len());
            out.write_all(&header)?;
            out.write_all(&packed)?;
            let of_header = header.len() as u64;
            let (plain_bytes, bytes) = (of_header + values.len() as u64, of_header + packed.len() as u64);
            chunks.push(Chunk { offset: at, plain_bytes, bytes, rows: rows.len() });
            at += bytes;
        }
        groups.push(chunks);
    }
    let footer = footer(view.rows.len(), &groups);
    out.write_all(&footer)?;
    out.write_all(&page_bytes(footer.len())?.to_le_bytes())?;
    out.write_all(MAGIC)
}

/// Sizes of pages and of the footer are 31 bits wide.
fn page_bytes(bytes: usize) -> io::Result<u32> {
    let too_large =
        || io::Error::new(io::ErrorKind::InvalidInput, "the names are too long for a Parquet page");
    i32::try_from(bytes).map(i32::unsigned_abs).map_err(|_| too_large())
}

/// A column's values, one after the other; texts after their length.
fn values(view: &OriginsView, rows: &[OriginRow], column: &Column) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    for row in rows {
        match column.of {
            Of::Number(number) => out.extend(number(view, &row.bytes).to_le_bytes()),
            Of::Text(text) => {
                let text = text(view, row);
                out.extend(page_bytes(text.len())?.to_le_bytes());
                out.extend(text.as_bytes());
            }
        }
    }
    page_bytes(out.len())?;
    Ok(out)
}

fn page_header(rows: usize, plain_bytes: usize, bytes: usize) -> Vec<u8> {
    let mut data_page = Struct::default();
    for (field, value) in [(1, rows as i64), (2, PLAIN), (3, RLE), (4, RLE)] {
        data_page.int(field, value);
    }
    let mut header = Struct::default();
    for (field, value) in [(1, DATA_PAGE), (2, plain_bytes as i64), (3, bytes as i64)] {
        header.int(field, value);
    }
    header.part(5, data_page);
    header.end()
}

fn footer(rows: usize, groups: &[Vec<Chunk>]) -> Vec<u8> {
    let mut root = Struct::default();
    root.text(4, "origins");
    root.int(5, COLUMNS.len() as i64);
    let columns = COLUMNS.iter().map(|column| {
        let mut element = Struct::default();
        element.int(1, column.of.kind());
        element.int(3, REQUIRED);
        element.text(4, column.name);
        if column.of.kind() == BYTE_ARRAY {
            element.int(6, UTF8);
        }
        element
    });
    let mut file = Struct::default();
    file.int(1, 1);
    file.parts(2, [root].into_iter().chain(columns).collect());
    file.long(3, rows as u64);
    file.parts(4, groups.iter().map(|chunks| row_group(chunks)).collect());
    file.text(6, concat!("vmatlas ", env!("CARGO_PKG_VERSION")));
    file.end()
}

fn row_group(chunks: &[Chunk]) -> Struct {
    let columns = COLUMNS.iter().zip(chunks).map(|(column, chunk)| {
        let mut data = Struct::default();
        data.int(1, column.of.kind());
        data.ints(2, &[PLAIN, RLE]);
        data.texts(3, &[column.name]);
        data.int(4, GZIP);
        let lengths = [(5, chunk.rows as u64), (6, chunk.plain_bytes), (7, chunk.bytes), (9, chunk.offset)];
        for (field, value) in lengths {
            data.long(field, value);
        }
        let mut column = Struct::default();
        column.long(2, chunk.offset);
        column.part(3, data);
        column
    });
    let mut group = Struct::default();
    group.parts(1, columns.collect());
    group.long(2, chunks.iter().map(|chunk| chunk.plain_bytes).sum());
    group.long(3, chunks.first().map_or(0, |chunk| chunk.rows as u64));
    group
}

/// A structure in Thrift's compact encoding; fields are written in ascending order.
#[derive(Default)]
struct Struct {
    bytes: Vec<u8>,
    last: u8,
}

/// Types in that encoding.
const I32: u8 = 5;
const I64: u8 = 6;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const STRUCT: u8 = 12;

impl Struct {
    fn field(&mut self, field: u8, kind: u8) {
        self.bytes.push((field - self.last) << 4 | kind);
        self.last = field;
    }

    fn varint(&mut self, value: u64) {
        varint::put(&mut self.bytes, value);
    }

    /// Numbers are signed, the sign last.
    fn zigzag(&mut self, value: i64) {
        self.varint((value << 1 ^ value >> 63).cast_unsigned());
    }

    fn int(&mut self, field: u8, value: i64) {
        self.field(field, I32);
        self.zigzag(value);
    }

    fn long(&mut self, field: u8, value: u64) {
        self.field(field, I64);
        self.zigzag(value.cast_signed());
    }

    fn bare_text(&mut self, text: &str) {
        self.varint(text.len() as u64);
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn text(&mut self, field: u8, text: &str) {
        self.field(field, BINARY);
        self.bare_text(text);
    }

    fn list(&mut self, field: u8, kind: u8, count: usize) {
        self.field(field, LIST);
        match count {
            0..15 => self.bytes.push((count as u8) << 4 | kind),
            _ => {
                self.bytes.push(0xf0 | kind);
                self.varint(count as u64);
            }
        }
    }

    fn ints(&mut self, field: u8, values: &[i64]) {
        self.list(field, I32, values.len());
        values.iter().for_each(|value| self.zigzag(*value));
    }

    fn texts(&mut self, field: u8, texts: &[&str]) {
        self.list(field, BINARY, texts.len());
        texts.iter().for_each(|text| self.bare_text(text));
    }

    fn part(&mut self, field: u8, part: Self) {
        self.field(field, STRUCT);
        self.bytes.extend(part.end());
    }

    fn parts(&mut self, field: u8, parts: Vec<Self>) {
        self.list(field, STRUCT, parts.len());
        parts.into_iter().for_each(|part| self.bytes.extend(part.end()));
    }

    fn end(mut self) -> Vec<u8> {
        self.bytes.push(0);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_are_compact() {
        let mut inner = Struct::default();
        inner.int(1, -1);
        let mut outer = Struct::default();
        outer.int(1, 1);
        outer.texts(3, &["ab"]);
        outer.part(4, inner);
        outer.long(9, 300);
        let expected = [0x15, 2, 0x29, 0x18, 2, b'a', b'b', 0x1c, 0x15, 1, 0, 0x56, 0xd8, 4, 0];
        assert_eq!(outer.end(), expected);
    }

    #[test]
    fn long_lists_have_their_count_apart() {
        let mut list = Struct::default();
        list.ints(1, &[0; 20]);
        assert_eq!(list.end()[..3], [0x19, 0xf5, 20]);
    }
}
