//! The symbols of a file: functions and variables with their addresses.

use abi::{AddrRange, VirtAddr};
use object::Endianness;
use object::elf::{
    FileHeader32, FileHeader64, SHN_UNDEF, SHT_DYNSYM, SHT_SYMTAB, STT_FUNC, STT_GNU_IFUNC, STT_NOTYPE,
    STT_OBJECT,
};
use object::read::elf::{FileHeader, Sym};

/// A function or variable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Symbol {
    /// Its name as it stands in the file.
    pub name: Vec<u8>,
    /// The file's own addresses it takes; empty where the file does not tell its size.
    pub range: AddrRange,
    /// What it is.
    pub kind: SymbolKind,
}

/// What a symbol is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SymbolKind {
    /// A function.
    Function,
    /// A variable or constant.
    Variable,
    /// Not told.
    Other,
}

/// Which table of symbols was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SymbolTable {
    /// All symbols (`.symtab`).
    Full,
    /// Only those that other files may use (`.dynsym`).
    Dynamic,
}

/// Reads the symbols that have addresses, ascending; of several at one address the one with a size first. From
/// the full table, else from the dynamic one; `None` where there is neither, or the file can't be read.
pub fn symbols(bytes: &[u8]) -> Option<(SymbolTable, Vec<Symbol>)> {
    match bytes.get(4)? {
        1 => read_as::<FileHeader32<Endianness>>(bytes),
        2 => read_as::<FileHeader64<Endianness>>(bytes),
        _ => None,
    }
}

fn read_as<H: FileHeader<Endian = Endianness>>(bytes: &[u8]) -> Option<(SymbolTable, Vec<Symbol>)> {
    let header = H::parse(bytes).ok()?;
    let endian = header.endian().ok()?;
    let sections = header.sections(endian, bytes).ok()?;
    let tables = [(SymbolTable::Full, SHT_SYMTAB), (SymbolTable::Dynamic, SHT_DYNSYM)];
    tables.into_iter().find_map(|(which, kind)| {
        let table = sections.symbols(endian, bytes, kind).ok()?;
        let mut symbols: Vec<Symbol> = table
            .iter()
            .filter(|row| row.st_shndx(endian) != SHN_UNDEF)
            .filter_map(|row| {
                let kind = match row.st_type() {
                    STT_FUNC | STT_GNU_IFUNC => SymbolKind::Function,
                    STT_OBJECT => SymbolKind::Variable,
                    STT_NOTYPE => SymbolKind::Other,
                    // Sections, files, and offsets into thread-local memory.
                    _ => return None,
                };
                let name = row.name(endian, table.strings()).ok()?.to_vec();
                let range =
                    AddrRange::from_len(VirtAddr(row.st_value(endian).into()), row.st_size(endian).into())?;
                (!name.is_empty() && range.start.0 != 0).then_some(Symbol { name, range, kind })
            })
            .collect();
        symbols.sort_by_key(|symbol| (symbol.range.start, std::cmp::Reverse(symbol.range.end)));
        (!symbols.is_empty()).then_some((which, symbols))
    })
}

/// The symbol at an address: the one that holds it, else one without a size that stands right there.
pub fn symbol_at(symbols: &[Symbol], addr: VirtAddr) -> Option<&Symbol> {
    /// Symbols inside others (labels in a function) are passed over up to so many.
    const NESTED_MAX: usize = 64;
    let end = symbols.partition_point(|symbol| symbol.range.start <= addr);
    let before = symbols[..end].iter().rev().take(NESTED_MAX);
    before.clone().find(|symbol| symbol.range.contains(addr)).or_else(|| {
        before.take_while(|symbol| symbol.range.start == addr).find(|symbol| symbol.range.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_functions_are_found() {
        let bytes = std::fs::read("/proc/self/exe").expect("our own file");
        let (table, symbols) = symbols(&bytes).expect("a test is not stripped");
        assert_eq!(table, SymbolTable::Full);
        let main = symbols.iter().find(|symbol| symbol.name == b"main").expect("every program has one");
        assert_eq!(main.kind, SymbolKind::Function);
        let inside = VirtAddr(main.range.start.0 + 1);
        assert_eq!(symbol_at(&symbols, inside).map(|symbol| &symbol.name), Some(&main.name));
        assert_eq!(symbol_at(&symbols, VirtAddr(1)), None);
    }

    #[test]
    fn a_cut_file_has_none() {
        let bytes = std::fs::read("/proc/self/exe").expect("our own file");
        assert_eq!(symbols(&bytes[..4096]), None);
        assert_eq!(symbols(b"\x7fELF"), None);
    }
}
