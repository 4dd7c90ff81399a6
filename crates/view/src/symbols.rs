//! What is resident of an object, by section and symbol.

use abi::{AddrRange, VirtAddr};
use serde::Serialize;
use snapshot::{Object, PageRun, PageSums};

use crate::words::{Word, printable};

/// What is resident of some objects of a process.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct SymbolsView {
    /// What was asked for.
    pub target: String,
    /// The process, where it is known.
    pub pid: Option<i32>,
    /// Its name, empty where it is not known.
    pub program: String,
    /// What `resident` means: `resident`, or of a core file `in the core`.
    pub meaning: Word,
    /// The objects.
    pub objects: Vec<ObjectSymbols>,
}

/// What is resident of an object. In a core file: what of it the core holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ObjectSymbols {
    /// Its path.
    pub path: String,
    /// The name it gives itself, empty if none is known.
    pub soname: String,
    /// Its build id in hex, empty if none is known.
    pub build_id: String,
    /// Where the names come from: `full`, `dynamic` (only what other files may use), `none` (stripped of both) or
    /// `no_file` (the file is not there to read).
    pub table: Word,
    /// From its first byte in memory to its last, in bytes.
    pub size: u64,
    /// The resident part, whatever symbol it is of.
    pub resident: Option<u64>,
    /// Its sections in memory, by address.
    pub sections: Vec<SectionRow>,
    /// Its symbols, by what is resident, largest first. No byte is of two.
    pub symbols: Vec<SymbolRow>,
}

/// A section.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct SectionRow {
    /// Its name.
    pub name: String,
    /// Its first address in the process, in hex.
    pub start: String,
    /// Its size in bytes.
    pub size: u64,
    /// The resident part.
    pub resident: Option<u64>,
    /// The bytes that no symbol covers.
    pub without_symbol: u64,
}

/// A symbol.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct SymbolRow {
    /// Its name.
    pub name: String,
    /// The section that holds it, empty if none does.
    pub section: String,
    /// Its first address in the process, in hex.
    pub start: String,
    /// Its size in bytes.
    pub size: u64,
    /// The part of it that lies on resident pages.
    pub resident: Option<u64>,
}

/// What an object's file says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ObjectNames {
    /// Its sections in memory, by address.
    pub sections: Vec<elf::Section>,
    /// Its symbols by their first address, of several at one address the largest first, each with its name for people.
    pub symbols: Vec<(String, AddrRange)>,
    /// Where the symbols come from.
    pub table: Option<elf::SymbolTable>,
    /// Whether the file could be read.
    pub has_file: bool,
}

impl ObjectSymbols {
    /// Divides an object that is loaded at `bias`. `pages`: which pages of the process are there, where that is known.
    pub fn new(object: &Object, bias: u64, names: &ObjectNames, pages: Option<&[PageRun]>) -> Self {
        let moved = |range: AddrRange| {
            let start = VirtAddr(range.start.0.wrapping_add(bias));
            AddrRange { start, end: VirtAddr(range.end.0.wrapping_add(bias)).max(start) }
        };
        let resident = |range| pages.map(|pages| PageSums::within(pages, range).resident);
        let span = elf::span(&object.segments).map_or(AddrRange::new(VirtAddr(0), VirtAddr(0)), moved);
        let divided = divide(&names.symbols);
        let mut symbols: Vec<SymbolRow> = divided
            .iter()
            .map(|(name, range)| SymbolRow {
                name: (*name).to_owned(),
                section: section_at(&names.sections, range.start)
                    .map(|s| printable(&s.name))
                    .unwrap_or_default(),
                start: moved(*range).start.to_string(),
                size: range.len(),
                resident: resident(moved(*range)),
            })
            .collect();
        symbols.sort_by_key(|row| std::cmp::Reverse((row.resident, row.size)));
        let sections = names.sections.iter().filter(|section| !section.range.is_empty()).map(|section| {
            let range = moved(section.range);
            let named = divided.iter().filter_map(|(_, symbol)| symbol.intersection(section.range));
            SectionRow {
                name: printable(&section.name),
                start: range.start.to_string(),
                size: range.len(),
                resident: resident(range),
                // By the file's own addresses: moved ones may pass the end of the space.
                without_symbol: section.range.len() - named.map(AddrRange::len).sum::<u64>(),
            }
        });
        Self {
            path: printable(&object.path),
            soname: printable(&object.soname),
            build_id: object.build_id.iter().map(|byte| format!("{byte:02x}")).collect(),
            table: match names.table {
                Some(elf::SymbolTable::Full) => "full",
                Some(elf::SymbolTable::Dynamic) => "dynamic",
                None if names.has_file => "none",
                None => "no_file",
            },
            size: span.len(),
            resident: resident(span),
            sections: sections.collect(),
            symbols,
        }
    }
}

/// Gives each byte to one symbol: to the first that covers it. Names of the same address are dropped but for one.
fn divide(symbols: &[(String, AddrRange)]) -> Vec<(&str, AddrRange)> {
    let mut end = VirtAddr::NULL;
    let mut divided = Vec::new();
    for (name, range) in symbols {
        let start = range.start.max(end);
        if start < range.end {
            divided.push((name.as_str(), AddrRange::new(start, range.end)));
            end = range.end;
        }
    }
    divided
}

fn section_at(sections: &[elf::Section], address: VirtAddr) -> Option<&elf::Section> {
    sections.iter().find(|section| section.range.contains(address))
}

#[cfg(test)]
mod tests {
    use snapshot::PageState;

    use super::*;

    fn range(start: u64, end: u64) -> AddrRange {
        AddrRange::new(VirtAddr(start), VirtAddr(end))
    }

    #[test]
    fn every_byte_is_of_one_symbol_and_counts_where_its_page_is_there() {
        let segments = vec![elf::Segment::from_raw(1, 5, [0, 0x1000, 0x3000, 0x3000, 4096])];
        let object = Object {
            file: abi::FileId::default(),
            path: b"/lib/l.so"[..].into(),
            build_id: [0xab].as_slice().into(),
            soname: b"l.so.1"[..].into(),
            segments,
        };
        let symbols = [
            ("large", range(0x1000, 0x2800)),
            ("alias", range(0x1000, 0x2800)),
            ("inside", range(0x1100, 0x1200)),
            ("over", range(0x2700, 0x2900)),
            ("label", range(0x2a00, 0x2a00)),
            ("absent", range(0x3000, 0x4000)),
        ];
        let names = ObjectNames {
            sections: vec![elf::Section { name: b".text".to_vec(), range: range(0x1000, 0x4000) }],
            symbols: symbols.map(|(name, range)| (name.to_owned(), range)).to_vec(),
            table: Some(elf::SymbolTable::Full),
            has_file: true,
        };
        let state = PageState { present: true, file: true, ..PageState::default() };
        let pages = [PageRun { range: range(0x7_1000, 0x7_3000), state }];
        let view = ObjectSymbols::new(&object, 0x7_0000, &names, Some(&pages));
        let shown: Vec<_> =
            view.symbols.iter().map(|row| (row.name.as_str(), row.size, row.resident)).collect();
        assert_eq!(
            shown,
            [("large", 0x1800, Some(0x1800)), ("over", 0x100, Some(0x100)), ("absent", 0x1000, Some(0))]
        );
        assert_eq!((view.size, view.resident), (0x3000, Some(0x2000)));
        assert_eq!((view.sections[0].resident, view.sections[0].without_symbol), (Some(0x2000), 0x700));
        assert_eq!((view.symbols[0].start.as_str(), view.symbols[0].section.as_str()), ("0x71000", ".text"));
        assert_eq!(ObjectSymbols::new(&object, 0, &names, None).symbols[0].resident, None);
        // A damaged file may be moved past the end of the space.
        let wrapped = ObjectSymbols::new(&object, u64::MAX - 0x1fff, &names, None);
        assert_eq!(wrapped.sections[0].without_symbol, 0x700);
    }
}
