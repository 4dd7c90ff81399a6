//! What a line showed, as lines of text.

use abi::PAGE_SIZE;
use view::text::{Line, Role};

use crate::backend::{Answer, Change, Row, Run};
use crate::session::{Did, Session, Shown};
use crate::syntax::{VERBS, verb};

/// How two answers that are the same are told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sides {
    /// Once.
    One,
    /// One after the other.
    Both,
}

/// Writes what a line showed.
pub fn lines_of(shown: &Shown, session: &Session) -> Vec<Line> {
    lines_of_with(shown, session, Sides::One)
}

pub(crate) fn lines_of_with(shown: &Shown, session: &Session, sides: Sides) -> Vec<Line> {
    match shown {
        Shown::Did(did) => of_did(did, session, sides),
        Shown::Maps(rows) => of_map(rows, session),
        Shown::Pages(at, runs) => of_pages(at.0, runs),
        Shown::Text(text) => text.lines().map(|line| Line::of(Role::Plain, format!("  {line}"))).collect(),
        Shown::Lines(lines) => lines.clone(),
        Shown::Help(word) => help(word.as_deref()),
    }
}

/// `  munmap(0x..., 4096) = 0`, and what changed.
fn of_did(did: &Did, session: &Session, sides: Sides) -> Vec<Line> {
    let role = |answer: &Answer| match answer {
        Answer::Value(Err(_)) | Answer::Signal(_) => Role::Warning,
        Answer::Unknown(_) => Role::Faint,
        _ => Role::Strong,
    };
    let mut line = Line::of(Role::Plain, format!("  {} = ", did.what));
    let mut second = None;
    match (&did.kernel, &did.twin) {
        (Some(kernel), Some(twin)) if kernel != twin && did.differs.is_some() => {
            line = line.and(Role::Bad, format!("{kernel} (kernel), {twin} (twin)"));
        }
        (Some(kernel), Some(twin)) if sides == Sides::Both => {
            line = Line::of(Role::Plain, format!("  {}", did.what));
            let same = match twin {
                Answer::Unknown(why) => (*why).to_owned(),
                twin if kernel == twin => "the same".to_owned(),
                twin => twin.to_string(),
            };
            let said = Line::of(Role::Plain, "      Linux: ").and(role(kernel), kernel.to_string());
            second = Some(said.and(Role::Plain, "   twin: ").and(role(twin), same));
        }
        (Some(kernel), Some(twin)) => {
            line = line.and(role(kernel), kernel.to_string());
            if let Answer::Unknown(why) = twin {
                line = line.and(Role::Faint, format!("   (twin: {why})"));
            }
        }
        (Some(one), None) | (None, Some(one)) => line = line.and(role(one), one.to_string()),
        (None, None) => {}
    }
    let mut lines = vec![line];
    lines.extend(second);
    lines.extend(did.changes.iter().map(|change| match change {
        Change::Gone(row) => of_row("    - ", Role::Bad, row, session),
        Change::Come(row) => of_row("    + ", Role::Good, row, session),
    }));
    lines
}

fn of_row(mark: &str, role: Role, row: &Row, session: &Session) -> Line {
    let name = match session.file_name(row.file) {
        Some(name) => format!("file {name}"),
        None if is_arena(row) => "[vmatlas]".into(),
        None if is_program(row) => "[program]".into(),
        None => row.name.rsplit('/').next().unwrap_or_default().to_owned(),
    };
    let offset = match row.offset.0 {
        bytes if row.file.ino != 0 && bytes > 0 => format!(" from {}", view::words::bytes(bytes)),
        _ => String::new(),
    };
    let size = view::words::bytes(row.range.len());
    let text = format!("{mark}{} {} {size:>9}  {name}{offset}", row.range, row.letters());
    Line::of(role, text.trim_end())
}

fn is_arena(row: &Row) -> bool {
    row.name.contains("vmatlas-arena")
}

fn is_program(row: &Row) -> bool {
    row.name.contains("vmatlas-puppet")
}

/// What the dynamic linker mapped before the first line; it is the only file that no script made.
fn is_library(row: &Row) -> bool {
    row.file.ino != 0 && row.name.contains(".so") && !row.shared
}

/// The whole map, each line with what kind of memory it is.
fn of_map(rows: &[Row], session: &Session) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut before: Option<&Row> = None;
    for row in rows {
        let line = of_row("  ", Role::Plain, row, session);
        let width = line.plain().chars().count();
        let gap = " ".repeat(66_usize.saturating_sub(width).max(2));
        lines.push(line.and(Role::Faint, format!("{gap}{}", kind(row, before, session))));
        before = Some(row);
    }
    lines
}

/// What kind of memory a mapping is.
fn kind(row: &Row, before: Option<&Row>, session: &Session) -> String {
    let shared = if row.shared { "shared" } else { "private" };
    let behind = |kind: fn(&Row) -> bool| {
        before.is_some_and(|before| kind(before) && before.range.end == row.range.start)
    };
    match row.name.as_str() {
        _ if session.file_name(row.file).is_some() => format!("dynamic: a file, {shared}"),
        _ if is_arena(row) => "how vmatlas talks to the child".into(),
        _ if is_program(row) => "static: the executable file".into(),
        "[heap]" => "dynamic: the heap, anonymous".into(),
        "[stack]" => "dynamic: the stack, anonymous".into(),
        "[vdso]" | "[vvar]" | "[vvar_vclock]" => "the kernel's".into(),
        _ if is_library(row) => "static: a library's file".into(),
        "" if behind(is_program) => "static: bss, anonymous".into(),
        "" if behind(is_library) => "static: a library's bss, anonymous".into(),
        _ => format!("dynamic: anonymous, {shared}"),
    }
}

fn of_pages(mut at: u64, runs: &[Run]) -> Vec<Line> {
    let mut lines = Vec::new();
    for Run { state, pages } in runs {
        let text = format!("  {at:#x}  {pages:>6} page{} {state}", if *pages == 1 { " " } else { "s" });
        lines.push(Line::of(Role::Plain, text));
        at = at.saturating_add(pages * PAGE_SIZE);
    }
    lines
}

/// What there is, or what a word means.
pub fn help(word: Option<&str>) -> Vec<Line> {
    if let Some(word) = word {
        return match verb(word) {
            Some(verb) => vec![
                Line::of(Role::Strong, format!("  {} ", verb.name)).and(Role::Plain, verb.usage),
                Line::of(Role::Plain, format!("      {}", verb.about)),
                Line::of(Role::Faint, format!("      for example: {}", verb.example)),
            ],
            None => {
                vec![Line::of(Role::Plain, format!("  there is no `{word}`; `help` lists what there is"))]
            }
        };
    }
    let mut lines: Vec<Line> = INTRODUCTION.lines().map(|line| Line::of(Role::Plain, line)).collect();
    let width = VERBS.iter().map(|verb| verb.name.len()).max().unwrap_or(0) + 2;
    for verb in VERBS {
        lines.push(Line::of(Role::Strong, format!("  {:width$}", verb.name)).and(Role::Plain, verb.about));
    }
    lines
}

const INTRODUCTION: &str = "\
  One line, one thing. Names stand for what a line gave; lengths are bytes,
  or K, M, G, T.

      a = mmap 64K rw private anon      a file instead of anon: f = file 10000
      write a+4096 \"hello\"              then: read a+4096 5
      mprotect a 4K r                   then: maps, why
      c = fork                          then: c: read a+4096 5

  heap, heap_end, stack and sp follow the process. # begins a comment.
  `help mmap` says more.
";
