//! E24, what exec maps: `vmatlas check` on the files that `corpus/rules` describes in `.elf` texts, and on programs as
//! compilers link them.
//!
//! ```text
//! link exec                                     or dyn
//! stack rwx                                     what PT_GNU_STACK asks for, where there is one
//! load r-x OFFSET ADDRESS IN-FILE IN-MEMORY ALIGNMENT
//! ```
//! The first segment holds the headers and the code, which asks for the heap's end, maps a page and ends the program.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::guest::{Build, guest};
use crate::recording::Report;
use crate::run::{Run, User, has, users, vmatlas};
use crate::scratch::Scratch;

/// Where the code lies in the file.
const CODE: u64 = 0x400;
/// `brk(0)`, which tells where the heap begins; `mmap` of a page, which tells where the search begins; `exit_group(0)`.
const CODE_BYTES: &[u8] = &[
    0x31, 0xff, 0xb8, 0x0c, 0, 0, 0, 0x0f, 0x05, // brk(0)
    0x31, 0xff, 0xbe, 0, 0x10, 0, 0, 0xba, 3, 0, 0, 0, // (0, 4096, PROT_READ | PROT_WRITE
    0x41, 0xba, 0x22, 0, 0, 0, 0x49, 0xc7, 0xc0, 0xff, 0xff, 0xff,
    0xff, // MAP_PRIVATE | MAP_ANONYMOUS, -1
    0x45, 0x31, 0xc9, 0xb8, 9, 0, 0, 0, 0x0f, 0x05, // 0), mmap
    0x31, 0xff, 0xb8, 0xe7, 0, 0, 0, 0x0f, 0x05, // exit_group(0)
];
/// How long each file is.
const FILE_BYTES: usize = 0x3000;

const PT_LOAD: u32 = 1;
const PT_GNU_STACK: u32 = 0x6474_e551;

fn number(word: &str) -> u64 {
    u64::from_str_radix(word.trim_start_matches("0x"), 16).unwrap_or_else(|_| panic!("a number: {word}"))
}

/// `r-x` as the bits of `p_flags`.
fn rights(word: &str) -> u32 {
    [('r', 4), ('w', 2), ('x', 1)]
        .iter()
        .filter(|(letter, _)| word.contains(*letter))
        .map(|(_, bit)| bit)
        .sum()
}

/// Makes the file that a text describes.
fn elf(text: &str) -> Vec<u8> {
    let lines: Vec<Vec<&str>> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_whitespace().collect())
        .collect();
    let kind: u16 = if lines.contains(&vec!["link", "dyn"]) { 3 } else { 2 };
    let mut headers: Vec<u8> = Vec::new();
    let mut entry = None;
    for line in &lines {
        let (kind, flags, words) = match line[..] {
            ["link", _] => continue,
            ["stack", flags] => (PT_GNU_STACK, rights(flags), [0; 5]),
            ["load", flags, ref words @ ..] => {
                let words: [u64; 5] = std::array::from_fn(|no| number(words[no]));
                entry = entry.or(Some(words[1] + CODE));
                (PT_LOAD, rights(flags), words)
            }
            _ => panic!("what is {line:?}?"),
        };
        let [offset, addr, file_bytes, memory_bytes, align] = words;
        headers.extend(kind.to_le_bytes());
        headers.extend(flags.to_le_bytes());
        for word in [offset, addr, addr, file_bytes, memory_bytes, align] {
            headers.extend(word.to_le_bytes());
        }
    }
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    file.extend(kind.to_le_bytes());
    file.extend(62u16.to_le_bytes());
    file.extend(1u32.to_le_bytes());
    for word in [entry.expect("a segment"), 64, 0] {
        file.extend(word.to_le_bytes());
    }
    file.extend(0u32.to_le_bytes());
    for word in [64, 56, headers.len() as u16 / 56, 64, 0, 0] {
        file.extend(word.to_le_bytes());
    }
    file.extend(headers);
    file.resize(FILE_BYTES, 0x90);
    file[CODE as usize..][..CODE_BYTES.len()].copy_from_slice(CODE_BYTES);
    file
}

/// Checks a program; returns how many execs were predicted.
fn predicted(scratch: &Scratch, user: User, program: &Path) -> u64 {
    let words = [vmatlas(), Path::new("check"), Path::new("--json"), Path::new("--"), program];
    let ran = Run::new(scratch, words).user(user).alone();
    let what = format!("{} as {user:?}: {}", program.display(), ran.stderr);
    let report: Value = serde_json::from_str(&ran.stderr).unwrap_or_else(|error| panic!("{error}: {what}"));
    assert_eq!(report["diverged"], 0, "{what}: {}", report["divergences"][0]["text"]);
    assert_eq!(ran.shell_status(), 0, "{what}");
    report["execs_predicted"].as_u64().expect("a count")
}

fn programs() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/rules");
    let files = fs::read_dir(&folder).expect("the corpus").map(|file| file.expect("a file").path());
    let mut files: Vec<PathBuf> =
        files.filter(|file| file.extension().is_some_and(|end| end == "elf")).collect();
    files.sort();
    files
}

#[test]
fn e24_the_files_of_the_corpus() {
    let files = programs();
    assert!(files.len() >= 8, "{files:?}");
    for file in files {
        let scratch = Scratch::new("e24");
        let program = scratch.path("program");
        fs::write(&program, elf(&fs::read_to_string(&file).expect("a text"))).expect("our own folder");
        fs::set_permissions(&program, Permissions::from_mode(0o755)).expect("our own file");
        for user in users() {
            assert_eq!(predicted(&scratch, *user, &program), 1, "{} as {user:?}", file.display());
        }
    }
}

#[test]
fn e24_what_compilers_link() {
    if !has("cc") {
        return;
    }
    let scratch = Scratch::new("e24");
    let source = scratch.path("a.c");
    let code =
        "char zeroes[1 << 20]; char data[5000] = {1}; int main(void) { return zeroes[4] + data[2]; }\n";
    fs::write(&source, code).expect("our own folder");
    let links: &[&[&str]] = &[
        &["-static"],
        &["-static-pie"],
        &["-no-pie"],
        &["-pie"],
        &["-pie", "-Wl,-z,execstack"],
        &["-pie", "-Wl,-z,max-page-size=0x200000"],
        &["-no-pie", "-Wl,-z,noseparate-code"],
        &["-static", "-Wl,-z,max-page-size=0x10000,-z,common-page-size=0x10000"],
    ];
    for flags in links {
        let program = scratch.path("program");
        let mut cc = Command::new("cc");
        let output = cc.args(["-w", "-fPIE"]).args(*flags).arg("-o").args([&program, &source]).output();
        let output = output.expect("cc runs");
        assert!(output.status.success(), "{flags:?}: {}", String::from_utf8_lossy(&output.stderr));
        for user in users() {
            assert_eq!(predicted(&scratch, *user, &program), 1, "{flags:?} as {user:?}");
        }
    }
}

/// What a process has set for its memory holds for the programs that it executes, and for those that whoever starts vmatlas
/// has set it for: no right is gained, no huge page comes, mappings may be merged by KSM.
#[test]
fn what_steers_memory_is_inherited() {
    let Some(inherits) = guest("inherits", Build::Dynamic) else { return };
    for (user, outside) in users().iter().flat_map(|user| [(*user, false), (*user, true)]) {
        let scratch = Scratch::new("inherits");
        let first = if outside { [inherits.as_path(), vmatlas()].to_vec() } else { vec![vmatlas()] };
        let last = if outside { vec![inherits.as_path()] } else { vec![inherits.as_path(); 2] };
        let words = |verb: &[&'static str]| {
            let verb = verb.iter().copied().map(Path::new);
            first
                .iter()
                .copied()
                .chain(verb)
                .chain(last.iter().copied())
                .chain([Path::new("--")])
                .collect::<Vec<_>>()
        };
        let ran = Run::new(&scratch, words(&["check", "--pages", "--json", "--"])).user(user).alone();
        assert_eq!(ran.stdout, "rights gained: 0 0\n", "{}", ran.stderr);
        let report: Value = serde_json::from_str(&ran.stderr).expect("--json prints JSON");
        assert_eq!(report["diverged"], 0, "{user:?}: {report:#}");
        assert_eq!(report["pages_differing"], 0, "{user:?}: {report:#}");
        assert_eq!(report["inputs"]["inherited state"].as_u64(), outside.then_some(1), "{report:#}");
        let recorded = words(&["record", "-q", "-o", "recording.vmatlas", "--"]);
        let ran = Run::new(&scratch, recorded).user(user).alone();
        assert_eq!(ran.stdout, "rights gained: 0 0\n", "{}", ran.stderr);
        Report::open(&scratch.path("recording.vmatlas")).assert_held();
    }
}

/// A program in each layout of a memory: up from a third of the addresses, below a stack of any size, with a page at 0.
#[test]
fn every_layout_is_predicted_and_held() {
    let Some(program) = guest("layouts", Build::Dynamic) else { return };
    for user in users() {
        let scratch = Scratch::new("layouts");
        assert_eq!(predicted(&scratch, *user, &program), 9, "{user:?}");
        let words = [vmatlas(), Path::new("record"), Path::new("-q"), Path::new("-o")];
        let words = [&words[..], &[Path::new("recording.vmatlas"), Path::new("--"), &program]].concat();
        let ran = Run::new(&scratch, words).user(*user).alone();
        assert_eq!(ran.shell_status(), 0, "{}", ran.stderr);
        Report::open(&scratch.path("recording.vmatlas")).assert_held();
    }
}
