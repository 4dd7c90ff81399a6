//! The functions that a program compiled while it ran, as it lists them for perf: `/tmp/perf-PID.map`.

use abi::{AddrRange, VirtAddr};

/// The functions of one process that no file holds.
///
/// Each line is a first address, a length (both hexadecimal) and a name. A compiler that puts new code over old
/// appends the new line, so of two that overlap the later one is meant.
#[derive(Clone, Debug, Default)]
pub struct PerfMap {
    /// Ascending and disjoint.
    functions: Vec<(AddrRange, Box<str>)>,
}

impl PerfMap {
    /// Reads the text; lines that make no sense are left out.
    pub fn parse(text: &[u8]) -> Self {
        let mut lines: Vec<(AddrRange, &[u8])> = text.split(|byte| *byte == b'\n').filter_map(line).collect();
        // Later lines first, so that what is there already wins.
        lines.reverse();
        lines.sort_by_key(|(range, _)| range.start);
        let mut functions: Vec<(AddrRange, Box<str>)> = Vec::new();
        for (range, name) in lines {
            if functions.last().is_some_and(|(last, _)| last.start == range.start) {
                continue;
            }
            if let Some((last, _)) = functions.last_mut() {
                last.end = last.end.min(range.start);
            }
            functions.push((range, String::from_utf8_lossy(name).into()));
        }
        Self { functions }
    }

    /// Returns the function at an address of the process.
    pub fn find(&self, addr: VirtAddr) -> Option<&str> {
        let after = self.functions.partition_point(|(range, _)| range.start <= addr);
        let (range, name) = self.functions.get(after.checked_sub(1)?)?;
        range.contains(addr).then_some(&**name)
    }

    /// Whether it lists nothing.
    pub fn is_empty(&self) -> bool {
        self.functions.is_empty()
    }
}

fn line(line: &[u8]) -> Option<(AddrRange, &[u8])> {
    let mut fields = line.splitn(3, |byte| *byte == b' ');
    let mut number = || {
        let text = std::str::from_utf8(fields.next()?).ok()?;
        u64::from_str_radix(text.strip_prefix("0x").unwrap_or(text), 16).ok()
    };
    let range = AddrRange::from_len(VirtAddr(number()?), number()?)?;
    let name = fields.next()?.trim_ascii();
    (!range.is_empty() && !name.is_empty()).then_some((range, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_found_and_the_later_line_is_meant() {
        let text =
            b"1000 100 old\n2000 10 two words\nnonsense\n0x1000 80 new\n3000 0 empty\n1f00 101 before two\n";
        let map = PerfMap::parse(text);
        let at = |addr| map.find(VirtAddr(addr));
        assert_eq!((at(0x1000), at(0x107f), at(0x1080)), (Some("new"), Some("new"), None));
        assert_eq!(
            (at(0x1fff), at(0x2000), at(0x200f)),
            (Some("before two"), Some("two words"), Some("two words"))
        );
        assert_eq!((at(0x2010), at(0x3000), at(0)), (None, None, None));
        assert!(PerfMap::parse(b"").is_empty());
    }
}
