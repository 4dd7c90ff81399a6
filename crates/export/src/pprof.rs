//! pprof's profile (`profile.proto`), gzipped.

use std::collections::HashMap;
use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use view::{FrameWords, OriginBytes, OriginsView};

use crate::varint;

/// What each sample counts, and in what.
const VALUES: [(&str, &str); 6] = [
    ("resident", "bytes"),
    ("mapped", "bytes"),
    ("dirty", "bytes"),
    ("shared_by_fork", "bytes"),
    ("copied_after_fork", "bytes"),
    ("pieces", "count"),
];

pub(crate) fn write(view: &OriginsView, out: &mut dyn Write) -> io::Result<()> {
    let mut gzip = GzEncoder::new(out, Compression::default());
    gzip.write_all(&message(view))?;
    gzip.finish()?;
    Ok(())
}

/// The whole profile.
fn message(view: &OriginsView) -> Vec<u8> {
    let mut profile = Profile::default();
    profile.string("");
    for (kind, unit) in VALUES {
        let mut value = Message::default();
        let (kind, unit) = (profile.string(kind), profile.string(unit));
        value.number(1, kind);
        value.number(2, unit);
        profile.out.message(1, &value);
    }
    for row in &view.rows {
        let own = FrameWords { function: row.name.clone(), ..FrameWords::default() };
        let stack = if row.frames.is_empty() { std::slice::from_ref(&own) } else { &row.frames[..] };
        let locations: Vec<u64> = stack.iter().map(|frame| profile.location(frame)).collect();
        let mut sample = Message::default();
        sample.packed(1, &locations);
        let OriginBytes { size, resident, dirty, shared, copied, pieces } = row.bytes;
        sample.packed(2, &[resident, size, dirty, shared, copied, pieces]);
        profile.out.message(2, &sample);
    }
    profile.finish(view.time_ns)
}

#[derive(Default)]
struct Profile {
    out: Message,
    strings: HashMap<String, u64>,
    table: Vec<String>,
    locations: HashMap<FrameWords, u64>,
    mappings: HashMap<String, u64>,
}

impl Profile {
    fn string(&mut self, text: &str) -> u64 {
        if let Some(no) = self.strings.get(text) {
            return *no;
        }
        let no = self.table.len() as u64;
        self.strings.insert(text.to_owned(), no);
        self.table.push(text.to_owned());
        no
    }

    /// A location of its own for each frame: inlined ones are told apart by their function.
    fn location(&mut self, frame: &FrameWords) -> u64 {
        if let Some(no) = self.locations.get(frame) {
            return *no;
        }
        let no = self.locations.len() as u64 + 1;
        self.locations.insert(frame.clone(), no);
        let (name, file) = (self.string(&frame.function), self.string(&frame.file));
        let mut function = Message::default();
        function.number(1, no);
        function.number(2, name);
        function.number(3, name);
        function.number(4, file);
        self.out.message(5, &function);
        let mut line = Message::default();
        line.number(1, no);
        line.number(2, frame.line.into());
        let mut location = Message::default();
        location.number(1, no);
        location.number(2, self.mapping(&frame.object));
        location.message(4, &line);
        self.out.message(4, &location);
        no
    }

    fn mapping(&mut self, object: &str) -> u64 {
        if let Some(no) = self.mappings.get(object) {
            return *no;
        }
        let no = self.mappings.len() as u64 + 1;
        self.mappings.insert(object.to_owned(), no);
        let file = self.string(object);
        let mut mapping = Message::default();
        mapping.number(1, no);
        mapping.number(5, file);
        // Functions, file names and lines are there: nobody needs to look for them.
        for field in [7, 8, 9] {
            mapping.number(field, 1);
        }
        self.out.message(3, &mapping);
        no
    }

    fn finish(mut self, time_ns: u64) -> Vec<u8> {
        let default = self.string("resident");
        for text in &self.table {
            self.out.bytes(6, text.as_bytes());
        }
        self.out.number(10, time_ns);
        self.out.number(14, default);
        self.out.0
    }
}

/// A message of protocol buffers being written.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, value: u64) {
        varint::put(&mut self.0, value);
    }

    fn number(&mut self, field: u64, value: u64) {
        self.varint(field << 3);
        self.varint(value);
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn message(&mut self, field: u64, message: &Self) {
        self.bytes(field, &message.0);
    }

    fn packed(&mut self, field: u64, values: &[u64]) {
        let mut packed = Self::default();
        values.iter().for_each(|value| packed.varint(*value));
        self.bytes(field, &packed.0);
    }
}
