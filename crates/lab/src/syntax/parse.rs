//! The parser: one line, one statement.

use abi::{MapFlags, MlockFlags, MlockallFlags, MsyncFlags, Prot, RemapFlags};

use check::fuzz::{Direction, Privilege};

use super::cursor::Cursor;
use super::expect::expectation;
use super::keywords;
use super::span::Fault;
use super::statement::{Backing, Content, Expr, Give, Kind, Mode, Name, Place, Statement, Step, Touch, What};
use super::token::{self, Token};
use super::verbs;

/// How often a line may be repeated within a repeated line.
const REPEATS_MAX: usize = 2;

/// Reads a line.
///
/// # Errors
/// What is wrong, and where.
pub(crate) fn statement(line: &str) -> Result<Statement, Fault> {
    let mut words = Cursor::new(line, token::tokens(line)?);
    let statement = whole(&mut words, 0)?;
    words.end()?;
    Ok(statement)
}

fn whole(words: &mut Cursor, depth: usize) -> Result<Statement, Fault> {
    let mut who = None;
    let mut bind = None;
    let nothing = Statement { who: None, bind: None, step: Step::Nothing, span: words.here() };
    if words.peek().is_none() {
        return Ok(nothing);
    }
    let mut verb = words.word("a call, or NAME = a call")?;
    if words.sign(':') {
        who = Some(verb);
        verb = words.word("what it does")?;
    }
    if words.sign('=') {
        if verbs::verb(&verb.text).is_some() || verbs::BUILT_IN.contains(&verb.text.as_str()) {
            return Err(Fault::new(
                verb.span,
                format!("`{}` means something itself: take another name", verb.text),
            ));
        }
        bind = Some(verb);
        if matches!(words.peek(), Some(Token::Number(_))) {
            let span = words.here();
            return Ok(Statement { who, bind, step: Step::Let(words.expr("a value")?), span });
        }
        verb = words.word("a call")?;
    }
    let span = verb.span;
    if verb.text == "repeat" {
        if depth >= REPEATS_MAX {
            return Err(Fault::new(span, "repeated too often within each other"));
        }
        let times = words.expr("how many times")?;
        let inner = whole(words, depth + 1)?;
        return Ok(Statement { who, bind, step: Step::Repeat(times, Box::new(inner)), span });
    }
    let step = step(&verb, words)?;
    if bind.is_some() && !verbs::verb(&verb.text).is_some_and(|verb| verb.gives) {
        return Err(Fault::new(span, format!("`{}` gives nothing that could have a name", verb.text)));
    }
    Ok(Statement { who, bind, step, span })
}

fn step(verb: &Name, words: &mut Cursor) -> Result<Step, Fault> {
    Ok(match verb.text.as_str() {
        "mmap" => mmap(words)?,
        "munmap" => Step::Munmap { addr: addr(words)?, len: len(words)? },
        "mprotect" => {
            let (addr, len) = (addr(words)?, len(words)?);
            let mut prot = prot(words)?;
            while let Some(grows) = words.known(keywords::grows) {
                prot = prot | grows;
            }
            Step::Mprotect { addr, len, prot }
        }
        "mremap" => mremap(words)?,
        "madvise" => {
            let (addr, len) = (addr(words)?, len(words)?);
            let what = "an advice: dontneed, free, willneed, populate_write, guard_install, ...";
            Step::Madvise { addr, len, advice: words.must_know(what, keywords::advice)? }
        }
        "mlock" => {
            let (addr, len) = (addr(words)?, len(words)?);
            let flags = words.known(keywords::mlock_flag).unwrap_or(MlockFlags::NONE);
            Step::Mlock { addr, len, flags }
        }
        "munlock" => Step::Munlock { addr: addr(words)?, len: len(words)? },
        "mlockall" => {
            let mut flags = MlockallFlags::NONE;
            while let Some(flag) = words.known(keywords::mlockall_flag) {
                flags = flags | flag;
            }
            Step::Mlockall { flags }
        }
        "munlockall" => Step::Munlockall,
        "msync" => {
            let (addr, len) = (addr(words)?, len(words)?);
            let mut flags = MsyncFlags::NONE;
            while let Some(flag) = words.known(keywords::msync_flag) {
                flags = flags | flag;
            }
            Step::Msync { addr, len, flags }
        }
        "mincore" => Step::Mincore { addr: addr(words)?, len: len(words)? },
        "mseal" => Step::Mseal { addr: addr(words)?, len: len(words)? },
        "brk" => brk(words)?,
        "limit" => limit(words)?,
        "fuzz" => fuzz(words),
        "raw" => {
            let span = words.here();
            let act = check::fuzz::Act::parse(&words.rest());
            Step::Raw(act.ok_or_else(|| Fault::new(span, "no act of a fuzzer's program"))?)
        }
        _ => return access(verb, words),
    })
}

fn fuzz(words: &mut Cursor) -> Step {
    let bottom_up = words.keyword("bottomup");
    let dropped = words.keyword("unprivileged");
    Step::Fuzz(
        if bottom_up { Direction::BottomUp } else { Direction::TopDown },
        if dropped { Privilege::Dropped } else { Privilege::Kept },
    )
}

/// What is no memory call: accesses and files.
fn access(verb: &Name, words: &mut Cursor) -> Result<Step, Fault> {
    Ok(match verb.text.as_str() {
        "touch" | "load" => {
            let addr = addr(words)?;
            let len = if words.is_expr() { Some(len(words)?) } else { None };
            let how = if verb.text == "touch" { Touch::Write } else { Touch::Read };
            Step::Touch { addr, len, how }
        }
        "read" => Step::Read { from: place(words)?, len: len(words)? },
        "write" => {
            let to = place(words)?;
            let bytes = words.text().ok_or_else(|| words.expected("a text in quotes"))?;
            Step::Write { to, bytes }
        }
        "fill" => Step::Fill { to: place(words)?, len: len(words)?, byte: words.expr("a byte, 0 to 255")? },
        "exec" => Step::Exec { addr: addr(words)? },
        "file" => {
            let content = match words.text() {
                Some(text) => Content::Text(text),
                None => Content::Alphabet(words.expr("a size, or a text in quotes")?),
            };
            let kind = if words.keyword("memfd") { Kind::Memory } else { Kind::Disk };
            Step::File { content, mode: mode(words), kind }
        }
        "open" => Step::Open { file: words.word("a file's name")?, mode: mode(words) },
        "truncate" => {
            Step::Truncate { file: words.word("a file's name")?, bytes: words.expr("its new size")? }
        }
        _ => return process(verb, words),
    })
}

/// Processes, stacks, the heap's allocator.
fn process(verb: &Name, words: &mut Cursor) -> Result<Step, Fault> {
    Ok(match verb.text.as_str() {
        "fork" => Step::Fork,
        "thread" => Step::Thread { stack: if words.is_expr() { Some(len(words)?) } else { None } },
        "exit" => Step::Exit,
        "switch" => Step::Switch(words.word("a process's or thread's name")?),
        "call" => Step::Call {
            function: words.word("a function's name")?,
            bytes: words.expr("the bytes of its frame")?,
        },
        "return" => Step::Return,
        "malloc" => Step::Malloc { bytes: len(words)? },
        "free" => Step::Free { addr: addr(words)? },
        _ => return show(verb, words),
    })
}

/// What changes nothing but the lab itself.
fn show(verb: &Name, words: &mut Cursor) -> Result<Step, Fault> {
    Ok(match verb.text.as_str() {
        "maps" => Step::Show(What::Maps),
        "pages" => Step::Show(What::Pages(addr(words)?, len(words)?)),
        "smaps" => Step::Show(What::Smaps(addr(words)?)),
        "why" => Step::Show(What::Why),
        "frames" => Step::Show(What::Frames),
        "elf" => Step::Show(What::Elf),
        "names" => Step::Show(What::Names),
        "expect" => Step::Expect(expectation(words)?),
        "undo" => Step::Undo,
        "goto" => Step::Goto(words.expr("a line's number")?),
        "help" => Step::Help(words.word("").ok()),
        "quit" => Step::Quit,
        other => {
            let near = verbs::nearest(other).map(|near| format!(": is `{near}` meant?"));
            let hint = near.unwrap_or_else(|| "; `help` lists what there is".into());
            return Err(Fault::new(verb.span, format!("there is no `{other}`{hint}")));
        }
    })
}

fn addr(words: &mut Cursor) -> Result<Expr, Fault> {
    words.expr("an address: a name, a name + an offset, or 0x...")
}

fn len(words: &mut Cursor) -> Result<Expr, Fault> {
    words.expr("a length in bytes (K, M, G)")
}

/// Letters, or a number for the bits that have no letters.
fn prot(words: &mut Cursor) -> Result<Prot, Fault> {
    if let Some(Token::Number(bits)) = words.peek() {
        let prot = Prot(*bits);
        words.next();
        return Ok(prot);
    }
    words.must_know("a protection: letters of rwx, or none", keywords::protection)
}

fn mmap(words: &mut Cursor) -> Result<Step, Fault> {
    let (len, prot) = (len(words)?, prot(words)?);
    let mut flags = words.must_know("`private` or `shared`", keywords::map_type)?;
    let backing = if words.keyword("anon") {
        flags = flags | MapFlags::ANONYMOUS;
        Backing::Anonymous
    } else if words.keyword("badfd") {
        Backing::BadDescriptor
    } else {
        let file = words.word("`anon` or a file's name")?;
        let offset = if words.sign('@') { Some(words.expr("an offset into the file")?) } else { None };
        Backing::File(file, offset)
    };
    let mut at = None;
    loop {
        if at.is_none() && words.keyword("at") {
            at = Some(addr(words)?);
        } else if let Some(flag) = words.known(keywords::map_flag) {
            flags = flags | flag;
        } else if words.peek().is_some() {
            return Err(
                words.expected("`at ADDR` or a flag: fixed, noreplace, populate, locked, growsdown, ...")
            );
        } else {
            return Ok(Step::Mmap { len, prot, flags, backing, at });
        }
    }
}

fn mremap(words: &mut Cursor) -> Result<Step, Fault> {
    let (addr, old, new) = (addr(words)?, len(words)?, len(words)?);
    let (mut flags, mut to) = (RemapFlags::NONE, None);
    loop {
        if to.is_none() && words.keyword("to") {
            flags = flags | RemapFlags::FIXED;
            to = Some(self::addr(words)?);
        } else if let Some(flag) = words.known(keywords::remap_flag) {
            flags = flags | flag;
        } else if words.peek().is_some() {
            return Err(words.expected("maymove, dontunmap, or `to ADDR`"));
        } else {
            return Ok(Step::Mremap { addr, old, new, flags, to });
        }
    }
}

fn brk(words: &mut Cursor) -> Result<Step, Fault> {
    let give = match words.peek() {
        None => return Ok(Step::Brk(None)),
        Some(Token::Sign('+')) => Some(Give::Add),
        Some(Token::Sign('-')) => Some(Give::Take),
        _ => None,
    };
    if give.is_some() {
        words.next();
    }
    Ok(Step::Brk(Some((give, words.expr("an address, or + or - a length")?))))
}

fn limit(words: &mut Cursor) -> Result<Step, Fault> {
    let resource = words.must_know("a limit: as, data, stack or memlock", keywords::resource)?;
    words.must_sign('=')?;
    let soft = if words.keyword("unlimited") { None } else { Some(words.expr("a size, or unlimited")?) };
    Ok(Step::Limit { resource, soft })
}

/// `FILE@OFFSET`, or an address.
fn place(words: &mut Cursor) -> Result<Place, Fault> {
    let expr = addr(words)?;
    if !words.sign('@') {
        return Ok(Place::Memory(expr));
    }
    match expr.terms.as_slice() {
        [(_, super::Term::Name(name), span)] => {
            let name = Name { text: name.clone(), span: *span };
            Ok(Place::File(name, words.expr("an offset into the file")?))
        }
        _ => Err(Fault::new(expr.span(), "only a file's name stands before `@`")),
    }
}

fn mode(words: &mut Cursor) -> Mode {
    let known = words.known(|word| match word {
        "readonly" => Some(Mode::ReadOnly),
        "writeonly" => Some(Mode::WriteOnly),
        _ => None,
    });
    known.unwrap_or(Mode::Both)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_is_read() {
        let read = statement("a = mmap 64K rw private anon at 0x1000 fixed").expect("a statement");
        assert_eq!(read.bind.map(|name| name.text).as_deref(), Some("a"));
        let Step::Mmap { prot, flags, .. } = read.step else { unreachable!("a mapping") };
        assert_eq!(prot, Prot::RW);
        assert_eq!(flags, MapFlags::PRIVATE | MapFlags::ANONYMOUS | MapFlags::FIXED);
    }

    #[test]
    fn faults_have_their_place() {
        for (line, start, what) in [
            ("a = mmap 64K rq private anon", 13, "letters of rwx"),
            ("a = mmap", 8, "the line ends"),
            ("munmap a", 8, "a length"),
            ("mumnap a 4K", 0, "is `munmap` meant?"),
            ("heap = mmap 4K rw private anon", 0, "another name"),
            ("x = munmap a 4K", 4, "gives nothing"),
            ("mmap 4K rw private anon fixd", 24, "a flag"),
            ("expect", 6, "an errno"),
            ("munmap a 4K 5K", 12, "the end of the line"),
            ("repeat 2 repeat 2 repeat 2 fork", 18, "too often"),
        ] {
            let fault = statement(line).expect_err(line);
            assert_eq!(fault.span.start, start, "{line}: {}", fault.what);
            assert!(fault.what.contains(what), "{line}: {}", fault.what);
        }
    }

    #[test]
    fn every_line_of_the_help_has_room_on_a_terminal() {
        for line in crate::help(None) {
            let text = line.plain();
            assert!(text.chars().count() < 80, "{text}");
        }
    }

    #[test]
    fn every_example_of_the_help_is_read() {
        for verb in verbs::VERBS {
            statement(verb.example).unwrap_or_else(|fault| unreachable!("{}: {}", verb.example, fault.what));
        }
    }
}
