//! The symbol table of an object: function names by address.

use object::LittleEndian as LE;
use object::elf::{SHN_UNDEF, STB_GLOBAL, STT_FUNC, STT_GNU_IFUNC, STT_NOTYPE, Sym64};

use crate::file::{ObjectAddr, ObjectFile};

/// Symbols before an address that are looked at for one that covers it: small ones may lie inside large ones.
const LOOK_BACK: usize = 16;

/// Function names by address.
#[derive(Debug, Default)]
pub(crate) struct SymbolTable {
    /// By address; of several at one address the one that people know comes first.
    symbols: Vec<Symbol>,
    names: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Symbol {
    start: u64,
    rank: u8,
    size: u64,
    name: u32,
}

impl SymbolTable {
    /// Reads an object's full table, else the one it is linked by.
    pub(crate) fn read(object: &ObjectFile) -> Option<Self> {
        let table = |symbols: &[u8], names: &[u8]| Self::from_sections(object, symbols, names);
        table(b".symtab", b".strtab").or_else(|| table(b".dynsym", b".dynstr"))
    }

    fn from_sections(object: &ObjectFile, symbols: &[u8], names: &[u8]) -> Option<Self> {
        let raw = object.section_bytes(symbols)?;
        let names = object.section_bytes(names)?;
        let whole = raw.len() - raw.len() % size_of::<Sym64<LE>>();
        let (rows, _) =
            object::pod::slice_from_bytes::<Sym64<LE>>(&raw, whole / size_of::<Sym64<LE>>()).ok()?;
        let mut symbols: Vec<Symbol> = rows.iter().filter_map(|row| symbol(object, row, &names)).collect();
        symbols.sort_unstable();
        symbols.dedup_by_key(|symbol| symbol.start);
        (!symbols.is_empty()).then_some(Self { symbols, names })
    }

    /// Returns the name of the function that covers an address.
    pub(crate) fn find(&self, addr: ObjectAddr) -> Option<&str> {
        let after = self.symbols.partition_point(|symbol| symbol.start <= addr.0);
        let before = &self.symbols[..after];
        let covers = |symbol: &&Symbol| addr.0 - symbol.start < symbol.size;
        let covering = before.iter().rev().take(LOOK_BACK).find(covers);
        // Assembly often gives no size: such a symbol reaches to the next.
        let symbol = covering.or(before.last().filter(|symbol| symbol.size == 0))?;
        name_at(&self.names, symbol.name)
    }

    /// Where the functions begin.
    #[cfg(test)]
    pub(crate) fn starts(&self) -> impl Iterator<Item = u64> {
        self.symbols.iter().map(|symbol| symbol.start)
    }

    /// Returns the address of a function.
    pub(crate) fn address(&self, name: &str) -> Option<ObjectAddr> {
        let is_it = |symbol: &&Symbol| name_at(&self.names, symbol.name) == Some(name);
        self.symbols.iter().find(is_it).map(|symbol| ObjectAddr(symbol.start))
    }
}

fn symbol(object: &ObjectFile, row: &Sym64<LE>, names: &[u8]) -> Option<Symbol> {
    let section = row.st_shndx.get(LE);
    let kind = row.st_type();
    if section == SHN_UNDEF || ![STT_FUNC, STT_GNU_IFUNC, STT_NOTYPE].contains(&kind) {
        return None;
    }
    // In a file of debugging information the sections of code are there by name and address only.
    let is_code = object.section_numbered(section.0.into()).is_some_and(|section| section.is_code);
    let name = row.st_name.get(LE);
    let text = name_at(names, name).filter(|text| !text.is_empty())?;
    if kind == STT_NOTYPE && (!is_code || text.starts_with('.') || text.starts_with('$')) {
        return None;
    }
    let underscores = text.bytes().take_while(|byte| *byte == b'_').count().min(8) as u8;
    let rank = u8::from(kind == STT_NOTYPE) << 5 | u8::from(row.st_bind() != STB_GLOBAL) << 4 | underscores;
    Some(Symbol { start: row.st_value.get(LE), rank, size: row.st_size.get(LE), name })
}

fn name_at(names: &[u8], at: u32) -> Option<&str> {
    let rest = names.get(at as usize..)?;
    let end = rest.iter().position(|byte| *byte == 0)?;
    std::str::from_utf8(&rest[..end]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[(u64, u64, u8, &str)]) -> SymbolTable {
        let mut names = vec![0];
        let mut symbols = Vec::new();
        for &(start, size, rank, name) in rows {
            symbols.push(Symbol { start, rank, size, name: names.len() as u32 });
            names.extend(name.bytes().chain([0]));
        }
        symbols.sort_unstable();
        SymbolTable { symbols, names }
    }

    #[test]
    fn the_symbol_that_covers_the_address_is_found() {
        let table = table(&[(0x100, 0x100, 0, "large"), (0x110, 4, 0, "inside"), (0x300, 0, 0, "assembly")]);
        let at = |addr| table.find(ObjectAddr(addr));
        assert_eq!((at(0x100), at(0x112), at(0x120)), (Some("large"), Some("inside"), Some("large")));
        assert_eq!((at(0xff), at(0x200), at(0x2ff)), (None, None, None));
        assert_eq!(at(0x345), Some("assembly"));
        assert_eq!(table.address("inside"), Some(ObjectAddr(0x110)));
    }
}
