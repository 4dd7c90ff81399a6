//! `expect`: what the line before must have answered.

use super::cursor::Cursor;
use super::keywords;
use super::span::Fault;
use super::statement::{Expectation, Piece, PieceKind};

/// The words for the state of a page.
const STATES: [&str; 5] = ["absent", "zero", "private", "file", "guard"];

/// Reads what stands behind `expect`.
pub(super) fn expectation(words: &mut Cursor) -> Result<Expectation, Fault> {
    if words.keyword("ok") {
        return Ok(Expectation::Success);
    }
    if words.keyword("zeros") {
        return Ok(Expectation::Zeros);
    }
    if words.keyword("why") {
        let text = words.text();
        return text.map(Expectation::Why).ok_or_else(|| words.expected("a part of the reasons, in quotes"));
    }
    if words.keyword("maps") {
        let (addr, len) = range(words)?;
        return Ok(Expectation::Maps { addr, len, pieces: pieces(words, mapping)? });
    }
    if words.keyword("pages") {
        let (addr, len) = range(words)?;
        return Ok(Expectation::Pages { addr, len, pieces: pieces(words, state)? });
    }
    if let Some(bytes) = words.text() {
        return Ok(Expectation::Bytes(bytes));
    }
    if let Some(errno) = words.known(keywords::errno) {
        return Ok(Expectation::Errno(errno));
    }
    if let Some(signal) = words.known(keywords::signal) {
        let code = words.known(keywords::code);
        let at = if words.keyword("at") { Some(words.expr("the address of the access")?) } else { None };
        return Ok(Expectation::Signal { signal, code, at });
    }
    let what = "`ok`, an errno, SIGSEGV or SIGBUS, a value, \"bytes\", `zeros`, `maps`, `pages` or `why`";
    Ok(Expectation::Value(words.expr(what)?))
}

fn range(words: &mut Cursor) -> Result<(super::Expr, super::Expr), Fault> {
    let range = (words.expr("the first address")?, words.expr("the length")?);
    words.must_sign(':')?;
    Ok(range)
}

/// Pieces with a comma between them.
fn pieces(
    words: &mut Cursor,
    kind: fn(&mut Cursor) -> Result<PieceKind, Fault>,
) -> Result<Vec<Piece>, Fault> {
    let mut pieces = Vec::new();
    loop {
        let start = words.here();
        let kind = kind(words)?;
        let len = words.expr("how long it is")?;
        pieces.push(Piece { kind, len, span: start.to(words.last()) });
        if !words.sign(',') {
            return Ok(pieces);
        }
    }
}

fn mapping(words: &mut Cursor) -> Result<PieceKind, Fault> {
    if words.keyword("hole") {
        return Ok(PieceKind::Hole);
    }
    let prot = words.must_know("letters of rwx, `none` or `hole`", keywords::protection)?;
    let sharing = words.known(|word| match word {
        "shared" => Some(true),
        "private" => Some(false),
        _ => None,
    });
    Ok(PieceKind::Mapping(prot, sharing))
}

fn state(words: &mut Cursor) -> Result<PieceKind, Fault> {
    let what = "one of absent, zero, private, file, guard";
    let known = |word: &str| STATES.contains(&word).then(|| word.to_owned());
    words.must_know(what, known).map(PieceKind::State)
}
