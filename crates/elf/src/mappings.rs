//! The mappings that the loader makes of the segments.

use abi::{AddrRange, FileOff, Prot};

use crate::image::{Segment, SegmentKind};

/// A mapping that the loader makes, at the file's own addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LoadMapping {
    /// The pages.
    pub range: AddrRange,
    /// Their protection as mapped: RELRO becomes read-only later, when the dynamic loader has relocated it.
    pub prot: Prot,
    /// Where in the file they begin; `None` for pages of no file.
    pub offset: Option<FileOff>,
}

/// Returns the mappings that the loadable segments become, in their order: for each one the pages of the file,
/// then the pages of no file for what it takes beyond (`fs/binfmt_elf.c: elf_load`).
///
/// Segments whose ends pass the end of the address space are left out, as the kernel refuses them.
pub fn load_mappings(segments: &[Segment]) -> Vec<LoadMapping> {
    let mut mappings = Vec::new();
    for segment in segments.iter().filter(|segment| segment.kind == SegmentKind::Load) {
        let start = segment.addr.page_down();
        let ends = [segment.file_bytes, segment.memory_bytes.max(segment.file_bytes)]
            .map(|bytes| segment.addr.checked_add(bytes).map(|end| end.page_up_wrapping()));
        let [Some(file_end), Some(end)] = ends else { continue };
        if file_end < start || end < file_end {
            continue;
        }
        // Without bytes in the file there is nothing to map from it.
        let file_end = if segment.file_bytes == 0 { start } else { file_end };
        let offset = FileOff(segment.offset.0.saturating_sub(segment.addr.0 - start.0));
        let parts = [(AddrRange::new(start, file_end), Some(offset)), (AddrRange::new(file_end, end), None)];
        for (range, offset) in parts.into_iter().filter(|(range, _)| !range.is_empty()) {
            mappings.push(LoadMapping { range, prot: segment.prot, offset });
        }
    }
    mappings
}

#[cfg(test)]
mod tests {
    use abi::VirtAddr;

    use super::*;

    #[test]
    fn a_data_segment_with_a_large_bss_becomes_two_mappings() {
        let data = Segment::from_raw(1, 6, [0x2d00, 0x3d00, 0x400, 0x2400, 4096]);
        let [file, zeros] = load_mappings(&[data])[..] else { panic!("two mappings") };
        assert_eq!((file.range.start, file.range.end), (VirtAddr(0x3000), VirtAddr(0x5000)));
        assert_eq!(file.offset, Some(FileOff(0x2000)));
        assert_eq!(
            (zeros.range.start, zeros.range.end, zeros.offset),
            (VirtAddr(0x5000), VirtAddr(0x7000), None)
        );
    }

    #[test]
    fn our_own_map_has_them_all() {
        let maps = std::fs::read_to_string("/proc/self/maps").expect("a Linux machine");
        let image =
            crate::read(&std::fs::read("/proc/self/exe").expect("our own file")).expect("our own file");
        let first = maps.lines().next().and_then(|line| line.split('-').next()).expect("a line");
        let bias = u64::from_str_radix(first, 16).expect("an address");
        for mapping in load_mappings(&image.segments).iter().filter(|m| !m.prot.contains(Prot::WRITE)) {
            let (start, end) = (mapping.range.start.0 + bias, mapping.range.end.0 + bias);
            assert!(maps.contains(&format!("{start:x}-{end:x} ")), "{start:x}-{end:x} in\n{maps}");
        }
    }
}
