//! Files of every sort that linkers and packers make, whole and cut off at any byte; cores likewise.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use elf::{LinkKind, PartKind, SymbolTable};
use snapshot::{Memory, Totals, classify, read_core};

/// A folder that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("vmatlas-damaged-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a new folder");
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Compiles a small program; `None`, said as skipped, where that can't be done.
fn compiled(folder: &Folder, name: &str, flags: &[&str]) -> Option<Vec<u8>> {
    let (source, program) = (folder.0.join("small.c"), folder.0.join(name));
    let text = "int counter = 7; int zeroed[5000]; int add(int x) { return counter += x + zeroed[x]; }\n\
        int main(int count, char **words) { return add(count) == 1; }\n";
    std::fs::write(&source, text).expect("our own folder");
    let done =
        Command::new("cc").args(["-w", "-O1"]).args(flags).arg("-o").args([&program, &source]).status();
    if !done.is_ok_and(|done| done.success()) {
        println!("SKIPPED: a file as {name}, there is no compiler that makes it");
        return None;
    }
    Some(std::fs::read(program).expect("it was made"))
}

/// Reads the front of a file in every way; what comes out must be sound, whatever was cut.
fn read_in_every_way(bytes: &[u8]) -> Option<elf::Image> {
    let image = elf::read(bytes).ok()?;
    let parts = elf::parts(&image.segments);
    assert!(parts.windows(2).all(|pair| pair[0].range.end <= pair[1].range.start), "{parts:?}");
    let _ = elf::load_mappings(&image.segments);
    let _ = elf::soname(bytes, &image.segments);
    let _ = elf::symbols(bytes);
    let _ = elf::read_core(bytes);
    Some(image)
}

/// Cuts a file off: at every byte of its ends, in between at every so many.
fn cut_everywhere(bytes: &[u8], mut read: impl FnMut(&[u8])) {
    const WHOLE: usize = 24 << 10;
    for end in 0..bytes.len() {
        if end < WHOLE || bytes.len() - end < WHOLE || end.is_multiple_of(4093) {
            read(&bytes[..end]);
        }
    }
}

#[test]
fn files_of_every_link_are_told_apart_and_may_be_cut_anywhere() {
    let folder = Folder::new("links");
    let link_of = |name: &str, flags: &[&str]| {
        let bytes = compiled(&folder, name, flags)?;
        let image = read_in_every_way(&bytes).expect("a compiler's file");
        let kinds: Vec<PartKind> = elf::parts(&image.segments).iter().map(|part| part.kind).collect();
        for kind in [PartKind::Text, PartKind::ReadOnlyData, PartKind::Data, PartKind::Bss] {
            assert!(kinds.contains(&kind), "{name}: {kinds:?}");
        }
        cut_everywhere(&bytes, |front| drop(read_in_every_way(front)));
        Some((image, bytes))
    };
    if let Some((image, bytes)) = link_of("pie", &["-fpie", "-pie"]) {
        assert_eq!((image.link, image.interpreter.is_some()), (LinkKind::Dyn, true));
        assert_eq!(elf::symbols(&bytes).map(|(table, _)| table), Some(SymbolTable::Full));
    }
    if let Some((image, _)) = link_of("fixed", &["-no-pie", "-fno-pie"]) {
        assert_eq!((image.link, image.interpreter.is_some()), (LinkKind::Exec, true));
    }
    if let Some((image, _)) = link_of("static", &["-static", "-no-pie"]) {
        assert_eq!((image.link, image.interpreter), (LinkKind::Exec, None));
    }
    if let Some((image, _)) = link_of("static-pie", &["-static-pie"]) {
        assert_eq!((image.link, image.interpreter), (LinkKind::Dyn, None));
    }
    if let Some((image, bytes)) = link_of("stripped", &["-s", "-rdynamic"]) {
        assert_eq!(elf::symbols(&bytes).map(|(table, _)| table), Some(SymbolTable::Dynamic));
        assert!(!image.sections.is_empty());
    }
    if let Some((image, bytes)) = link_of("library", &["-shared", "-fpic", "-Wl,-soname,small.so.3"]) {
        assert_eq!(elf::soname(&bytes[..], &image.segments).as_deref(), Some(&b"small.so.3"[..]));
    }
    // Without section headers, as sstrip leaves files.
    if let Some((image, mut bytes)) = link_of("bare", &[]) {
        bytes[0x28..0x30].fill(0);
        bytes[0x3c..0x40].fill(0);
        let bare = read_in_every_way(&bytes).expect("the loader needs no sections");
        assert_eq!((bare.segments, bare.sections.len()), (image.segments, 0));
        assert_eq!(elf::symbols(&bytes), None);
    }
}

/// A file as packers make it: one segment without bytes in the file that the program is unpacked into, one with the
/// packed bytes, no sections.
fn packed() -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
    bytes.resize(16, 0);
    let mut half = |value: u16| bytes.extend(value.to_le_bytes());
    half(2);
    half(62);
    bytes.extend(1u32.to_le_bytes());
    for word in [0x60_0100u64, 64, 0] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend(0u32.to_le_bytes());
    for value in [64u16, 56, 2, 64, 0, 0] {
        bytes.extend(value.to_le_bytes());
    }
    for (flags, addr, in_file, in_memory) in
        [(6u32, 0x40_0000u64, 0u64, 0x18_0000u64), (5, 0x60_0000, 0x800, 0x800)]
    {
        bytes.extend(1u32.to_le_bytes());
        bytes.extend(flags.to_le_bytes());
        for word in [0, addr, addr, in_file, in_memory, 0x1000] {
            bytes.extend(word.to_le_bytes());
        }
    }
    bytes.resize(0x800, 0xa5);
    bytes
}

#[test]
fn a_packed_file_is_mostly_memory_of_no_file() {
    let bytes = packed();
    let image = read_in_every_way(&bytes).expect("a packer's file");
    assert_eq!((image.link, image.sections.len(), elf::symbols(&bytes)), (LinkKind::Exec, 0, None));
    let mappings = elf::load_mappings(&image.segments);
    let shown: Vec<(u64, bool)> =
        mappings.iter().map(|mapping| (mapping.range.len(), mapping.offset.is_some())).collect();
    assert_eq!(shown, [(0x18_0000, false), (0x1000, true)]);
    cut_everywhere(&bytes, |front| drop(read_in_every_way(front)));
    // Every byte of the headers damaged in turn.
    for at in 0..0xb0 {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] = value;
            let _ = read_in_every_way(&damaged);
        }
    }
}

/// A core of `sleep`, by gdb.
fn core(folder: &Path) -> Option<Vec<u8>> {
    let mut child = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().expect("sleep");
    let maps = format!("/proc/{}/maps", child.id());
    let is_up = || std::fs::read_to_string(&maps).is_ok_and(|maps| maps.contains("/libc"));
    for _ in 0..500 {
        if is_up() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let made = Command::new("gcore").arg("-o").arg(folder.join("core")).arg(child.id().to_string()).output();
    let path = folder.join(format!("core.{}", child.id()));
    child.kill().expect("our own child");
    child.wait().expect("our own child");
    if !made.is_ok_and(|made| made.status.success()) {
        println!("SKIPPED: a core cut at every byte, no gcore here or it may not trace");
        return None;
    }
    Some(std::fs::read(path).expect("gdb's core"))
}

#[test]
fn a_core_may_be_cut_at_every_byte() {
    let folder = Folder::new("core");
    let Some(bytes) = core(&folder.0) else { return };
    let whole = elf::read_core(&bytes[..]).expect("gdb's core");
    let mut readable = 0;
    cut_everywhere(&bytes, |front| {
        if let Ok(core) = elf::read_core(front) {
            assert!(core.segments.len() <= whole.segments.len());
            assert_eq!(core.bytes_expected, whole.bytes_expected);
            readable += 1;
        }
    });
    assert!(readable > 1000, "{readable}: contents may be missing");
    // As files, in fewer places: contents that are cut off are read as missing.
    let path = folder.0.join("cut");
    for end in (0..bytes.len()).step_by(bytes.len() / 40) {
        std::fs::write(&path, &bytes[..end]).expect("our own folder");
        let Ok(core) = read_core(&path) else { continue };
        let totals = Totals::of(&core.snapshot, &classify(&core.snapshot));
        assert!(totals.all.held <= Some(end as u64), "{:?} of {end}", totals.all.held);
        if let Some(last) = core.snapshot.mappings.last() {
            let _ = core.memory.read(last.range.start, &mut [0; 64]);
        }
    }
}
