//! Core files: damaged in their headers, notes and memory, read, classified, their heap walked, laid out.

use std::process::Command;
use std::sync::LazyLock;

use snapshot::{Malloc, Memory, chunk_at, read_core};

use crate::damage::damage;
use crate::random::Random;

/// A core of a process that sleeps, by gdb; where there is none, the headers of a core alone.
static CORE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let prefix = std::env::temp_dir().join(format!("vmatlas-fuzz-{}", std::process::id()));
    let mut child = Command::new("sleep").arg("600").spawn().expect("sleep");
    std::thread::sleep(std::time::Duration::from_millis(300));
    let made = Command::new("gcore").arg("-o").arg(&prefix).arg(child.id().to_string()).output();
    let path = prefix.with_extension(child.id().to_string());
    let bytes = std::fs::read(&path);
    let _ = std::fs::remove_file(&path);
    child.kill().expect("our own child");
    child.wait().expect("our own child");
    match (made, bytes) {
        (Ok(_), Ok(bytes)) => bytes,
        _ => {
            let mut front = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x04\0\x3e\0".to_vec();
            front.resize(4096, 0);
            front
        }
    }
});

/// Damages a core at its front, in its notes or anywhere, and does everything that is done with one.
pub fn target(random: &mut Random) {
    let mut bytes = CORE.clone();
    let notes = bytes.len().saturating_sub(40 << 10);
    for _ in 0..1 + random.below(4) {
        let from = match random.below(4) {
            0 => 0,
            1 => notes.min(bytes.len()),
            _ => random.below(bytes.len().max(1)),
        };
        let end = (from + 2048).min(bytes.len());
        let mut piece = bytes[from..end].to_vec();
        damage(&mut piece, random);
        // Mostly the rest stays where it is: a shift would damage everything behind.
        if random.below(4) > 0 {
            piece.resize(end - from, 0);
        }
        bytes.splice(from..end, piece);
    }
    let _ = elf::read_core(bytes.as_slice());
    let path = std::env::temp_dir().join(format!("vmatlas-fuzz-core-{}", std::process::id()));
    std::fs::write(&path, &bytes).expect("room for a core");
    let Ok(mut core) = read_core(&path) else { return };
    core.snapshot.malloc = Malloc::read(&core.snapshot, &core.memory, 64 << 20);
    for arena in core.snapshot.malloc.iter().flat_map(|malloc| &malloc.arenas) {
        for heap in &arena.heaps {
            let at = abi::VirtAddr(heap.start.0 + heap.len() / 2);
            if let Some((chunk, _)) = chunk_at(&core.snapshot, &core.memory, at) {
                assert!(chunk.range.contains(at));
            }
        }
    }
    let mut word = [0; 8];
    let _ = core.memory.read(abi::VirtAddr(random.any_size()), &mut word);
    crate::texts::show(&core.snapshot, random);
}
