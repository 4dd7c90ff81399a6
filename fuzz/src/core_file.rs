//! Core files: damaged in their headers, notes, arenas and memory, read, classified, their heap walked, laid out.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use abi::VirtAddr;
use snapshot::{Core, Malloc, Memory, chunk_at, read_core};

use crate::damage::damage;
use crate::random::Random;

/// The most that is damaged at one place.
const PIECE_BYTES: usize = 512;
/// What of an arena's state is damaged: its bins and what stands around them.
const STATE_BYTES: usize = 2300;

/// Larger cores are not cut off: what was behind would have to be written again.
const CUT_BYTES_MAX: usize = 4 << 20;

/// A good core. An input is written into its file as patches and taken back, so that it costs no copy of the whole.
struct Seed {
    file: File,
    path: PathBuf,
    length: usize,
    /// Where its headers, notes, arenas and heaps lie.
    places: Vec<Range<usize>>,
}

/// A process that sleeps, and one with threads that have arenas of their own.
static SEEDS: LazyLock<[Seed; 2]> = LazyLock::new(|| {
    const THREADS: &str = "import threading, time\n\
        for _ in range(3): threading.Thread(target=lambda: [bytearray(2000), time.sleep(600)]).start()";
    [
        Seed::of(Command::new("sleep").arg("600"), "sleep"),
        Seed::of(Command::new("python3").args(["-S", "-c", THREADS]), "threads"),
    ]
});

/// Damages a core at some places and does everything that is done with one.
pub fn target(random: &mut Random) {
    // The one with threads is larger: it costs more.
    let seed = &SEEDS[usize::from(random.below(8) == 0)];
    let mut good = Vec::new();
    for _ in 0..1 + random.below(4) {
        let place = &seed.places[random.below(seed.places.len())];
        let from = place.start + random.below(place.len());
        let end = (from + 1 + random.below(PIECE_BYTES)).min(seed.length);
        let whole = seed.read(from..end);
        let mut piece = whole.clone();
        damage(&mut piece, random);
        piece.resize(end - from, 0);
        seed.write(from, &piece);
        good.push((from, whole));
    }
    if seed.length < CUT_BYTES_MAX && random.below(32) == 0 {
        let length = random.below(seed.length);
        good.push((length, seed.read(length..seed.length)));
        seed.file.set_len(length as u64).expect("room for a core");
    }
    let outcome = catch_unwind(AssertUnwindSafe(|| read_everything(&seed.path, random)));
    if let Err(panic) = outcome {
        let kept = std::env::temp_dir().join(format!("vmatlas-fuzz-{}.core", std::process::id()));
        let copied = std::fs::copy(&seed.path, &kept);
        eprintln!("the core is kept: {} ({copied:?})", kept.display());
        resume_unwind(panic);
    }
    // The last damage first: two may lie at one place.
    for (from, whole) in good.iter().rev() {
        seed.write(*from, whole);
    }
}

fn read_everything(path: &Path, random: &mut Random) {
    let Ok(mut core) = read_core(path) else { return };
    core.snapshot.malloc = Malloc::read(&core.snapshot, &core.memory, 64 << 20);
    for arena in core.snapshot.malloc.iter().flat_map(|malloc| &malloc.arenas) {
        for heap in &arena.heaps {
            let at = VirtAddr(heap.start.0 + heap.len() / 2);
            if let Some((chunk, _)) = chunk_at(&core.snapshot, &core.memory, at) {
                assert!(chunk.range.contains(at));
            }
        }
    }
    let mut word = [0; 8];
    let _ = core.memory.read(VirtAddr(random.any_size()), &mut word);
    crate::texts::show(&core.snapshot, random);
}

impl Seed {
    /// A core by gdb; where there is none, the header of a core alone.
    fn of(program: &mut Command, name: &str) -> Self {
        let prefix = std::env::temp_dir().join(format!("vmatlas-fuzz-{}-{name}", std::process::id()));
        let mut child = program.spawn().expect("the program to make a core of");
        std::thread::sleep(std::time::Duration::from_secs(2));
        let _ = Command::new("gcore").arg("-o").arg(&prefix).arg(child.id().to_string()).output();
        child.kill().expect("our own child");
        child.wait().expect("our own child");
        let made = prefix.with_extension(child.id().to_string());
        let bytes = std::fs::read(&made).unwrap_or_else(|_| {
            let mut front = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x04\0\x3e\0".to_vec();
            front.resize(4096, 0);
            std::fs::write(&made, &front).expect("room for a core");
            front
        });
        let file = File::options().read(true).write(true).open(&made).expect("our own file");
        let places = places(&bytes, read_core(&made).ok());
        std::fs::remove_file(&made).expect("our own file");
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file)).into();
        println!("core of {name}: {} bytes, {} places to damage", bytes.len(), places.len());
        Self { file, path, length: bytes.len(), places }
    }

    fn read(&self, range: Range<usize>) -> Vec<u8> {
        let mut bytes = vec![0; range.len()];
        self.file.read_exact_at(&mut bytes, range.start as u64).expect("our own file");
        bytes
    }

    fn write(&self, from: usize, bytes: &[u8]) {
        self.file.write_all_at(bytes, from as u64).expect("room for a core");
    }
}

/// Where a core is worth damaging: anywhere is mostly the contents of some library.
fn places(bytes: &[u8], core: Option<Core>) -> Vec<Range<usize>> {
    let mut places = vec![0..4096.min(bytes.len()), 0..bytes.len()];
    let offset_of = |at: VirtAddr| {
        let segments = elf::read_core(bytes).map(|core| core.segments).unwrap_or_default();
        let segment = segments.into_iter().find(|segment| segment.range.contains(at))?;
        let inside = at.0 - segment.range.start.0;
        (inside < segment.bytes_held).then_some((segment.offset.0 + inside) as usize)
    };
    let mut add = |start: Option<usize>, length: usize| {
        let whole = start.map(|start| start..(start + length).min(bytes.len()));
        places.extend(whole.filter(|place| !place.is_empty()));
    };
    // The notes stand last in a core by gdb, right behind the headers in one by the kernel.
    add(Some(bytes.len().saturating_sub(24 << 10)), 24 << 10);
    add(Some(4096), 8 << 10);
    let Some(core) = core else { return places };
    let malloc = Malloc::read(&core.snapshot, &core.memory, u64::MAX);
    for arena in malloc.iter().flat_map(|malloc| &malloc.arenas) {
        add(offset_of(arena.state), STATE_BYTES);
        for heap in &arena.heaps {
            add(offset_of(heap.start), 8 << 10);
            add(offset_of(heap.start), heap.len() as usize);
        }
    }
    places
}
