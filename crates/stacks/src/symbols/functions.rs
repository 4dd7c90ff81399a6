//! The names of many addresses at once, by symbol tables alone: one pass over the table, of which nothing is kept.

use object::LittleEndian as LE;
use object::elf::{SHN_UNDEF, STB_GLOBAL, STT_FUNC, STT_GNU_IFUNC, STT_NOTYPE, Sym64};

use super::debug_files::DebugFiles;
use super::demangle::demangle;
use crate::file::{ObjectAddr, ObjectFile, Stretch};

/// Symbols read at once.
const SYMBOLS_AT_ONCE: usize = 2048;
const SYMBOL_BYTES: usize = size_of::<Sym64<LE>>();
/// Bytes of a name that are read at first; most are shorter.
const NAME_BYTES: usize = 128;
const NAME_BYTES_MAX: usize = 64 << 10;

/// Names addresses of an object by its full symbol table, else by that of its separate file, else by the one it is
/// linked by: what [`Symbolizer`](super::Symbolizer) says of them where there is no debugging information.
///
/// This is for many addresses of large files: it reads the table once, piece by piece, and only the names it returns.
pub fn functions(object: &ObjectFile, debug_files: &DebugFiles, addrs: &[ObjectAddr]) -> Vec<Option<String>> {
    let mut order: Vec<usize> = (0..addrs.len()).collect();
    order.sort_by_key(|no| addrs[*no]);
    let sorted: Vec<u64> = order.iter().map(|no| addrs[*no].0).collect();
    let full = |object: &ObjectFile| Search::of(object, (b".symtab", b".strtab"), &sorted);
    let found = full(object)
        .or_else(|| full(&debug_files.find(object)?))
        .or_else(|| Search::of(object, (b".dynsym", b".dynstr"), &sorted));
    let mut names = vec![None; addrs.len()];
    for (no, name) in order.into_iter().zip(found.unwrap_or_default()) {
        names[no] = name;
    }
    names
}

/// A symbol that may be the name of an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Candidate {
    start: u64,
    size: u64,
    rank: u8,
    name: u32,
}

/// One pass over a table.
struct Search<'a> {
    addrs: &'a [u64],
    names: Stretch<'a>,
    /// For each address the nearest symbol before it that covers it.
    covering: Vec<Option<Candidate>>,
    /// For each address the nearest of the symbols that begin between it and the address before it.
    before: Vec<Option<Candidate>>,
}

impl<'a> Search<'a> {
    /// The names of ascending addresses; `None` if there is no such table, or no function in it.
    fn of(object: &'a ObjectFile, table: (&[u8], &[u8]), addrs: &'a [u64]) -> Option<Vec<Option<String>>> {
        let symbols = object.stretch(table.0)?;
        let names = object.stretch(table.1)?;
        let (covering, before) = (vec![None; addrs.len()], vec![None; addrs.len()]);
        let mut search = Search { addrs, names, covering, before };
        let mut buffer = vec![0; SYMBOLS_AT_ONCE * SYMBOL_BYTES];
        let mut at = 0;
        let mut has_functions = false;
        loop {
            let read = symbols.read(at, &mut buffer).ok()?;
            let whole = read - read % SYMBOL_BYTES;
            let (rows, _) =
                object::pod::slice_from_bytes::<Sym64<LE>>(&buffer[..whole], whole / SYMBOL_BYTES).ok()?;
            for row in rows {
                if let Some(candidate) = search.candidate(object, row) {
                    has_functions = true;
                    search.take(candidate);
                }
            }
            at += whole as u64;
            if whole < buffer.len() {
                break;
            }
        }
        has_functions.then(|| search.names())
    }

    fn candidate(&self, object: &ObjectFile, row: &Sym64<LE>) -> Option<Candidate> {
        let kind = row.st_type();
        let section = row.st_shndx.get(LE);
        let name = row.st_name.get(LE);
        if section == SHN_UNDEF || name == 0 || ![STT_FUNC, STT_GNU_IFUNC, STT_NOTYPE].contains(&kind) {
            return None;
        }
        let is_label = kind == STT_NOTYPE;
        if is_label {
            // In a file of debugging information the sections of code are there by name and address only.
            let is_code = object.section_numbered(section.0.into()).is_some_and(|section| section.is_code);
            let mut first = [0];
            let is_inner = self.names.read(name.into(), &mut first).ok()? == 0 || b".$".contains(&first[0]);
            if !is_code || is_inner {
                return None;
            }
        }
        let rank = u8::from(is_label) << 5 | u8::from(row.st_bind() != STB_GLOBAL) << 4;
        Some(Candidate { start: row.st_value.get(LE), size: row.st_size.get(LE), rank, name })
    }

    fn take(&mut self, candidate: Candidate) {
        let Candidate { start, size, .. } = candidate;
        let first = self.addrs.partition_point(|addr| *addr < start);
        let covered = self.addrs[first..].iter().take_while(|addr| **addr - start < size).count();
        for at in first..first + covered {
            self.covering[at] = Some(self.better(self.covering[at], candidate));
        }
        if first < self.addrs.len() {
            self.before[first] = Some(self.better(self.before[first], candidate));
        }
    }

    /// The nearer one; of two at the same address the one that people know: whose name begins with fewer underscores.
    fn better(&self, one: Option<Candidate>, other: Candidate) -> Candidate {
        let Some(one) = one else { return other };
        if one.start != other.start {
            return if one.start > other.start { one } else { other };
        }
        let key = |candidate: &Candidate| {
            (candidate.rank, self.underscores(candidate.name), candidate.size, candidate.name)
        };
        if key(&one) <= key(&other) { one } else { other }
    }

    fn underscores(&self, name: u32) -> usize {
        let mut front = [0; 8];
        let read = self.names.read(name.into(), &mut front).unwrap_or(0);
        front[..read].iter().take_while(|byte| **byte == b'_').count()
    }

    fn names(self) -> Vec<Option<String>> {
        let mut nearest: Option<Candidate> = None;
        let mut last: Option<(u32, String)> = None;
        let mut names = Vec::with_capacity(self.addrs.len());
        for (covering, before) in self.covering.iter().zip(&self.before) {
            nearest = before.or(nearest);
            // Assembly often gives no size: such a symbol reaches to the next.
            let found = covering.or(nearest.filter(|symbol| symbol.size == 0));
            names.push(found.and_then(|Candidate { name, .. }| match &last {
                Some((known, text)) if *known == name => Some(text.clone()),
                _ => {
                    let text = demangle(&self.name(name)?);
                    last = Some((name, text.clone()));
                    Some(text)
                }
            }));
        }
        names
    }

    fn name(&self, at: u32) -> Option<String> {
        let mut buffer = vec![0; NAME_BYTES];
        loop {
            let read = self.names.read(at.into(), &mut buffer).ok()?;
            if let Some(end) = buffer[..read].iter().position(|byte| *byte == 0) {
                return String::from_utf8(buffer[..end].to_vec()).ok().filter(|name| !name.is_empty());
            }
            if read < buffer.len() || buffer.len() >= NAME_BYTES_MAX {
                return None;
            }
            buffer.resize(buffer.len() * 4, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::SymbolTable;
    use super::*;

    /// The whole table of this very program, read both ways.
    #[test]
    fn one_pass_says_what_the_table_says() {
        let own = ObjectFile::open(&std::env::current_exe().expect("our own path")).expect("our own file");
        let table = SymbolTable::read(&own).expect("a test is not stripped");
        let starts: Vec<u64> = table.starts().collect();
        let addrs: Vec<ObjectAddr> = starts
            .iter()
            .step_by(7)
            .flat_map(|start| [*start, start + 1, start + 33])
            .map(ObjectAddr)
            .collect();
        assert!(addrs.len() > 1000);
        // Out of order, as they come.
        let addrs: Vec<ObjectAddr> =
            addrs.iter().rev().copied().chain([ObjectAddr(0), ObjectAddr(u64::MAX)]).collect();
        let found = functions(&own, &DebugFiles::none(), &addrs);
        let mut same = 0;
        for (addr, found) in addrs.iter().zip(&found) {
            let expected = table.find(*addr).map(demangle);
            assert_eq!(*found, expected, "{addr:?}");
            same += usize::from(expected.is_some());
        }
        assert!(same > 1000);
    }
}
