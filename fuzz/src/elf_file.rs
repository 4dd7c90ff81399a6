//! ELF files: damaged, read, laid out, mapped into a snapshot at any address, divided by symbol, asked for lines.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, LazyLock};

use abi::{AddrRange, DevId, FileId, FileOff, PAGE_SIZE, Prot, VirtAddr};
use elf::Image;
use snapshot::{Mapping, Object, PageRun, PageState, Snapshot};
use stacks::{DebugFiles, ObjectAddr, ObjectFile, Symbolizer};
use view::text::{Canvas, Glyphs};
use view::{Detail, ElfFile, MapFacts, MapView, ObjectNames, ObjectSymbols, SymbolsView};

use crate::damage::damage;
use crate::random::Random;

const ASCII: Canvas = Canvas { columns: 80, glyphs: Glyphs::Ascii };

/// Small files of all sorts by the C compiler, each with symbols and debugging information; and the front of our own.
static SEEDS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    const SOURCE: &str = "static int zeros[3000]; int data = 3; const int table[9] = {1};\n\
        static inline int twice(int n) { return 2 * n; }\n\
        int function(int n) { return twice(n) + zeros[n] + data; }\n\
        int main(void) { return function(1); }\n";
    let folder = folder();
    let path = |name: &str| folder.join(name);
    std::fs::create_dir_all(&folder).expect("a folder of our own");
    std::fs::write(path("f.c"), SOURCE).expect("our own folder");
    let ways: [&[&str]; 5] = [
        &["-pie", "-fPIE"],
        &["-no-pie", "-Wl,-z,norelro"],
        &["-shared", "-fPIC", "-Wl,-soname,libf.so.1"],
        &["-pie", "-fPIE", "-s"],
        &["-m32", "-no-pie", "-nostdlib", "-Wl,-emain"],
    ];
    let mut seeds = Vec::new();
    for way in ways {
        let made = Command::new("cc")
            .args(["-g", "-O1", "-Wl,--build-id", "f.c", "-o", "f"])
            .args(way)
            .current_dir(&folder)
            .output();
        if made.is_ok_and(|made| made.status.success()) {
            seeds.push(std::fs::read(path("f")).expect("just made"));
        }
    }
    let mut own = std::fs::read("/proc/self/exe").expect("our own file");
    own.truncate(64 << 10);
    seeds.push(own);
    println!("{} files to damage: {:?} bytes", seeds.len(), seeds.iter().map(Vec::len).collect::<Vec<_>>());
    seeds
});

fn folder() -> PathBuf {
    let shared = std::path::Path::new("/dev/shm");
    let base = if shared.is_dir() { shared.to_owned() } else { std::env::temp_dir() };
    base.join(format!("vmatlas-fuzz-{}", std::process::id()))
}

/// Removes what was written.
pub fn clean() {
    let _ = std::fs::remove_dir_all(folder());
}

/// Damages a file, mostly its headers and tables, and does everything that is done with one.
pub fn target(random: &mut Random) {
    let bytes = damaged(random);
    if random.below(4) == 0 {
        lines(&bytes, random);
    }
    let Ok(image) = elf::read(&bytes) else { return };
    let symbols = elf::symbols(&bytes);
    let rows = symbols.iter().flat_map(|(_, rows)| rows);
    let rows = rows.map(|symbol| (view::words::printable(&symbol.name), symbol.range)).collect();
    let at = VirtAddr(random.any_size());
    if let Some((_, symbols)) = &symbols {
        assert!(elf::symbol_at(symbols, at).is_none_or(|symbol| symbol.range.start <= at));
    }
    let parts = elf::parts(&image.segments);
    assert!(
        parts.windows(2).all(|pair| pair[0].range.start <= pair[1].range.start || image.segments.len() > 1)
    );
    let soname = elf::soname(&bytes[..], &image.segments).unwrap_or_default();
    let names = ObjectNames {
        sections: image.sections.clone(),
        symbols: rows,
        table: symbols.map(|(table, _)| table),
        has_file: true,
    };
    let snapshot = mapped(&image, &soname, random);
    in_process(&ElfFile::new(b"f", &image, &soname), &image, &snapshot, &names);
    crate::texts::show(&snapshot, random);
}

fn damaged(random: &mut Random) -> Vec<u8> {
    let mut bytes = SEEDS[random.below(SEEDS.len())].clone();
    for _ in 0..1 + random.below(3) {
        // The headers, the sections' headers with the names and symbols before them, anything.
        let from = match random.below(4) {
            0 | 1 => 0,
            2 => bytes.len().saturating_sub(6 << 10),
            _ => random.below(bytes.len().max(1)),
        };
        let end = (from + 1024).min(bytes.len());
        let mut piece = bytes[from..end].to_vec();
        damage(&mut piece, random);
        // Mostly the rest stays where it is: a shift would damage everything behind.
        if random.below(4) > 0 {
            piece.resize(end - from, 0);
        }
        bytes.splice(from..end, piece);
    }
    bytes
}

/// Mappings of the file and of other memory; often where the loader would put them.
fn mapped(image: &Image, soname: &[u8], random: &mut Random) -> Snapshot {
    let id = FileId { dev: DevId { major: 8, minor: 1 }, ino: 7 };
    let mut at = random.any_size() & 0x7fff_ffff_f000;
    let mut mappings: Vec<Mapping> = Vec::new();
    let mut push = |range: AddrRange, prot: Prot, shared: bool, offset: Option<u64>| {
        let is_behind = mappings.last().is_none_or(|last| last.range.end <= range.start);
        if is_behind && !range.is_empty() && range.end.0 <= 1 << 56 {
            mappings.push(Mapping {
                range,
                prot,
                shared,
                offset: FileOff(offset.unwrap_or(0)),
                file: offset.map_or(FileId::default(), |_| id),
                name: Arc::from(if offset.is_some() { &b"/f"[..] } else { b"" }),
            });
        }
    };
    if random.below(3) > 0 {
        for mapping in elf::load_mappings(&image.segments) {
            let moved = |addr: VirtAddr| VirtAddr(addr.0.wrapping_add(at).min(1 << 56)).page_down();
            let (start, end) = (moved(mapping.range.start), moved(mapping.range.end));
            let range = AddrRange { start, end: end.max(start) };
            push(range, mapping.prot, false, mapping.offset.map(|offset| offset.0));
        }
    } else {
        for _ in 0..random.below(8) {
            let start = VirtAddr(at);
            at += PAGE_SIZE * (1 + random.below(64) as u64);
            let offset = (random.below(3) > 0).then(|| PAGE_SIZE * random.below(8) as u64);
            push(
                AddrRange::new(start, VirtAddr(at)),
                Prot(random.below(8) as u64),
                random.below(8) == 0,
                offset,
            );
            at += PAGE_SIZE * (random.below(3) as u64);
        }
    }
    let object = Object {
        file: id,
        path: Arc::from(&b"/f"[..]),
        build_id: image.build_id.clone().unwrap_or_default().into(),
        soname: soname.into(),
        segments: image.segments.clone(),
    };
    let heap = mappings.first().map(|m| m.range);
    Snapshot { mappings, objects: vec![object], heap, program: Some(id), ..Snapshot::default() }
}

/// The file beside what a process has of it, and by section and symbol.
fn in_process(file: &ElfFile, image: &Image, snapshot: &Snapshot, names: &ObjectNames) {
    let mut file = file.clone();
    let bias = snapshot::load_bias(snapshot, 0).unwrap_or(0);
    let map = MapView::new(MapFacts::default(), snapshot, Detail::Mappings);
    file.beside(image, bias, &map);
    shown(view::text::elf_file(&file, ASCII));
    let state = PageState { present: true, ..PageState::default() };
    let pages: Vec<PageRun> =
        snapshot.mappings.iter().map(|mapping| PageRun { range: mapping.range, state }).collect();
    let object = ObjectSymbols::new(&snapshot.objects[0], bias, names, Some(&pages));
    let view = SymbolsView {
        target: String::new(),
        pid: None,
        program: String::new(),
        meaning: "resident",
        objects: vec![object],
    };
    shown(view::text::symbols(&view, ASCII));
}

fn shown(lines: Vec<view::text::Line>) {
    assert!(lines.iter().all(|line| !line.plain().contains(char::is_control)));
}

/// What `explain` asks of the file: lines of the source, also in a file of debugging information that it names.
fn lines(bytes: &[u8], random: &mut Random) {
    let path = folder().join("damaged");
    std::fs::write(&path, bytes).expect("room for a small file");
    let Ok(object) = ObjectFile::open(&path) else { return };
    let _ = object.build_id();
    let mut symbolizer = Symbolizer::new(DebugFiles::from_environment());
    for _ in 0..8 {
        let at = if random.below(2) == 0 { 0x1000 + random.below(4096) as u64 } else { random.any_size() };
        let _ = symbolizer.frames(&object, ObjectAddr(at));
    }
}
