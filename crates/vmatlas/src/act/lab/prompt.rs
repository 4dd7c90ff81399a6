//! The prompt: line editing, history, completion, help.

use std::io::{self, Write};
use std::process::ExitCode;

use lab::{Child, Complaint, LabError, On, Report, Session, Trouble, VERBS};
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;
use rustyline::{Context, Editor, Helper};

use super::history::Past;
use crate::cli::{Common, LabArgs};
use crate::exit::{DIVERGED, FAILED};
use crate::screen::{self, Style};

/// What the editor completes: words of the language and names of the session.
struct Words {
    names: Vec<String>,
}

impl Completer for Words {
    type Candidate = String;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        let before = line.get(..pos).unwrap_or(line);
        let start = before.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_').map_or(0, |at| at + 1);
        let begun = before.get(start..).unwrap_or_default();
        let verbs = VERBS.iter().map(|verb| verb.name);
        let all = verbs.chain(self.names.iter().map(String::as_str)).chain(lab::KEYWORDS.iter().copied());
        let mut found: Vec<String> = all.filter(|word| word.starts_with(begun)).map(str::to_owned).collect();
        found.sort();
        found.dedup();
        Ok((start, found))
    }
}

impl rustyline::hint::Hinter for Words {
    type Hint = String;
}
impl rustyline::highlight::Highlighter for Words {}
impl rustyline::validate::Validator for Words {}
impl Helper for Words {}

/// Goes on until the end is asked for. The status is that of the worst that happened.
pub(super) fn act(args: &LabArgs, common: Common) -> anyhow::Result<ExitCode> {
    let style = Style::of(&io::stdout(), common.color);
    let mut session = super::start(args)?;
    let on = session.on();
    let mut editor: Editor<Words, DefaultHistory> = Editor::new()?;
    editor.set_helper(Some(Words { names: Vec::new() }));
    let past = Past::find();
    for line in past.lines() {
        let _kept = editor.add_history_entry(line);
    }
    let sides = match on {
        On::Both => "on the twin and on a real child, compared after every line",
        On::Twin => "on the twin",
        On::Kernel => "on a real child",
    };
    writeln!(io::stdout(), "vmatlas lab, {sides}. `help` explains, `quit` ends.")?;
    let mut diverged = false;
    let mut number = 0;
    loop {
        if let Some(words) = editor.helper_mut() {
            words.names = session.names();
        }
        let line = match editor.readline(&format!("{} {}> ", session.present(), number + 1)) {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(error.into()),
        };
        if line.trim().is_empty() {
            continue;
        }
        if editor.add_history_entry(line.as_str()).unwrap_or(false) {
            past.add(&line);
        }
        number += 1;
        let report = session.line(number, &line);
        show(&report, &session, style)?;
        if report.quits() {
            break;
        }
        match report.trouble {
            None => {}
            Some(Trouble::Wrong(fault)) => {
                // The caret stands below the line just typed, behind the prompt.
                let complaint = Complaint { file: "line".into(), line: number, text: line, fault };
                writeln!(io::stderr(), "{complaint}")?;
            }
            Some(Trouble::Diverged(what)) => {
                diverged = true;
                writeln!(io::stderr(), "twin and kernel differ: {what}")?;
            }
            Some(Trouble::Broken(error)) => match restarted(error, on)? {
                Some(fresh) => session = fresh,
                None => return Ok(ExitCode::from(FAILED)),
            },
        }
    }
    // A child that is gone needs no good order.
    let _ended = session.finish();
    Ok(ExitCode::from(if diverged { DIVERGED } else { 0 }))
}

fn show(report: &Report, session: &Session, style: Style) -> io::Result<()> {
    let lines: Vec<_> = report.shown.iter().flat_map(|shown| lab::lines_of(shown, session)).collect();
    screen::print(&lines, style, io::stdout().lock())
}

/// Says what happened; where the child is gone, begins anew with another one.
fn restarted(error: LabError, on: On) -> anyhow::Result<Option<Session>> {
    writeln!(io::stderr(), "{error}")?;
    if error.is_death() {
        writeln!(io::stderr(), "a new child begins: its memory is fresh, the names are gone")?;
    }
    Ok(Some(Session::start(on, Child::Linked)?))
}
