//! A program as a script of the lab, which does the same.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use abi::{Advice, Call, Fd, MapFlags, Prot};
use live::Setup;

use super::line::{Act, Line, Privilege, Program};
use super::origin::Direction;

/// The files that processes hold open.
const FILES: usize = 16;

/// Writes a program as a script of the lab: what has a word in the lab's language is said by it, the rest by `raw`.
pub fn script(program: &Program, direction: Direction) -> String {
    let mut text = String::from("fuzz");
    text.push_str(if direction == Direction::BottomUp { " bottomup" } else { "" });
    text.push_str(if program.privilege == Privilege::Dropped { " unprivileged" } else { "" });
    text.push('\n');
    let mut parents = BTreeMap::from([(0, 0)]);
    let mut forks = 0;
    for Line { who, act } in &program.lines {
        // A process that is gone does nothing, and one with children does not end.
        let has_children = || parents.iter().any(|(child, parent)| child != who && parent == who);
        if !parents.contains_key(who) || (*act == Act::Exit && (*who == 0 || has_children())) {
            continue;
        }
        match act {
            Act::Fork => {
                forks += 1;
                parents.insert(forks, *who);
            }
            Act::Exit => drop(parents.remove(who)),
            _ => {}
        }
        let by = if *who == 0 { String::new() } else { format!("child{who}: ") };
        let _infallible = writeln!(text, "{by}{}", of_act(act));
    }
    text
}

fn of_act(act: &Act) -> String {
    match act {
        Act::Load(addr) => format!("load {addr:#x}"),
        Act::Store(addr) => format!("touch {addr:#x}"),
        Act::Fetch(addr) => format!("exec {addr:#x}"),
        Act::Fork => "fork".into(),
        Act::Exit => "exit".into(),
        Act::Call(call) => words(*call).unwrap_or_else(|| format!("raw {act}")),
        other => format!("raw {other}"),
    }
}

/// A call in the words of the lab, if they say just this call.
fn words(call: Call) -> Option<String> {
    Some(match call {
        Call::Mmap { addr, len, prot, flags, fd, offset } => {
            let (kind, more) = flag_words(flags)?;
            let backing = match (flags.contains(MapFlags::ANONYMOUS), fd, offset) {
                (true, Fd(-1), 0) => "anon".to_owned(),
                (true, ..) => return None,
                (false, fd, offset) => {
                    let file = (0..FILES).find(|file| Setup::fd(*file) == fd)?;
                    let from = if offset == 0 { String::new() } else { format!("@{offset:#x}") };
                    format!("file{file}{from}")
                }
            };
            let at = if addr.0 == 0 { String::new() } else { format!(" at {addr:#x}") };
            format!("mmap {len:#x} {} {kind} {backing}{at}{more}", prot_words(prot))
        }
        Call::Munmap { addr, len } => format!("munmap {addr:#x} {len:#x}"),
        Call::Mprotect { addr, len, prot } => format!("mprotect {addr:#x} {len:#x} {}", prot_words(prot)),
        Call::Madvise { addr, len, advice } => {
            // The lab fills no long ranges.
            let fills = matches!(advice, Advice::POPULATE_READ | Advice::POPULATE_WRITE);
            let (_, name) = Advice::NAMED.iter().find(|(known, _)| *known == advice && !fills)?;
            format!("madvise {addr:#x} {len:#x} {}", name.trim_start_matches("MADV_").to_lowercase())
        }
        Call::Mlock { addr, len } => format!("mlock {addr:#x} {len:#x}"),
        Call::Munlock { addr, len } => format!("munlock {addr:#x} {len:#x}"),
        Call::Mseal { addr, len, flags: 0 } => format!("mseal {addr:#x} {len:#x}"),
        Call::Brk { addr } if addr.0 == 0 => "brk".into(),
        Call::Brk { addr } => format!("brk {addr:#x}"),
        Call::Munlockall {} => "munlockall".into(),
        _ => return None,
    })
}

/// The type of a mapping and its other flags; `None` where some bit has no word.
fn flag_words(flags: MapFlags) -> Option<(&'static str, String)> {
    let (kind, word) = match flags {
        flags if flags.contains(MapFlags::SHARED | MapFlags::PRIVATE) => return None,
        flags if flags.contains(MapFlags::PRIVATE) => (MapFlags::PRIVATE, "private"),
        _ => (MapFlags::SHARED, "shared"),
    };
    let mut said = kind;
    let mut more = String::new();
    for (flag, name) in MapFlags::NAMED {
        if !(MapFlags::SHARED | MapFlags::PRIVATE).contains(*flag) && flags.contains(*flag) {
            said = said | *flag;
            if *flag != MapFlags::ANONYMOUS {
                let _infallible = write!(more, " {}", name.trim_start_matches("MAP_").to_lowercase());
            }
        }
    }
    (said == flags).then_some((word, more))
}

fn prot_words(prot: Prot) -> String {
    let letters = [(Prot::READ, 'r'), (Prot::WRITE, 'w'), (Prot::EXEC, 'x')];
    match prot {
        Prot::NONE => "none".into(),
        prot if (Prot::RW | Prot::EXEC).contains(prot) => {
            letters.iter().filter(|(bit, _)| prot.contains(*bit)).map(|(_, letter)| letter).collect()
        }
        Prot(bits) => format!("{bits:#x}"),
    }
}
