//! The programs that tests run besides Rust, and the packages they come from.

use crate::shell::Command;

/// A program and the Debian package that holds it.
const NEEDS: &[(&str, &str)] = &[
    ("awk", "mawk"),
    ("bash", "bash"),
    ("cc", "gcc"),
    ("chromedriver", "chromium-driver"),
    ("chromium", "chromium"),
    ("git", "git"),
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
    missing().map(|(program, package)| format!("{program} (package {package})")).collect()
}

fn missing() -> impl Iterator<Item = (&'static str, &'static str)> {
    NEEDS.iter().copied().filter(|(program, _)| !on_path(program))
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
