//! What a script did, as JSON: one object.

use std::io::{self, Write};

use lab::{Answer, Change, Did, Done, Outcome, Row, Run, Shown};
use serde_json::{Value, json};

/// The name of the object's shape.
const LAB_SCHEMA: &str = "vmatlas.lab/1";

/// What a line did.
pub(super) fn line(done: &Done) -> Value {
    let shown: Vec<Value> = done.shown.iter().map(shown).collect();
    json!({ "line": done.line, "text": done.text, "shown": shown })
}

/// Writes everything, with how it ended.
pub(super) fn write(lines: Vec<Value>, outcome: &Outcome, out: &mut impl Write) -> io::Result<()> {
    let (word, complaint) = match outcome {
        Outcome::Fine => ("fine", None),
        Outcome::Failed(complaint) => ("failed", Some(complaint)),
        Outcome::Diverged(complaint) => ("diverged", Some(complaint)),
        Outcome::Broken(complaint, _) => ("broken", Some(complaint)),
    };
    let complaint = complaint.map(|complaint| {
        json!({
            "file": complaint.file,
            "line": complaint.line,
            "start": complaint.fault.span.start,
            "end": complaint.fault.span.end,
            "what": complaint.fault.what,
        })
    });
    let object = json!({ "schema": LAB_SCHEMA, "outcome": word, "complaint": complaint, "lines": lines });
    writeln!(out, "{object}")
}

/// An address or a call's value: it may not fit a reader's numbers.
fn hex(value: u64) -> Value {
    json!(format!("{value:#x}"))
}

fn shown(shown: &Shown) -> Value {
    match shown {
        Shown::Did(did) => json!({ "did": self::did(did) }),
        Shown::Maps(rows) => json!({ "maps": rows.iter().map(row).collect::<Vec<_>>() }),
        Shown::Pages(start, runs) => {
            let runs: Vec<Value> = runs.iter().map(run).collect();
            json!({ "pages": { "start": hex(start.0), "runs": runs } })
        }
        Shown::Lines(lines) => json!({ "lines": lines.iter().map(|line| line.plain()).collect::<Vec<_>>() }),
        Shown::Text(text) => json!({ "text": text }),
        Shown::Help(word) => json!({ "help": word }),
    }
}

fn run(run: &Run) -> Value {
    json!({ "state": run.state.to_string(), "pages": run.pages })
}

fn did(did: &Did) -> Value {
    let change = |change: &Change| match change {
        Change::Gone(gone) => json!({ "gone": row(gone) }),
        Change::Come(come) => json!({ "come": row(come) }),
    };
    json!({
        "what": did.what,
        "kernel": did.kernel.as_ref().map(answer),
        "twin": did.twin.as_ref().map(answer),
        "why": did.twin.is_some().then(|| did.why.to_string()),
        "changes": did.changes.iter().map(change).collect::<Vec<_>>(),
        "differs": did.differs,
    })
}

fn answer(answer: &Answer) -> Value {
    match answer {
        Answer::Value(Ok(value)) => json!({ "value": hex(*value) }),
        Answer::Value(Err(errno)) => json!({ "errno": errno.to_string() }),
        Answer::Bytes(bytes) => json!({ "bytes": bytes }),
        Answer::Done => json!({ "done": true }),
        Answer::Signal(fault) => {
            json!({ "signal": fault.signal, "code": fault.code, "address": hex(fault.addr.0) })
        }
        Answer::Unknown(why) => json!({ "unknown": why }),
    }
}

fn row(row: &Row) -> Value {
    json!({
        "start": hex(row.range.start.0),
        "end": hex(row.range.end.0),
        "protection": row.letters(),
        "offset": row.offset.0,
        "name": row.name,
    })
}
