//! The guests of `guests/`: tiny C programs with one behaviour each, compiled when a test needs them.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Mutex, PoisonError};

use crate::run::has;
use crate::scratch::shared_folder;

/// How a guest is built.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Build {
    Dynamic,
    Static,
    /// At fixed addresses.
    Fixed,
    /// Without symbols.
    Stripped,
    /// 32 bits, without a C library.
    ThirtyTwo,
    /// With the sanitizer that looks for leaks at its end.
    LeakSanitizer,
}

/// Compiles a guest and returns the program; `None`, said as skipped, where it cannot be compiled.
///
/// Once in each run of the tests: a program that was replaced while another test records it has lost its names.
pub(crate) fn guest(name: &str, build: Build) -> Option<PathBuf> {
    type Built = HashMap<(String, Build), Option<PathBuf>>;
    static BUILT: LazyLock<Mutex<Built>> = LazyLock::new(Mutex::default);
    if !has("cc") {
        return None;
    }
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    built.entry((name.to_owned(), build)).or_insert_with(|| compiled(name, build)).clone()
}

fn compiled(name: &str, build: Build) -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guests").join(format!("{name}.c"));
    let folder = shared_folder();
    let program = folder.join(format!("{name}-{build:?}"));
    // Built under a name of this run's own: another run of the tests sees a whole program or none.
    let built = folder.join(format!("{name}-{build:?}-{}", std::process::id()));
    let flags: &[&str] = match build {
        Build::Dynamic => &["-pthread"],
        Build::Static => &["-pthread", "-static"],
        Build::Fixed => &["-pthread", "-fno-pie", "-no-pie"],
        Build::Stripped => &["-pthread", "-s"],
        Build::ThirtyTwo => &["-m32", "-nostdlib", "-static", "-fno-pie", "-no-pie", "-fno-stack-protector"],
        Build::LeakSanitizer => &["-fsanitize=leak"],
    };
    let output =
        Command::new("cc").args(["-w", "-O1", "-g"]).args(flags).arg("-o").arg(&built).arg(&source).output();
    let output = output.expect("cc was found");
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_ne!(build, Build::Dynamic, "{} does not compile: {errors}", source.display());
        println!("SKIPPED: guest {name} as {build:?}, this compiler cannot build it");
        return None;
    }
    // A program that runs cannot be written over, but it can be replaced; one that is the same stays.
    if fs::read(&program).is_ok_and(|there| fs::read(&built).is_ok_and(|new| new == there)) {
        fs::remove_file(&built).expect("our own folder");
    } else {
        fs::rename(&built, &program).expect("our own folder");
    }
    Some(program)
}
