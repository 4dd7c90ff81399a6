//! speedscope's JSON: one profile, sampled, weighed in bytes.

use std::collections::HashMap;
use std::io::{self, Write};

use serde_json::{Value, json};
use view::{FrameWords, OriginsView};

pub(crate) fn write(view: &OriginsView, out: &mut dyn Write) -> io::Result<()> {
    let mut numbers: HashMap<FrameWords, usize> = HashMap::new();
    let mut frames: Vec<Value> = Vec::new();
    let mut samples: Vec<Vec<usize>> = Vec::new();
    let mut weights: Vec<u64> = Vec::new();
    for row in view.rows.iter().filter(|row| row.bytes.resident > 0) {
        let own = FrameWords { function: row.name.clone(), ..FrameWords::default() };
        let stack = if row.frames.is_empty() { std::slice::from_ref(&own) } else { &row.frames[..] };
        let mut number = |frame: &FrameWords| {
            *numbers.entry(frame.clone()).or_insert_with(|| {
                frames.push(described(frame));
                frames.len() - 1
            })
        };
        samples.push(stack.iter().rev().map(&mut number).collect());
        weights.push(row.bytes.resident);
    }
    let end: u64 = weights.iter().sum();
    let profile = json!({
        "type": "sampled", "name": "resident memory", "unit": "bytes", "startValue": 0, "endValue": end,
        "samples": samples, "weights": weights,
    });
    let file = json!({
        "$schema": "https://www.speedscope.app/file-format-schema.json",
        "exporter": concat!("vmatlas ", env!("CARGO_PKG_VERSION")),
        "name": "vmatlas",
        "activeProfileIndex": 0,
        "shared": { "frames": frames },
        "profiles": [profile],
    });
    serde_json::to_writer(&mut *out, &file)?;
    out.write_all(b"\n")
}

fn described(frame: &FrameWords) -> Value {
    let mut value = json!({ "name": frame.function });
    if !frame.file.is_empty() {
        value["file"] = json!(frame.file);
    }
    if frame.line > 0 {
        value["line"] = json!(frame.line);
    }
    value
}
