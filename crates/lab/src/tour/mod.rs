//! The tour: the dynamic memory of a process, made and seen, step by step, on the twin and on a real child.
//!
//! A chapter is a script: its first line is the title, blocks between empty lines are the steps, their comments say
//! why. What a chapter shows was done just now, and its `expect` lines hold or it fails.

use view::text::{Line, Role};

use crate::error::LabError;
use crate::print::{Sides, lines_of_with};
use crate::session::{Child, On, Session, Shown, Trouble};

/// A chapter of the tour.
#[derive(Clone, Copy, Debug)]
pub struct Chapter {
    /// The word that it is asked for by.
    pub kind: &'static str,
    script: &'static str,
    /// Only where a C library is wanted the child has one: its map is long.
    child: Child,
}

/// The chapters, in order.
pub const CHAPTERS: [Chapter; 7] = [
    Chapter { kind: "map", script: include_str!("map.vm"), child: Child::Alone },
    Chapter { kind: "elf", script: include_str!("elf.vm"), child: Child::Alone },
    Chapter { kind: "file", script: include_str!("file.vm"), child: Child::Alone },
    Chapter { kind: "anon", script: include_str!("anon.vm"), child: Child::Alone },
    Chapter { kind: "stack", script: include_str!("stack.vm"), child: Child::Alone },
    Chapter { kind: "heap", script: include_str!("heap.vm"), child: Child::Linked },
    Chapter { kind: "calls", script: include_str!("calls.vm"), child: Child::Alone },
];

/// A step of a chapter: why, and what is done.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Block {
    why: String,
    lines: Vec<&'static str>,
}

impl Chapter {
    /// Its title.
    pub fn title(&self) -> &'static str {
        self.script.lines().next().unwrap_or_default().trim_start_matches(['#', ' '])
    }

    /// Its script, which `vmatlas lab` can run.
    pub fn script(&self) -> &'static str {
        self.script
    }

    fn blocks(&self) -> Vec<Block> {
        let (_, body) = self.script.split_once('\n').unwrap_or_default();
        let mut blocks = vec![Block { why: String::new(), lines: Vec::new() }];
        for line in body.lines() {
            let Some(last) = blocks.last_mut() else { break };
            match line.strip_prefix('#') {
                Some(why) => last.why.push_str(why),
                None if line.is_empty() => blocks.push(Block { why: String::new(), lines: Vec::new() }),
                None => last.lines.push(line),
            }
        }
        blocks.retain(|block| !block.lines.is_empty());
        blocks
    }

    /// How many steps it has.
    pub fn steps(&self) -> usize {
        self.blocks().len()
    }

    /// Does the whole chapter in a session of its own; one page of lines for each step.
    ///
    /// # Errors
    /// If a step did not go as the chapter says, or the two sides differ.
    pub fn pages(&self, on: On, columns: usize) -> Result<Vec<Vec<Line>>, LabError> {
        let mut session = Session::start(on, self.child)?;
        let blocks = self.blocks();
        let mut pages = Vec::new();
        for (number, block) in blocks.iter().enumerate() {
            let head = format!("{}, {} of {}", self.title(), number + 1, blocks.len());
            let mut page = vec![Line::of(Role::Strong, head), Line::default()];
            page.extend(
                wrapped(block.why.trim(), columns).into_iter().map(|line| Line::of(Role::Plain, line)),
            );
            page.push(Line::default());
            for line in &block.lines {
                page.extend(self.line(&mut session, line)?);
            }
            pages.push(page);
        }
        session.finish()?;
        Ok(pages)
    }

    /// Does a line. What it expects is checked, not shown.
    fn line(&self, session: &mut Session, text: &str) -> Result<Vec<Line>, LabError> {
        let report = session.line(1, text);
        match report.trouble {
            None => {}
            Some(Trouble::Wrong(fault)) => return Err(self.went_wrong(text, &fault.what)),
            Some(Trouble::Diverged(what)) => return Err(self.went_wrong(text, &what)),
            Some(Trouble::Broken(error)) => return Err(error),
        }
        if text.starts_with("expect") {
            return Ok(Vec::new());
        }
        let mut lines = vec![Line::of(Role::Faint, "  > ").and(Role::Strong, text)];
        let shown = report.shown.iter();
        lines.extend(shown.flat_map(|shown: &Shown| lines_of_with(shown, session, Sides::Both)));
        Ok(lines)
    }

    fn went_wrong(&self, text: &str, what: &str) -> LabError {
        LabError::Setup(format!("the chapter `{}`, at `{text}`: {what}", self.kind))
    }
}

/// Divides a text into lines of at most so many characters.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chapter_goes_as_it_says_on_the_twin() {
        for chapter in CHAPTERS {
            let pages = chapter.pages(On::Twin, 80).unwrap_or_else(|error| unreachable!("{error}"));
            assert_eq!(pages.len(), chapter.steps(), "{}", chapter.kind);
            assert!(!chapter.title().is_empty() && chapter.steps() > 1);
        }
    }

    #[test]
    fn lines_are_wrapped_at_words() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("", 7), [""; 0]);
    }
}
