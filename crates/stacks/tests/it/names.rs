//! Names, files and lines: from the program, from a separate file, from symbol tables alone.

use std::path::Path;
use std::process::Command;

use stacks::{DebugFiles, ObjectFile, Symbolizer};

use crate::guest::{Folder, build};

fn objcopy(args: &[&str]) -> bool {
    match Command::new("objcopy").args(args).status() {
        Ok(status) => {
            assert!(status.success(), "objcopy {args:?}");
            true
        }
        Err(_) => {
            println!("SKIPPED: separate debugging information, objcopy is not installed");
            false
        }
    }
}

/// The frames at the first instruction of `inner`, as text.
fn shown(program: &Path, debug_files: DebugFiles) -> String {
    let object = ObjectFile::open(program).expect("it was just built");
    let mut symbolizer = Symbolizer::new(debug_files);
    let Some(addr) = symbolizer.find(&object, "inner") else { return "nothing".into() };
    let frames = symbolizer.frames(&object, addr);
    let line = |frame: &stacks::Frame| {
        let file = frame.file.as_deref().and_then(|file| file.rsplit('/').next()).unwrap_or("?");
        format!("{} {file}:{}", frame.function.as_deref().unwrap_or("?"), frame.line.unwrap_or(0))
    };
    frames.iter().map(line).collect::<Vec<_>>().join(", ")
}

#[test]
fn debugging_information_is_read_wherever_it_is() {
    let folder = Folder::new();
    let Some(program) = build(&folder, "plain.c", &["-Wl,--build-id", "-O0"]) else { return };
    let text = |name: &str| folder.0.join(name).to_str().expect("a plain path").to_owned();
    let whole = shown(&program, DebugFiles::none());
    let source = include_str!("../../../../guests/chains/plain.c");
    let line = 1 + source.lines().position(|line| line.contains("int inner(")).expect("it is there");
    assert_eq!(whole, format!("inner plain.c:{line}"));

    let build_id = ObjectFile::open(&program).expect("it was just built").build_id().to_vec();
    let hex: String = build_id.iter().map(|byte| format!("{byte:02x}")).collect();
    let by_id = folder.0.join("debug/.build-id").join(&hex[..2]);
    std::fs::create_dir_all(&by_id).expect("our own folder");
    let debug = by_id.join(format!("{}.debug", &hex[2..])).to_str().expect("a plain path").to_owned();
    let (guest, stripped) = (text("guest"), text("stripped"));
    if !objcopy(&["--only-keep-debug", "--compress-debug-sections=zlib", &guest, &debug]) {
        return;
    }
    objcopy(&["--strip-debug", &guest, &stripped]);
    let elsewhere = || DebugFiles::none().with_root(folder.0.join("debug"));
    assert_eq!(shown(Path::new(&stripped), DebugFiles::none()), "inner ?:0", "from the symbol table");
    assert_eq!(shown(Path::new(&stripped), elsewhere()), whole, "from the separate file");
    objcopy(&["--strip-all", &guest, &stripped]);
    assert_eq!(shown(Path::new(&stripped), DebugFiles::none()), "nothing");
    assert_eq!(shown(Path::new(&stripped), elsewhere()), whole, "with the separate file's symbols");

    // Another program's information under this one's name is not taken.
    let Some(other) = build(&folder, "plain.c", &["-Wl,--build-id=0x1234567890", "-O0"]) else { return };
    objcopy(&["--only-keep-debug", other.to_str().expect("a plain path"), &debug]);
    assert_eq!(shown(Path::new(&stripped), elsewhere()), "nothing");
}
