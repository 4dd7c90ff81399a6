//! Where memory comes from at two moments: of one recording, or of two runs or builds.
//!
//! Addresses play no part, as they differ from run to run. What is matched is the call site: the chain of functions with
//! the files their code lies in, without lines, which move from build to build. A place that has no name is matched by
//! its address in a file of the same build id; in another build only by the file.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use recording::Symbols;
use serde::Serialize;

use crate::chains::FrameWords;
use crate::origins::{By, OriginBytes, OriginRow, OriginsView, Whose};
use crate::words;

/// Where memory comes from, compared.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct OriginsDiff {
    /// What rows stand for.
    pub by: By,
    /// Whose.
    pub whose: Whose,
    /// The first moment.
    pub before: OriginsSide,
    /// The second moment.
    pub after: OriginsSide,
    /// What changed, largest change of resident bytes first; what did not is left out.
    pub rows: Vec<OriginChange>,
    /// Things that are the same on both sides.
    pub same: u64,
    /// Files that are on both sides, in different builds.
    pub rebuilt: Vec<String>,
}

/// One side.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct OriginsSide {
    /// What was asked for.
    pub target: String,
    /// The process.
    pub pid: Option<i32>,
    /// Its program.
    pub program: String,
    /// When, in nanoseconds since the recording began.
    pub time_ns: u64,
    /// All together.
    pub total: OriginBytes,
}

/// What one thing is behind, on both sides.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct OriginChange {
    /// Its name, as the second side has it where it is there.
    pub name: String,
    /// Its bytes in the first.
    pub before: OriginBytes,
    /// Its bytes in the second.
    pub after: OriginBytes,
    /// The call chain, innermost first, where rows are stacks.
    pub frames: Vec<FrameWords>,
}

impl OriginChange {
    /// By how much the resident bytes changed.
    pub fn resident(&self) -> i128 {
        i128::from(self.after.resident) - i128::from(self.before.resident)
    }

    /// By how much the mapped bytes changed.
    pub fn size(&self) -> i128 {
        i128::from(self.after.size) - i128::from(self.before.size)
    }
}

/// A view with what it was made of.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    /// What was asked for.
    pub target: &'a str,
    /// Where its memory comes from.
    pub view: &'a OriginsView,
    /// The names of its frames, with the build ids of the files.
    pub symbols: Option<&'a Symbols>,
}

impl OriginsDiff {
    /// Compares two views.
    ///
    /// # Preconditions
    /// Both are by the same, and of the same.
    pub fn new(before: Side<'_>, after: Side<'_>) -> Self {
        let (old, new) = (builds(before.symbols), builds(after.symbols));
        let differs = |(name, ids): (&String, &BTreeSet<Vec<u8>>)| {
            new.get(name).is_some_and(|others| others.is_disjoint(ids)).then(|| name.clone())
        };
        let rebuilt: BTreeSet<String> = old.iter().filter_map(differs).collect();
        let mut rows: HashMap<String, OriginChange> = HashMap::new();
        for (side, is_after) in [(before, false), (after, true)] {
            let threads = threads(side.view);
            for row in &side.view.rows {
                let change =
                    rows.entry(key(side.view, row, &threads, &rebuilt)).or_insert_with(|| OriginChange {
                        name: String::new(),
                        before: OriginBytes::default(),
                        after: OriginBytes::default(),
                        frames: Vec::new(),
                    });
                (change.name, change.frames) = (shown(side.view, row, &threads), row.frames.clone());
                if is_after { &mut change.after } else { &mut change.before }.add(&row.bytes);
            }
        }
        let all = rows.len();
        let mut rows: Vec<OriginChange> =
            rows.into_values().filter(|row| row.resident() != 0 || row.size() != 0).collect();
        let order = |row: &OriginChange| (row.resident().unsigned_abs(), row.size().unsigned_abs());
        rows.sort_by(|a, b| order(b).cmp(&order(a)).then_with(|| a.name.cmp(&b.name)));
        let side = |side: Side<'_>| OriginsSide {
            target: side.target.to_owned(),
            pid: side.view.pid,
            program: side.view.program.clone(),
            time_ns: side.view.time_ns,
            total: side.view.total,
        };
        Self {
            by: after.view.by,
            whose: after.view.whose,
            same: (all - rows.len()) as u64,
            before: side(before),
            after: side(after),
            rows,
            rebuilt: rebuilt.into_iter().collect(),
        }
    }
}

/// The build ids of files, by the last part of their paths.
fn builds(symbols: Option<&Symbols>) -> BTreeMap<String, BTreeSet<Vec<u8>>> {
    let mut builds: BTreeMap<String, BTreeSet<Vec<u8>>> = BTreeMap::new();
    for object in symbols.into_iter().flat_map(|symbols| &symbols.objects) {
        let path = words::printable(&object.path);
        builds.entry(base(&path).to_owned()).or_default().insert(object.build_id.to_vec());
    }
    builds
}

fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// Threads by what is alike in two runs: the main one, and the others in the order of their numbers.
fn threads(view: &OriginsView) -> HashMap<String, String> {
    if view.by != By::Thread {
        return HashMap::new();
    }
    let number = |row: &OriginRow| row.name.rsplit("thread ").next()?.parse::<i32>().ok();
    let numbers: BTreeSet<i32> = view.rows.iter().filter_map(number).collect();
    let named = |(no, tid): (usize, i32)| {
        let name = if Some(tid) == view.pid { "main thread".to_owned() } else { format!("thread no {no}") };
        (format!("thread {tid}"), name)
    };
    let others = numbers.iter().copied().filter(|tid| Some(*tid) != view.pid);
    (1..).zip(others).chain(view.pid.map(|pid| (0, pid))).map(named).collect()
}

fn shown(view: &OriginsView, row: &OriginRow, threads: &HashMap<String, String>) -> String {
    match view.by {
        By::Thread => threads.iter().fold(row.name.clone(), |name, (tid, alike)| {
            if name.ends_with(tid.as_str()) { name.replace(tid.as_str(), alike) } else { name }
        }),
        _ => row.name.clone(),
    }
}

/// What a row is matched by.
fn key(
    view: &OriginsView,
    row: &OriginRow,
    threads: &HashMap<String, String>,
    rebuilt: &BTreeSet<String>,
) -> String {
    match view.by {
        By::Stack if !row.frames.is_empty() => {
            let frames: Vec<String> =
                row.frames.iter().map(|frame| frame_key(view, frame, rebuilt)).collect();
            frames.join("\n")
        }
        // The line of `function (file:line)` moves.
        By::Line => match row.name.rsplit_once(" (") {
            Some((function, place)) => {
                format!("{function} ({})", place.split(':').next().unwrap_or_default())
            }
            None => row.name.clone(),
        },
        By::Thread => shown(view, row, threads),
        By::Stack | By::Object | By::Kind => row.name.clone(),
    }
}

fn frame_key(view: &OriginsView, frame: &FrameWords, rebuilt: &BTreeSet<String>) -> String {
    let file = base(&frame.object);
    // Two builds of a program need not have the same name.
    let shown = if !file.is_empty() && frame.object == view.program { "the program" } else { file };
    match frame.function.strip_prefix(file).and_then(|rest| rest.strip_prefix("+0x")) {
        Some(address) if !rebuilt.contains(file) => format!("{shown}+{address}"),
        Some(_) => shown.to_owned(),
        // Code that no file holds lies elsewhere each time.
        None if file.is_empty() && frame.function.starts_with("0x") => "code made at run time".to_owned(),
        None => format!("{shown}:{}", frame.function),
    }
}

#[cfg(test)]
mod tests {
    use recording::SymbolObject;

    use super::*;

    fn frame(function: &str, line: u32, object: &str) -> FrameWords {
        FrameWords { function: function.into(), file: "a.c".into(), line, object: object.into() }
    }

    fn view(by: By, program: &str, rows: &[(&str, u64, Vec<FrameWords>)]) -> OriginsView {
        let row = |(name, resident, frames): &(&str, u64, Vec<FrameWords>)| OriginRow {
            name: (*name).into(),
            bytes: OriginBytes { resident: *resident, size: 2 * resident, ..OriginBytes::default() },
            frames: frames.clone(),
        };
        OriginsView {
            program: program.into(),
            pid: Some(7),
            rows: rows.iter().map(row).collect(),
            ..OriginsView::empty(by, Whose::Toucher)
        }
    }

    fn symbols(path: &str, build: u8) -> Symbols {
        let object = SymbolObject {
            path: path.as_bytes().into(),
            build_id: [build].as_slice().into(),
            bytes: 0,
            modified_ns: 0,
        };
        Symbols { objects: vec![object], ..Symbols::default() }
    }

    fn changes(before: (&OriginsView, &Symbols), after: (&OriginsView, &Symbols)) -> OriginsDiff {
        let side = |(view, symbols)| Side { target: "x", view, symbols: Some(symbols) };
        OriginsDiff::new(side(before), side(after))
    }

    #[test]
    fn a_call_site_is_the_same_in_another_build_of_another_name() {
        let chain =
            |line, program: &str| vec![frame("malloc", 1, "/lib/libc.so"), frame("work", line, program)];
        let old = view(By::Stack, "/bin/old", &[("malloc", 100, chain(5, "/bin/old"))]);
        let other = vec![frame("malloc", 1, "/lib/libc.so"), frame("other", 3, "/bin/new")];
        let rows = [("malloc", 300, chain(9, "/bin/new")), ("malloc", 10, other)];
        let new = view(By::Stack, "/bin/new", &rows);
        let diff = changes((&old, &symbols("/bin/old", 1)), (&new, &symbols("/bin/new", 2)));
        let found: Vec<_> = diff.rows.iter().map(|row| (row.before.resident, row.after.resident)).collect();
        assert_eq!(found, [(100, 300), (0, 10)]);
        assert!(diff.rebuilt.is_empty(), "they have other names");
    }

    #[test]
    fn a_place_without_a_name_is_the_same_in_the_same_build_only() {
        let chain = |address: &str| vec![frame(&format!("l.so+{address}"), 0, "/lib/l.so")];
        let old = view(By::Stack, "/p", &[("l", 1, chain("0x10")), ("l", 2, chain("0x20"))]);
        let new = view(By::Stack, "/p", &[("l", 1, chain("0x10")), ("l", 5, chain("0x24"))]);
        let same = changes((&old, &symbols("/lib/l.so", 1)), (&new, &symbols("/lib/l.so", 1)));
        assert_eq!((same.rows.len(), same.same), (2, 1));
        let rebuilt = changes((&old, &symbols("/lib/l.so", 1)), (&new, &symbols("/lib/l.so", 2)));
        assert_eq!(rebuilt.rebuilt, ["l.so"]);
        assert_eq!((rebuilt.rows[0].before.resident, rebuilt.rows[0].after.resident), (3, 6));
    }

    #[test]
    fn lines_move_and_threads_have_other_numbers() {
        let none = Symbols::default();
        let old = view(By::Line, "/p", &[("f (a.rs:3)", 1, Vec::new())]);
        let new = view(By::Line, "/p", &[("f (a.rs:9)", 1, Vec::new())]);
        assert_eq!(changes((&old, &none), (&new, &none)).rows.len(), 0);
        let old = view(By::Thread, "/p", &[("thread 7", 1, Vec::new()), ("thread 9", 4, Vec::new())]);
        let new = view(By::Thread, "/p", &[("thread 7", 1, Vec::new()), ("thread 80", 6, Vec::new())]);
        let diff = changes((&old, &none), (&new, &none));
        let found: Vec<_> = diff.rows.iter().map(|row| (row.name.as_str(), row.resident())).collect();
        assert_eq!(found, [("thread no 1", 2)]);
    }
}
