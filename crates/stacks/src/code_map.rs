//! What is mapped executable in a process, and where each address lies in its file.

use std::sync::Arc;

use abi::{AddrRange, FileOff, VirtAddr};

use crate::file::{ObjectAddr, ObjectFile};

/// An executable mapping.
#[derive(Clone, Debug)]
pub struct Code {
    /// Where it is mapped.
    pub range: AddrRange,
    /// The offset in the file at which it begins.
    pub offset: FileOff,
    /// The file; `None` for anonymous memory (compiled while the program runs) and files that can't be read.
    pub object: Option<Arc<ObjectFile>>,
}

/// The executable mappings of a process, by address.
#[derive(Clone, Debug, Default)]
pub struct CodeMap {
    /// Ascending and disjoint.
    code: Vec<Code>,
}

impl CodeMap {
    /// Makes a map in which nothing is executable.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a mapping in, in place of whatever was in its range.
    pub fn insert(&mut self, code: Code) {
        if code.range.is_empty() {
            return;
        }
        self.remove(code.range);
        let at = self.code.partition_point(|other| other.range.start < code.range.start);
        self.code.insert(at, code);
    }

    /// Takes everything in a range away; returns whether there was anything.
    ///
    /// ```text
    ///  before:  AAAAAAAA BBB  CCCC
    ///  range:      *****************
    ///  after:   AAA              (a rest on either side stays)
    /// ```
    pub fn remove(&mut self, range: AddrRange) -> bool {
        let first = self.code.partition_point(|code| code.range.end <= range.start);
        let end = self.code.partition_point(|code| code.range.start < range.end);
        if first >= end {
            return false;
        }
        let mut rests = Vec::new();
        for code in &self.code[first..end] {
            if code.range.start < range.start {
                let kept = AddrRange { start: code.range.start, end: range.start };
                rests.push(Code { range: kept, ..code.clone() });
            }
            if range.end < code.range.end {
                let gone = range.end.0 - code.range.start.0;
                let offset = FileOff(code.offset.0.wrapping_add(gone));
                let kept = AddrRange { start: range.end, end: code.range.end };
                rests.push(Code { range: kept, offset, object: code.object.clone() });
            }
        }
        self.code.splice(first..end, rests);
        true
    }

    /// Returns the mapping at an address.
    pub fn find(&self, addr: VirtAddr) -> Option<&Code> {
        let code = self.code.get(self.code.partition_point(|code| code.range.end <= addr))?;
        code.range.contains(addr).then_some(code)
    }

    /// Returns the file at an address and the file's own address of it.
    pub fn locate(&self, addr: VirtAddr) -> Option<(&Arc<ObjectFile>, ObjectAddr)> {
        let code = self.find(addr)?;
        let object = code.object.as_ref()?;
        let offset = code.offset.0.wrapping_add(addr.0 - code.range.start.0);
        Some((object, object.address_of(FileOff(offset))?))
    }

    /// Returns the mappings, ascending.
    pub fn iter(&self) -> impl Iterator<Item = &Code> {
        self.code.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(start: u64, end: u64, offset: u64) -> Code {
        let range = AddrRange::new(VirtAddr(start), VirtAddr(end));
        Code { range, offset: FileOff(offset), object: None }
    }

    fn shown(map: &CodeMap) -> Vec<(u64, u64, u64)> {
        map.iter().map(|code| (code.range.start.0, code.range.end.0, code.offset.0)).collect()
    }

    #[test]
    fn what_is_mapped_over_goes_and_its_rests_stay() {
        let mut map = CodeMap::new();
        map.insert(code(0x1000, 0x5000, 0x100));
        map.insert(code(0x6000, 0x7000, 0));
        map.insert(code(0x2000, 0x3000, 0x9000));
        assert_eq!(
            shown(&map),
            [
                (0x1000, 0x2000, 0x100),
                (0x2000, 0x3000, 0x9000),
                (0x3000, 0x5000, 0x2100),
                (0x6000, 0x7000, 0)
            ]
        );
        map.remove(AddrRange::new(VirtAddr(0x1800), VirtAddr(0x6800)));
        assert_eq!(shown(&map), [(0x1000, 0x1800, 0x100), (0x6800, 0x7000, 0x800)]);
        assert!(map.find(VirtAddr(0x1800)).is_none());
        assert!(map.find(VirtAddr(0x17ff)).is_some());
        map.remove(AddrRange::new(VirtAddr(0), VirtAddr(u64::MAX)));
        assert!(shown(&map).is_empty());
    }
}
