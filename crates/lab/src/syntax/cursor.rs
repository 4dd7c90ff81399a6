//! Reading the words of a line one after another.

use super::span::{Fault, Span};
use super::statement::{Expr, Give, Name, Term};
use super::token::{Placed, Token};

/// The words of a line that are still to be read.
pub(super) struct Cursor {
    words: std::iter::Peekable<std::vec::IntoIter<Placed>>,
    /// Where the last word read stands.
    last: Span,
    /// The line.
    line: String,
}

impl Cursor {
    pub(super) fn new(line: &str, words: Vec<Placed>) -> Self {
        Self { words: words.into_iter().peekable(), last: Span::default(), line: line.to_owned() }
    }

    /// Takes everything that is left, as it is written.
    pub(super) fn rest(&mut self) -> String {
        let start = self.here().start;
        while self.next().is_some() {}
        self.line.get(start..self.last.end).unwrap_or_default().to_owned()
    }

    /// The span of the last word read.
    pub(super) fn last(&self) -> Span {
        self.last
    }

    pub(super) fn peek(&mut self) -> Option<&Token> {
        self.words.peek().map(|placed| &placed.token)
    }

    pub(super) fn next(&mut self) -> Option<Placed> {
        let placed = self.words.next()?;
        self.last = placed.span;
        Some(placed)
    }

    /// Where the next word stands, or where it is missing.
    pub(super) fn here(&mut self) -> Span {
        let after = Span { start: self.last.end, end: self.last.end };
        self.words.peek().map_or(after, |placed| placed.span)
    }

    /// Says what is expected at the next word.
    pub(super) fn expected(&mut self, what: &str) -> Fault {
        let found = match self.peek() {
            None => "the line ends".to_owned(),
            Some(Token::Word(word)) => format!("`{word}` stands there"),
            Some(Token::Number(_)) => "a number stands there".to_owned(),
            Some(Token::Text(_)) => "a text stands there".to_owned(),
            Some(Token::Sign(sign)) => format!("`{sign}` stands there"),
        };
        Fault::new(self.here(), format!("expected {what}, but {found}"))
    }

    pub(super) fn sign(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(&Token::Sign(wanted));
        if found {
            self.next();
        }
        found
    }

    pub(super) fn must_sign(&mut self, wanted: char) -> Result<(), Fault> {
        if self.sign(wanted) { Ok(()) } else { Err(self.expected(&format!("`{wanted}`"))) }
    }

    /// Takes the next word if it is this one.
    pub(super) fn keyword(&mut self, wanted: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(word)) if word == wanted);
        if found {
            self.next();
        }
        found
    }

    /// Takes the next word, if it is a word.
    pub(super) fn word(&mut self, what: &str) -> Result<Name, Fault> {
        match self.peek() {
            Some(Token::Word(word)) => {
                let text = word.clone();
                self.next();
                Ok(Name { text, span: self.last })
            }
            _ => Err(self.expected(what)),
        }
    }

    /// Takes the next word if a table knows it.
    pub(super) fn known<T>(&mut self, table: impl Fn(&str) -> Option<T>) -> Option<T> {
        let Some(Token::Word(word)) = self.peek() else { return None };
        let found = table(word)?;
        self.next();
        Some(found)
    }

    /// Takes a word that a table must know.
    pub(super) fn must_know<T>(&mut self, what: &str, table: impl Fn(&str) -> Option<T>) -> Result<T, Fault> {
        match self.known(table) {
            Some(found) => Ok(found),
            None => Err(self.expected(what)),
        }
    }

    pub(super) fn text(&mut self) -> Option<Vec<u8>> {
        let Some(Token::Text(bytes)) = self.peek() else { return None };
        let bytes = bytes.clone();
        self.next();
        Some(bytes)
    }

    /// Tells whether a sum begins here.
    pub(super) fn is_expr(&mut self) -> bool {
        matches!(self.peek(), Some(Token::Number(_) | Token::Word(_)))
    }

    /// Takes a sum: `a+4096`, `0x1000`, `64K`.
    pub(super) fn expr(&mut self, what: &str) -> Result<Expr, Fault> {
        let mut terms = vec![self.term(Give::Add, what)?];
        loop {
            let give = match self.peek() {
                Some(Token::Sign('+')) => Give::Add,
                Some(Token::Sign('-')) => Give::Take,
                _ => return Ok(Expr { terms }),
            };
            self.next();
            terms.push(self.term(give, what)?);
        }
    }

    fn term(&mut self, give: Give, what: &str) -> Result<(Give, Term, Span), Fault> {
        let term = match self.peek() {
            Some(Token::Number(number)) => Term::Number(*number),
            Some(Token::Word(word)) => Term::Name(word.clone()),
            _ => return Err(self.expected(what)),
        };
        self.next();
        Ok((give, term, self.last))
    }

    /// Says that the line must end here.
    pub(super) fn end(&mut self) -> Result<(), Fault> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.expected("the end of the line")),
        }
    }
}
