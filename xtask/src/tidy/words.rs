//! `said-whole` and `no-machine`: what no line may contain.
//!
//! A TODO without a sentence helps nobody; a line number in the kernel's source is wrong in the next version; a
//! path of one machine, or a registry of one network, is wrong everywhere else.

use super::finding::Finding;
use super::tree::Tree;

/// Folders that exist on one machine only.
const MACHINE_FOLDERS: [&str; 4] = ["/home/", "/root/", "/work/", "/Users/"];

/// This file names what it looks for.
const SELF: &str = "xtask/src/tidy/words.rs";

/// Finds lines that break one of the rules.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.texts().filter(|(path, _)| *path != SELF && !path.starts_with("LICENSE")) {
        for (index, line) in text.lines().enumerate() {
            let breaches = [todo(line), kernel_line(line), machine(line), registry(path, line)];
            findings.extend(breaches.into_iter().flatten().map(|(rule, what)| Finding {
                rule,
                path: path.into(),
                line: index + 1,
                what,
            }));
        }
    }
    findings
}

type Breach = Option<(&'static str, String)>;

fn todo(line: &str) -> Breach {
    let after = ["// TODO", "// FIXME"].iter().find_map(|word| line.split_once(word))?.1;
    let sentence = after.trim_start_matches(':').trim();
    (sentence.split(' ').count() < 3).then(|| ("said-whole", "a TODO or FIXME says what and why".into()))
}

/// Finds `name.c:123`, as compilers and editors print a place.
fn kernel_line(line: &str) -> Breach {
    let mut rest = line;
    while let Some(at) = rest.find(".c:").or_else(|| rest.find(".h:")) {
        let before = rest[..at].chars().next_back().is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
        let after = rest[at + 3..].chars().next().is_some_and(|c| c.is_ascii_digit());
        if before && after {
            return Some(("said-whole", "kernel source by file and function, never by line number".into()));
        }
        rest = &rest[at + 3..];
    }
    None
}

fn machine(line: &str) -> Breach {
    let starts = |folder: &&&str| {
        line.match_indices(**folder).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            before.is_none_or(|c| !c.is_ascii_alphanumeric() && !"._~$}>*-/".contains(c))
        })
    };
    let folder = MACHINE_FOLDERS.iter().find(starts)?;
    Some(("no-machine", format!("a path below {folder} exists on one machine only")))
}

fn registry(path: &str, line: &str) -> Breach {
    let is_source = path.ends_with("Cargo.lock") && line.starts_with("source = ");
    let is_public = line.contains("\"registry+https://github.com/rust-lang/crates.io-index\"");
    (is_source && !is_public).then(|| ("no-machine", "a package that does not come from crates.io".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(&Tree::of(&[(path, text)])).into_iter().map(|found| found.line).collect()
    }

    #[test]
    fn half_said_things_are_found() {
        let text = "// TODO\n// TODO: fix\n// FIXME: the kernel rounds down here\n// mm/vma.c:812\n// vma.c: split_vma\n";
        assert_eq!(lines("a.md", text), [1, 2, 4]);
    }

    #[test]
    fn machine_paths_and_registries_are_found() {
        assert_eq!(lines("a.md", "see /home/me/x\nsee /usr/home/x\nsee \"/root/y\"\n"), [1, 3]);
        let lock = "source = \"registry+https://github.com/rust-lang/crates.io-index\"\nsource = \"git+x\"\n";
        assert_eq!(lines("Cargo.lock", lock), [2]);
    }
}
