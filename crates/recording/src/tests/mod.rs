//! Tests of the whole file: what is written comes back, and nothing a file may hold does harm.

mod append;
mod arbitrary;
mod damage;
mod roundtrip;

use crate::{Event, ReadError, Reader, Writer, example_header};

/// A finished file with these events, a block ended after each index in `flushes`.
fn file_of(events: &[Event], flushes: &[usize]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), &example_header()).expect("a vector takes everything");
    for (no, event) in events.iter().enumerate() {
        writer.push(event).expect("a vector takes everything");
        if flushes.contains(&no) {
            writer.flush().expect("a vector takes everything");
        }
    }
    writer.finish().expect("a vector takes everything");
    writer.into_inner()
}

fn open(file: &[u8]) -> Result<Reader<std::io::Cursor<&[u8]>>, ReadError> {
    Reader::new(std::io::Cursor::new(file))
}
