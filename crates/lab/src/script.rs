//! Running a script: every line in order, until one goes wrong.

use crate::error::LabError;
use crate::session::{Child, Errnos, On, Session, Shown, Trouble};
use crate::syntax::{Complaint, Fault, Span, Step};

/// A script's name and text.
#[derive(Clone, Copy, Debug)]
pub struct Script<'a> {
    /// What it is called in complaints.
    pub name: &'a str,
    /// Its lines.
    pub text: &'a str,
}

/// A line that was done.
#[derive(Clone, Debug)]
pub struct Done {
    /// Its number, from 1.
    pub line: usize,
    /// The line.
    pub text: String,
    /// What it showed.
    pub shown: Vec<Shown>,
}

/// How a script ended.
#[derive(Debug)]
pub enum Outcome {
    /// Every line was done, every expectation met.
    Fine,
    /// A line is wrong, or an expectation was not met.
    Failed(Complaint),
    /// Twin and kernel differ.
    Diverged(Complaint),
    /// It could not go on.
    Broken(Complaint, LabError),
}

/// The most lines that a script has.
const LINES_MAX: usize = 100_000;

/// Runs a script; `see` gets each line as it is done.
///
/// # Errors
/// If the session can't be ended in good order.
pub fn run(
    session: &mut Session,
    script: Script<'_>,
    mut see: impl FnMut(&Done, &Session),
) -> Result<Outcome, LabError> {
    // A line that answered an errno, which the next one must expect.
    let mut open: Option<(usize, &str, Fault)> = None;
    let complaint = |line: usize, text: &str, fault: Fault| Complaint {
        file: script.name.to_owned(),
        line,
        text: text.to_owned(),
        fault,
    };
    for (number, text) in script.text.lines().enumerate() {
        let number = number + 1;
        if number > LINES_MAX {
            let fault = Fault::new(Span::default(), format!("a script has at most {LINES_MAX} lines"));
            return Ok(Outcome::Failed(complaint(number, "", fault)));
        }
        let report = session.line(number, text);
        let step = report.statement.as_ref().map(|statement| &statement.step);
        let judges = matches!(step, Some(Step::Expect(_)));
        if let (Some((line, before, fault)), false) = (open.take(), judges || step == Some(&Step::Nothing)) {
            return Ok(Outcome::Failed(complaint(line, before, fault)));
        }
        let done = Done { line: number, text: text.to_owned(), shown: report.shown };
        see(&done, session);
        let span = report.statement.as_ref().map_or_else(Span::default, |statement| statement.span);
        match report.trouble {
            Some(Trouble::Wrong(fault)) => return Ok(Outcome::Failed(complaint(number, text, fault))),
            Some(Trouble::Diverged(what)) => {
                return Ok(Outcome::Diverged(complaint(number, text, Fault::new(span, what))));
            }
            Some(Trouble::Broken(error)) => {
                let fault = Fault::new(span, error.to_string());
                return Ok(Outcome::Broken(complaint(number, text, fault), error));
            }
            None => {}
        }
        if step == Some(&Step::Quit) {
            break;
        }
        let errno = done.shown.iter().rev().find_map(|shown| match shown {
            Shown::Did(did) => {
                let ends = session.errnos() == Errnos::End;
                Some((ends && did.is_errno()).then(|| did.clone()))
            }
            _ => None,
        });
        if let Some(Some(did)) = errno {
            let fault =
                Fault::new(span, format!("{} answered {}, and no `expect` follows", did.what, did.answer()));
            open = Some((number, text, fault));
        }
    }
    if let Some((line, text, fault)) = open {
        return Ok(Outcome::Failed(complaint(line, text, fault)));
    }
    session.finish()?;
    Ok(Outcome::Fine)
}

impl Outcome {
    /// Runs a script in a session of its own and says how it ended; nothing is shown.
    ///
    /// # Errors
    /// If there can be no such session.
    pub fn of(script: Script<'_>, on: On) -> Result<Self, LabError> {
        run(&mut Session::start(on, Child::Linked)?, script, |_, _| ())
    }
}
