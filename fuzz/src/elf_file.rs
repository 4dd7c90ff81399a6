//! ELF files: damaged, read, laid out, and mapped into a snapshot at any address.

use std::sync::{Arc, LazyLock};

use abi::{AddrRange, DevId, FileId, FileOff, PAGE_SIZE, Prot, VirtAddr};
use snapshot::{Mapping, Object, Snapshot};
use view::ElfFile;
use view::text::{Canvas, Glyphs};

use crate::damage::damage;
use crate::random::Random;

static OWN: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut bytes = std::fs::read("/proc/self/exe").expect("our own file");
    bytes.truncate(256 << 10);
    bytes
});

/// Damages the front of our own file, mostly its headers, and does everything that is done with one.
pub fn target(random: &mut Random) {
    let mut bytes = OWN.clone();
    let headers = 1024.min(bytes.len());
    let mut front: Vec<u8> = bytes.drain(..headers).collect();
    damage(&mut front, random);
    front.extend(bytes);
    let Ok(image) = elf::read(&front) else { return };
    let symbols = elf::symbols(&front).map(|(_, symbols)| symbols).unwrap_or_default();
    let _ = elf::symbol_at(&symbols, VirtAddr(random.any_size()));
    let parts = elf::parts(&image.segments);
    assert!(
        parts.windows(2).all(|pair| pair[0].range.start <= pair[1].range.start || image.segments.len() > 1)
    );
    let file = ElfFile::new(b"f", &image, b"");
    let _ = view::text::elf_file(&file, Canvas { columns: 80, glyphs: Glyphs::Unicode });

    let id = FileId { dev: DevId { major: 8, minor: 1 }, ino: 7 };
    let mut at = random.any_size() & 0x7fff_ffff_f000;
    let mut mappings = Vec::new();
    for _ in 0..random.below(8) {
        let range = AddrRange::new(VirtAddr(at), VirtAddr(at + PAGE_SIZE * (1 + random.below(64) as u64)));
        at = range.end.0 + PAGE_SIZE * (random.below(3) as u64);
        let is_file = random.below(3) > 0;
        mappings.push(Mapping {
            range,
            prot: Prot(random.below(8) as u64),
            shared: random.below(8) == 0,
            offset: FileOff(if is_file { PAGE_SIZE * random.below(8) as u64 } else { 0 }),
            file: if is_file { id } else { FileId::default() },
            name: if is_file { Arc::from(&b"/f"[..]) } else { Arc::from(&b""[..]) },
        });
    }
    let object = Object {
        file: id,
        path: Arc::from(&b"/f"[..]),
        build_id: Arc::from(&b""[..]),
        soname: elf::soname(&front[..], &image.segments).unwrap_or_default().into(),
        segments: image.segments,
    };
    let heap = mappings.first().map(|m| m.range);
    let snapshot = Snapshot { mappings, objects: vec![object], heap, ..Snapshot::default() };
    crate::texts::show(&snapshot, random);
}
