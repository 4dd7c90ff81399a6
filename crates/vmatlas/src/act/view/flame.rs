//! The flame graph: bytes by the call chain behind them, of a moment or of a stretch of time.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use recording::{MmId, TimeNs};
use serde_json::{Value, json};
use timeline::{Origins, Replay, Until};
use view::{By, Chains, FrameWords, Whose};
use web::{Answer, Query};

use super::answer::{json_answer, refused};
use super::span::{self, Counted};
use crate::act::origins::Told;

/// Graphs kept: asking again costs no replay.
const KEPT_MAX: usize = 24;
/// A frame with less than this part of all is not told.
const PARTS_MAX: u64 = 5_000;

/// Which bytes are drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Measure {
    /// Mapped at a moment and in memory.
    Resident,
    /// Mapped at a moment.
    Mapped,
    /// Mapped at a moment, and in pages of the process's own.
    Dirty,
    /// What happened in a stretch of time.
    Spent(Counted),
}

impl Measure {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "resident" => Self::Resident,
            "mapped" => Self::Mapped,
            "dirty" => Self::Dirty,
            "churn" => Self::Spent(Counted::Mapped),
            "unmapped" => Self::Spent(Counted::Unmapped),
            "touched" => Self::Spent(Counted::Touched),
            _ => return None,
        })
    }
}

/// Bytes by call chain.
pub(super) struct Rows {
    rows: Vec<(Vec<FrameWords>, u64)>,
    note: Option<String>,
}

#[derive(Default)]
struct Node {
    value: u64,
    children: BTreeMap<String, Node>,
}

/// Graphs asked for lately.
#[derive(Default)]
pub(super) struct Flames(Mutex<Vec<(String, Vec<u8>)>>);

impl Flames {
    pub(super) fn answer(&self, path: &Path, query: &Query) -> Result<Answer, Answer> {
        let number = |name: &str| query.number(name).ok_or_else(|| refused(&format!("{name}?")));
        let mm = u32::try_from(number("mm")?).map(MmId).map_err(|_| refused("which memory?"))?;
        let name = query.text("measure").unwrap_or("resident");
        let measure = Measure::named(name).ok_or_else(|| refused("no such measure"))?;
        let (from, to) = (TimeNs(number("from")?), TimeNs(number("to")?));
        let is_reversed = query.text("reversed") == Some("true");
        let key = format!("{} {name} {} {} {is_reversed}", mm.0, from.0, to.0);
        let kept = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, bytes)) = kept().iter().find(|(of, _)| *of == key) {
            return Ok(Answer::Json(bytes.clone()));
        }
        let rows = rows(path, mm, (from, to), measure);
        let rows = rows.map_err(|error| Answer::Failed(crate::exit::line_of(&error)))?;
        let answer = json_answer(&graph(&rows, is_reversed));
        if let Answer::Json(bytes) = &answer {
            let mut kept = kept();
            kept.truncate(KEPT_MAX - 1);
            kept.insert(0, (key, bytes.clone()));
        }
        Ok(answer)
    }
}

/// Reads one measure of a recording.
pub(super) fn rows(path: &Path, mm: MmId, span: (TimeNs, TimeNs), measure: Measure) -> anyhow::Result<Rows> {
    let measured = match measure {
        Measure::Spent(counted) => {
            let note = match counted {
                Counted::Touched => Some("Recorded faults, each for as many as it stands for.".to_owned()),
                Counted::Mapped | Counted::Unmapped => None,
            };
            return Ok(Rows { rows: span::spent(path, mm, span, counted)?, note });
        }
        measured => measured,
    };
    let Some(told) = told(path, mm, span.1)? else {
        return Ok(Rows {
            rows: Vec::new(),
            note: Some("This memory does not live at that moment.".to_owned()),
        });
    };
    if measured == Measure::Dirty {
        let chains = Chains::new(told.symbols.as_ref());
        let row = |origin: &timeline::Origin| {
            let frames = chains.frames(origin.owner.and_then(|owner| owner.stack));
            (frames, timeline::anonymous(told.still.page_runs(), origin.range))
        };
        let note = Some(
            "Anonymous pages: the process's own, and written to. As of the last page checkpoint.".into(),
        );
        return Ok(Rows { rows: told.origins.iter().map(row).collect(), note });
    }
    let view = told.view(By::Stack, Whose::Mapper);
    let value = |row: &view::OriginRow| match measured {
        Measure::Mapped => row.bytes.size,
        _ => row.bytes.resident,
    };
    let named = |row: &view::OriginRow| match row.frames.as_slice() {
        [] => vec![FrameWords { function: row.name.clone(), ..FrameWords::default() }],
        frames => frames.to_vec(),
    };
    Ok(Rows { rows: view.rows.iter().map(|row| (named(row), value(row))).collect(), note: view.stacks })
}

/// Where the bytes of one memory come from at a moment; `None` where it does not live then.
fn told(path: &Path, mm: MmId, at: TimeNs) -> anyhow::Result<Option<Told>> {
    let symbols = crate::act::names::read(path)?;
    let mut replay = Replay::open(path)?;
    let origins = Origins::follow(&mut replay, Until::Time(at))?;
    let world = replay.world();
    Ok(world.still(mm).map(|still| Told::of(world, still, &origins, symbols)))
}

/// The graph as the page takes it: the root's name, value and children.
pub(super) fn graph(rows: &Rows, is_reversed: bool) -> Value {
    let mut root = Node::default();
    for (frames, value) in rows.rows.iter().filter(|(_, value)| *value > 0) {
        let mut names: Vec<String> = frames.iter().map(FrameWords::line_words).collect();
        if names.is_empty() {
            names.push("[stack not known]".to_owned());
        }
        // Frames come innermost first.
        if !is_reversed {
            names.reverse();
        }
        root.value += value;
        let mut node = &mut root;
        for name in names {
            node = node.children.entry(name).or_default();
            node.value += value;
        }
    }
    let least = root.value / PARTS_MAX;
    json!({ "root": shown("all", &root, least), "note": rows.note })
}

fn shown(name: &str, node: &Node, least: u64) -> Value {
    let children = node.children.iter().filter(|(_, node)| node.value > least);
    let children: Vec<Value> = children.map(|(name, node)| shown(name, node, least)).collect();
    json!({ "name": name, "value": node.value, "children": children })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_add_up_towards_the_root() {
        let frame = |function: &str| FrameWords { function: function.into(), ..FrameWords::default() };
        let row = |leaf: &str, bytes| (vec![frame(leaf), frame("main")], bytes);
        let rows = Rows { rows: vec![row("a", 10), row("b", 6), (Vec::new(), 1)], note: None };
        let told = graph(&rows, false);
        assert_eq!(told["root"]["value"], 17);
        assert_eq!(told["root"]["children"][0]["name"], "[stack not known]");
        assert_eq!(told["root"]["children"][1]["name"], "main");
        assert_eq!(told["root"]["children"][1]["children"][1]["value"], 6);
        assert_eq!(graph(&rows, true)["root"]["children"][1]["name"], "a");
    }
}
