//! Judging the line before.

use abi::{AddrRange, PAGE_SIZE, VirtAddr};

use super::{Did, Session, Trouble};
use crate::backend::{Answer, PageState, Quoted, Row, Run};
use crate::syntax::{Expectation, Expr, Fault, Piece, PieceKind, Span};

impl Session {
    /// Holds an expectation against the line before, or against what is mapped now.
    pub(super) fn expect(&mut self, expected: &Expectation, span: Span) -> Result<(), Trouble> {
        match expected {
            Expectation::Maps { addr, len, pieces } => return self.expect_maps(addr, len, pieces),
            Expectation::Pages { addr, len, pieces } => return self.expect_pages(addr, len, pieces),
            _ => {}
        }
        let Some(did) = self.world.last.clone() else {
            return Err(Fault::new(span, "no line before this one answered anything").into());
        };
        let wanted = match expected {
            Expectation::Success => {
                let good = !did.is_errno() && !matches!(did.answer(), Answer::Signal(_));
                (!good).then(|| "success".to_owned())
            }
            Expectation::Errno(errno) => {
                (*did.answer() != Answer::Value(Err(*errno))).then(|| errno.to_string())
            }
            Expectation::Signal { signal, code, at } => {
                let at = at.as_ref().map(|at| self.address(at)).transpose()?;
                let meets = matches!(did.answer(), Answer::Signal(fault) if fault.signal == *signal
                    && code.is_none_or(|code| code == fault.code)
                    && at.is_none_or(|at| at == fault.addr));
                (!meets).then(|| signal_text(*signal, *code, at))
            }
            Expectation::Value(expr) => {
                let value = self.number(expr)?;
                let meets = *did.answer() == Answer::Value(Ok(value));
                (!meets).then(|| Answer::Value(Ok(value)).to_string())
            }
            Expectation::Bytes(bytes) => {
                (*did.answer() != Answer::Bytes(bytes.clone())).then(|| Quoted(bytes).to_string())
            }
            Expectation::Zeros => {
                let meets =
                    matches!(did.answer(), Answer::Bytes(bytes) if bytes.iter().all(|byte| *byte == 0));
                (!meets).then(|| "zeros".to_owned())
            }
            Expectation::Why(part) => return self.expect_why(&did, part, span),
            Expectation::Maps { .. } | Expectation::Pages { .. } => None,
        };
        match wanted {
            None => Ok(()),
            Some(wanted) => Err(Fault::new(span, not_met(&wanted, &did)).into()),
        }
    }

    /// Only the twin gives reasons: without it there is nothing to hold against.
    fn expect_why(&self, did: &Did, part: &[u8], span: Span) -> Result<(), Trouble> {
        let why = did.why.to_string();
        let part = String::from_utf8_lossy(part);
        if self.twin.is_none() || why.contains(&*part) {
            return Ok(());
        }
        Err(Fault::new(span, format!("expected reasons with \"{part}\", but they are: {why}")).into())
    }

    fn expect_maps(&mut self, addr: &Expr, len: &Expr, pieces: &[Piece]) -> Result<(), Trouble> {
        let range = self.range(addr, len)?;
        let rows = self.rows(self.thread().memory)?;
        let found = parts(range, &rows);
        let mut at = range.start;
        for (no, piece) in pieces.iter().enumerate() {
            let len = self.number(&piece.len)?;
            let meets = found.get(no).is_some_and(|(row, bytes)| *bytes == len && is_kind(&piece.kind, *row));
            if !meets {
                let what = format!("expected otherwise from {at} on: there is {}", words(&found));
                return Err(Fault::new(piece.span, what).into());
            }
            at = VirtAddr(at.0.saturating_add(len));
        }
        self.all_told(pieces.len(), found.len(), len.span(), &words(&found))
    }

    fn expect_pages(&mut self, addr: &Expr, len: &Expr, pieces: &[Piece]) -> Result<(), Trouble> {
        self.at_most(len, super::act::PAGES_BYTES_MAX, "of pages")?;
        let range = self.range(addr, len)?;
        let runs = self.pages(range.start, range.len())?;
        let shown: Vec<String> =
            runs.iter().map(|Run { state, pages }| format!("{state} {}", size(pages * PAGE_SIZE))).collect();
        let shown = shown.join(", ");
        for (no, piece) in pieces.iter().enumerate() {
            let len = self.number(&piece.len)?;
            let PieceKind::State(word) = &piece.kind else { continue };
            let state = PageState::ALL.iter().find(|(_, name)| name == word).map(|(state, _)| *state);
            let meets = |run: &Run| Some(run.state) == state && run.pages * PAGE_SIZE == len;
            if !runs.get(no).is_some_and(meets) {
                return Err(Fault::new(piece.span, format!("expected otherwise: there is {shown}")).into());
            }
        }
        self.all_told(pieces.len(), runs.len(), len.span(), &shown)
    }

    fn range(&self, addr: &Expr, len: &Expr) -> Result<AddrRange, Fault> {
        let (start, bytes) = (self.address(addr)?, self.number(len)?);
        let what = "this leaves the range of 64-bit numbers";
        AddrRange::from_len(start, bytes).ok_or_else(|| Fault::new(len.span(), what))
    }

    fn all_told(&self, told: usize, found: usize, span: Span, shown: &str) -> Result<(), Trouble> {
        if told == found {
            return Ok(());
        }
        Err(Fault::new(span, format!("expected {told} parts, but there are {found}: {shown}")).into())
    }
}

/// What is in a range: mappings and holes, each with how many of its bytes are in the range.
fn parts(range: AddrRange, rows: &[Row]) -> Vec<(Option<&Row>, u64)> {
    let mut found = Vec::new();
    let mut at = range.start;
    for row in rows {
        let Some(inside) = row.range.intersection(range) else { continue };
        if at < inside.start {
            found.push((None, inside.start.0 - at.0));
        }
        found.push((Some(row), inside.len()));
        at = inside.end;
    }
    if at < range.end {
        found.push((None, range.end.0 - at.0));
    }
    found
}

fn is_kind(kind: &PieceKind, row: Option<&Row>) -> bool {
    match (kind, row) {
        (PieceKind::Hole, None) => true,
        (PieceKind::Mapping(prot, shared), Some(row)) => {
            *prot == row.prot && shared.is_none_or(|shared| shared == row.shared)
        }
        _ => false,
    }
}

/// The parts as a script writes them.
fn words(parts: &[(Option<&Row>, u64)]) -> String {
    let word = |(row, bytes): &(Option<&Row>, u64)| match row {
        None => format!("hole {}", size(*bytes)),
        Some(row) => {
            let letters: String = row.letters().chars().take(3).filter(|letter| *letter != '-').collect();
            let prot = if letters.is_empty() { "none" } else { &letters };
            let shared = if row.shared { " shared" } else { "" };
            format!("{prot}{shared} {}", size(*bytes))
        }
    };
    parts.iter().map(word).collect::<Vec<_>>().join(", ")
}

/// A size as a script writes it.
fn size(bytes: u64) -> String {
    match bytes {
        bytes if bytes > 0 && bytes.is_multiple_of(1 << 30) => format!("{}G", bytes >> 30),
        bytes if bytes > 0 && bytes.is_multiple_of(1 << 20) => format!("{}M", bytes >> 20),
        bytes if bytes > 0 && bytes.is_multiple_of(1 << 10) => format!("{}K", bytes >> 10),
        bytes => bytes.to_string(),
    }
}

fn signal_text(signal: i32, code: Option<i32>, at: Option<VirtAddr>) -> String {
    let name = if signal == 7 { "SIGBUS" } else { "SIGSEGV" };
    let code = match (signal, code) {
        (_, None) => "",
        (7, Some(_)) => " ADRERR",
        (_, Some(1)) => " MAPERR",
        (_, Some(_)) => " ACCERR",
    };
    let at = at.map(|at| format!(" at {at}")).unwrap_or_default();
    format!("{name}{code}{at}")
}

fn not_met(wanted: &str, did: &Did) -> String {
    let who = match (&did.kernel, &did.twin) {
        (Some(_), Some(_)) => "kernel and twin answered",
        (Some(_), None) => "the kernel answered",
        _ => "the twin answered",
    };
    format!("expected {wanted}, but {who} {} to {}", did.answer(), did.what)
}
