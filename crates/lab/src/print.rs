//! What a line showed, as lines of text.

use abi::PAGE_SIZE;
use view::text::{Line, Role};

use crate::backend::{Answer, Change, Row, Run};
use crate::session::{Did, Session, Shown};
use crate::syntax::{VERBS, verb};

/// Writes what a line showed.
pub fn lines_of(shown: &Shown, session: &Session) -> Vec<Line> {
    match shown {
        Shown::Did(did) => of_did(did, session),
        Shown::Maps(rows) => rows.iter().map(|row| of_row("  ", Role::Plain, row, session)).collect(),
        Shown::Pages(at, runs) => of_pages(at.0, runs),
        Shown::Text(text) => text.lines().map(|line| Line::of(Role::Plain, format!("  {line}"))).collect(),
        Shown::Help(word) => help(word.as_deref()),
    }
}

/// `  munmap(0x..., 4096) = 0`, and what changed.
fn of_did(did: &Did, session: &Session) -> Vec<Line> {
    let role = |answer: &Answer| match answer {
        Answer::Value(Err(_)) | Answer::Signal(_) => Role::Warning,
        Answer::Unknown(_) => Role::Faint,
        _ => Role::Strong,
    };
    let mut line = Line::of(Role::Plain, format!("  {} = ", did.what));
    match (&did.kernel, &did.twin) {
        (Some(kernel), Some(twin)) if kernel != twin && did.differs.is_some() => {
            line = line.and(Role::Bad, format!("{kernel} (kernel), {twin} (twin)"));
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
    lines.extend(did.changes.iter().map(|change| match change {
        Change::Gone(row) => of_row("  - ", Role::Bad, row, session),
        Change::Come(row) => of_row("  + ", Role::Good, row, session),
    }));
    lines
}

fn of_row(mark: &str, role: Role, row: &Row, session: &Session) -> Line {
    let name = match session.file_name(row.file) {
        Some(name) => format!("file {name}"),
        None if row.name.contains("vmatlas-arena") || row.name.contains("vmatlas-puppet") => {
            "(how vmatlas talks to the child)".into()
        }
        None => row.name.clone(),
    };
    let offset = if row.file.ino != 0 && row.offset.0 > 0 {
        format!(" from {}", view::words::bytes(row.offset.0))
    } else {
        String::new()
    };
    let size = view::words::bytes(row.range.len());
    Line::of(role, format!("{mark}{} {} {size:>10}  {name}{offset}", row.range, row.letters()))
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
  One line, one thing. Names stand for what a line gave; lengths are bytes, or K, M, G, T.

      a = mmap 64K rw private anon      a file instead of anon: f = file 10000
      write a+4096 \"hello\"              then: read a+4096 5
      mprotect a 4K r                   then: maps, why
      c = fork                          then: c: read a+4096 5

  heap, heap_end, stack and sp follow the process. # begins a comment. `help mmap` says more.
";
