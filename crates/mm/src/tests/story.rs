//! A story: operations on a small world, each with the picture it leaves.
//!
//! ```text
//! map W 0..3           | WWW.....         what was done | what is mapped then
//! protect R 1..2       | WRW.....
//! protect R 0..1 = ok  | RR|RW...         `|` between two mappings that look alike
//! ```
//!
//! `W` rw, `R` r, `N` none, `X` rx, `J` rwx, `G` rw that grows down, `S` shared, `F` a file, `O` one of overlayfs, both
//! privately; small: it is sealed. `P` a counter's ring, `U` one of `io_uring`, `B` (`b`: read only) a BPF map, `A` an
//! arena, `T` a trace buffer, `D` another device: all of them are drawn `D`. Ranges and places are pages. An answer that is
//! not `ok` stands behind `=`.

mod words;

extern crate std;

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use abi::{AddrRange, Call, Errno, Fd, FileId, MapFlags, PAGE_SIZE, Prot, Resource, Rlimit, VirtAddr};

use crate::access::{Access, Signal, Touch};
use crate::driver::Driver;
use crate::file::{DescriptionId, FileKind, MapFile, ObjectId, OpenMode};
use crate::flags::VmFlags;
use crate::input::{FileInput, Input, Outcome};
use crate::profile::Profile;
use crate::space::{AddressSpace, Layout, Limits};
use crate::system::System;
use crate::vma::Vma;

/// The first address of the world.
const BASE: u64 = 0x10_0000_0000;
/// Where mappings without a hint end.
const TOP: u64 = 24;
/// The heap's start.
const HEAP: u64 = 16;

/// Tells a story and checks each picture and answer.
pub(super) fn story(text: &str) {
    let mut world = World::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (step, picture) = line.split_once(" | ").unwrap_or((line, ""));
        let (step, answer) = step.split_once('=').unwrap_or((step, "ok"));
        let words: Vec<_> = step.split_whitespace().collect();
        assert_eq!(world.step(&words), answer.trim(), "answer of: {line}\n{}", world.why);
        let picture = picture.trim();
        if !picture.is_empty() {
            assert_eq!(world.picture(), picture.trim_end_matches('.'), "after: {line}\n{}", world.why);
        }
    }
}

struct World {
    sys: System,
    spaces: Vec<AddressSpace>,
    at: usize,
    why: String,
}

fn page(at: u64) -> VirtAddr {
    VirtAddr(BASE + at * PAGE_SIZE)
}

fn number(word: &str) -> u64 {
    word.parse().expect("a number")
}

/// `3..5`, or `3..` for the rest of the world.
fn range(word: &str) -> (VirtAddr, u64) {
    let (start, end) = word.split_once("..").expect("a range of pages");
    let (start, end) = (number(start), if end.is_empty() { TOP } else { number(end) });
    (page(start), (end - start) * PAGE_SIZE)
}

/// The protection and flags of a kind of mapping.
fn kind(word: &str) -> (Prot, MapFlags) {
    let private = MapFlags::PRIVATE | MapFlags::ANONYMOUS;
    match word {
        "W" => (Prot::RW, private),
        "R" => (Prot::READ, private),
        "N" => (Prot::NONE, private),
        "X" => (Prot::RX, private),
        "J" => (Prot::RW | Prot::EXEC, private),
        "G" => (Prot::RW, private | MapFlags::GROWSDOWN),
        "S" => (Prot::RW, MapFlags::SHARED | MapFlags::ANONYMOUS),
        "F" | "O" => (Prot::RW, MapFlags::PRIVATE),
        "P" | "U" | "B" | "A" | "D" => (Prot::RW, MapFlags::SHARED),
        "b" | "T" => (Prot::READ, MapFlags::SHARED),
        other => unreachable!("{other} is no kind of mapping"),
    }
}

/// The kind of file behind a kind of mapping.
fn file_kind(word: &str) -> FileKind {
    FileKind::Special(match word {
        "P" => Driver::Perf,
        "U" => Driver::IoUring,
        "B" | "b" => Driver::Bpf,
        "A" => Driver::BpfArena,
        "T" => Driver::Trace,
        "D" => Driver::Other,
        "O" => return FileKind::Overlay,
        _ => return FileKind::RegularOther,
    })
}

fn file(kind: FileKind) -> Arc<MapFile> {
    Arc::new(MapFile {
        object: ObjectId::File(FileId::default()),
        description: DescriptionId::Known(1),
        kind,
        mode: OpenMode { read: true, write: true, append_only: false },
        bytes: 8 * PAGE_SIZE,
        seals: 0,
        noexec: false,
    })
}

impl World {
    fn new() -> Self {
        let mut sys = System::new(Profile::linux_6_18_x86_64());
        let layout = Layout {
            mmap_base: page(TOP),
            mmap_legacy_base: page(0),
            start_brk: page(HEAP),
            brk: page(HEAP),
            ..Layout::default()
        };
        let space = AddressSpace::adopt(&mut sys, layout, Limits::default(), []);
        Self { sys, spaces: vec![space], at: 0, why: String::new() }
    }

    fn step(&mut self, words: &[&str]) -> String {
        let word = |at: usize| words.get(at).copied().unwrap_or_default();
        match word(0) {
            "map" => self.map(words, MapFlags::FIXED),
            "place" => self.map(words, MapFlags::NONE),
            "unmap" => {
                let (addr, len) = range(word(1));
                self.call(Call::Munmap { addr, len })
            }
            "protect" => {
                let (addr, len) = range(word(2));
                let grows = if word(3) == "down" { Prot::GROWSDOWN } else { Prot::NONE };
                self.call(Call::Mprotect { addr, len, prot: kind(word(1)).0 | grows })
            }
            "brk" => {
                let to = page(HEAP + number(word(1)));
                let answer = self.act(Call::Brk { addr: to }, &Input::default());
                if answer.result == Ok(to.0) { "ok".to_owned() } else { "refused".to_owned() }
            }
            "write" => self.touch(word(1), Access::Write),
            "read" => self.touch(word(1), Access::Read),
            "fetch" => self.touch(word(1), Access::Exec),
            "limit" => self.limit(word(1), word(2)),
            "seal" => {
                let (start, len) = range(word(1));
                self.seal(AddrRange { start, end: VirtAddr(start.0 + len) });
                "ok".to_owned()
            }
            "fork" => {
                let child = self.spaces[self.at].fork(&mut self.sys, &Input::default());
                self.spaces.push(child.expect("the child fits"));
                self.at = self.spaces.len() - 1;
                "ok".to_owned()
            }
            "process" => {
                self.at = number(word(1)) as usize;
                "ok".to_owned()
            }
            "counts" => self.counts(),
            _ => self.step_existing(words),
        }
    }

    /// `map W 0..3 [FLAG...]`, `place W 3 [at 5] [FLAG...]`; an errno is what the kernel was seen to answer.
    fn map(&mut self, words: &[&str], fixed: MapFlags) -> String {
        let (prot, mut flags) = kind(words[1]);
        flags = flags | fixed;
        let (mut addr, len) = match fixed {
            MapFlags::FIXED => range(words[2]),
            _ => (VirtAddr::NULL, number(words[2]) * PAGE_SIZE),
        };
        let mut observed = None;
        let mut rest = words[3..].iter();
        while let Some(word) = rest.next() {
            match *word {
                "at" => addr = page(number(rest.next().expect("a page"))),
                "private" => flags = flags.without(MapFlags::SHARED) | MapFlags::PRIVATE,
                "ENODEV" => observed = Some(Err(Errno::ENODEV)),
                "EAGAIN" => observed = Some(Err(Errno::EAGAIN)),
                name => flags = flags | named(name),
            }
        }
        // A file's pages lie at the same places as the world's.
        let of_file = matches!(words[1], "F" | "O");
        let offset = if of_file && addr.0 >= BASE { addr.0 - BASE } else { 0 };
        let call = Call::Mmap { addr, len, prot, flags, fd: Fd(3), offset };
        let input = Input { file: FileInput::Open(file(file_kind(words[1]))), observed, ..Input::default() };
        match self.act(call, &input).result {
            Ok(start) if start == addr.0 => "ok".to_owned(),
            Ok(start) => format!("{}", (start.wrapping_sub(BASE) as i64) / PAGE_SIZE as i64),
            Err(errno) => errno.to_string(),
        }
    }

    fn act(&mut self, call: Call, input: &Input) -> Outcome {
        let outcome = self.spaces[self.at].call(&mut self.sys, call, input);
        self.why = outcome.why.to_string();
        outcome
    }

    fn call(&mut self, call: Call) -> String {
        answer(self.act(call, &Input::default()).result)
    }

    fn touch(&mut self, word: &str, access: Access) -> String {
        let addr = VirtAddr(page(number(word)).0 + 8);
        let result = self.spaces[self.at].touch(&mut self.sys, addr, access, &Input::default());
        match result {
            Ok(Touch::Present) => "ok",
            Ok(Touch::Grew) => "grew",
            Err(Signal::SegvMapErr) => "MAPERR",
            Err(Signal::SegvAccErr) => "ACCERR",
            Err(Signal::SegvPkuErr { .. }) => "PKUERR",
            Err(Signal::BusAdrErr | Signal::BusBroken) => "BUS",
            Err(Signal::Userfault { .. }) => "WAITS",
        }
        .to_owned()
    }

    fn limit(&mut self, what: &str, pages: &str) -> String {
        let limit = Rlimit { soft: number(pages) * PAGE_SIZE, hard: Rlimit::INFINITY };
        let resource = match what {
            "AS" => Resource::AS,
            "DATA" => Resource::DATA,
            "STACK" => Resource::STACK,
            "MEMLOCK" => Resource::MEMLOCK,
            "mappings" => {
                Arc::make_mut(&mut self.sys.profile).max_map_count = number(pages);
                return "ok".to_owned();
            }
            other => unreachable!("{other} is no limit"),
        };
        self.spaces[self.at].set_limit(resource, limit);
        "ok".to_owned()
    }

    /// Seals whole mappings.
    fn seal(&mut self, range: AddrRange) {
        let space = &mut self.spaces[self.at];
        let starts: Vec<_> = space.vmas.range(range).map(Vma::start).collect();
        for start in starts {
            space.vmas.update(start, |vma| vma.flags = vma.flags | VmFlags::SEALED);
        }
    }

    fn counts(&self) -> String {
        let counters = self.spaces[self.at].counters();
        format!(
            "{} data {} stack {} locked {}",
            counters.total_vm, counters.data_vm, counters.stack_vm, counters.locked_vm
        )
    }

    fn picture(&self) -> String {
        let mut picture = String::new();
        let mut last: Option<&Vma> = None;
        for vma in self.spaces[self.at].vmas() {
            let start = last.map_or(page(0), |last| last.range.end);
            picture.extend((start.0..vma.range.start.0).step_by(PAGE_SIZE as usize).map(|_| '.'));
            let touches = last.is_some_and(|last| last.range.end == vma.range.start);
            if touches && last.map(letter) == Some(letter(vma)) {
                picture.push('|');
            }
            picture.extend((0..vma.pages()).map(|_| letter(vma)));
            last = Some(vma);
        }
        picture
    }
}

fn answer(result: Result<u64, Errno>) -> String {
    match result {
        Ok(0) => "ok".to_owned(),
        Ok(other) => format!("{other:#x}"),
        Err(errno) => errno.to_string(),
    }
}

fn named(name: &str) -> MapFlags {
    match name {
        "noreplace" => MapFlags::FIXED_NOREPLACE,
        "locked" => MapFlags::LOCKED,
        "noreserve" => MapFlags::NORESERVE,
        "populate" => MapFlags::POPULATE,
        "32bit" => MapFlags::MAP_32BIT,
        other => unreachable!("{other} is no flag"),
    }
}

fn letter(vma: &Vma) -> char {
    let letter = match (vma.flags.prot(), vma.backing.file().map(|file| file.kind)) {
        (_, Some(FileKind::Shmem | FileKind::SysV)) => 'S',
        (_, Some(FileKind::Overlay)) => 'O',
        (_, Some(FileKind::Special(_))) => 'D',
        (_, Some(_)) => 'F',
        (Prot::RW, None) if vma.flags.contains(VmFlags::GROWSDOWN) => 'G',
        (Prot::RW, None) => 'W',
        (Prot::READ, None) => 'R',
        (Prot::NONE, None) => 'N',
        (Prot::RX, None) => 'X',
        (_, None) => 'J',
    };
    if vma.flags.contains(VmFlags::SEALED) { letter.to_ascii_lowercase() } else { letter }
}
