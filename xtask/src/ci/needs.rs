//! The programs and libraries that tests use besides Rust, and the packages they come from.

use crate::shell::Command;

/// A program and the Debian package that holds it.
const NEEDS: &[(&str, &str)] = &[
    ("awk", "mawk"),
    ("bash", "bash"),
    ("cc", "gcc"),
    ("chromedriver", "chromium-driver"),
    ("chromium", "chromium"),
    ("gcore", "gdb"),
    ("git", "git"),
    ("go", "golang-go"),
    ("java", "default-jdk-headless"),
    ("javac", "default-jdk-headless"),
    ("node", "nodejs"),
    ("python3", "python3"),
    ("redis-benchmark", "redis-tools"),
    ("redis-server", "redis-server"),
    ("setpriv", "util-linux"),
    ("setsid", "util-linux"),
    ("sort", "coreutils"),
    ("sqlite3", "sqlite3"),
    ("strace", "strace"),
    ("tmux", "tmux"),
    ("unshare", "util-linux"),
];

/// A library that tests preload and the Debian package that holds it.
const LIBRARIES: &[(&str, &str)] = &[
    ("libjemalloc.so.2", "libjemalloc2"),
    ("libmimalloc.so.2.0", "libmimalloc2.0"),
    ("libtcmalloc_minimal.so.4", "libtcmalloc-minimal4"),
];
/// Where they are.
const LIBRARY_FOLDERS: &[&str] = &["/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib", "/lib"];

/// Modules of Python that read what is exported, by the names that PyPI has for them too.
const MODULES: &[&str] = &["duckdb", "jsonschema"];

/// A program and the crate that holds it; it is run, never linked.
const TOOLS: &[(&str, &str)] = &[("inferno-flamegraph", "inferno")];

/// Installs what is missing, where this user may, and returns what is missing still.
pub(crate) fn install() -> Vec<String> {
    let mut packages: Vec<&str> = missing().map(|(_, package)| package).collect();
    packages.dedup();
    if !packages.is_empty() {
        println!("== installing {}", packages.join(" "));
        let install = format!("apt-get install -y --no-install-recommends {}", packages.join(" "));
        let done = Command::words("apt-get update").succeeds()
            && Command::words(&install).env("DEBIAN_FRONTEND", "noninteractive").succeeds();
        if !done {
            println!("== could not install all of them (no apt-get, no network or not root)");
        }
    }
    let of_python: Vec<&str> = missing_modules().collect();
    if !of_python.is_empty() {
        // Debian's Python wants to be told that its own packages are not meant; others ignore it.
        let install = format!("python3 -m pip install --quiet {}", of_python.join(" "));
        Command::words(&install).env("PIP_BREAK_SYSTEM_PACKAGES", "1").succeeds();
    }
    for (_, name) in missing_tools() {
        Command::words(&format!("cargo install --quiet --locked {name}")).succeeds();
    }
    let packaged = missing().map(|(program, package)| format!("{program} (package {package})"));
    let modules = missing_modules().map(|module| format!("{module} (a module of Python)"));
    let tools = missing_tools().map(|(program, name)| format!("{program} (crate {name})"));
    packaged.chain(modules).chain(tools).collect()
}

fn missing_modules() -> impl Iterator<Item = &'static str> {
    let found = |module: &str| {
        let import = [format!("import {module}")];
        Command::words("python3 -c").args(&import).succeeds()
    };
    MODULES.iter().copied().filter(move |module| !found(module))
}

fn missing_tools() -> impl Iterator<Item = (&'static str, &'static str)> {
    TOOLS.iter().copied().filter(|(program, _)| !on_path(program))
}

fn missing() -> impl Iterator<Item = (&'static str, &'static str)> {
    let programs = NEEDS.iter().copied().filter(|(program, _)| !on_path(program));
    programs.chain(LIBRARIES.iter().copied().filter(|(library, _)| !in_folders(library)))
}

fn in_folders(library: &str) -> bool {
    LIBRARY_FOLDERS.iter().any(|folder| std::path::Path::new(folder).join(library).exists())
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
