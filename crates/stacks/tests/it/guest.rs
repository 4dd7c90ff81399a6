//! Building guests, running them, and reading what they write.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use abi::{AddrRange, FileOff, VirtAddr};
use stacks::{Chain, Code, CodeMap, DebugFiles, ObjectFile, Registers, StackCopy, Symbolizer, Unwinder};

/// A folder that lives as long as this value.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("vmatlas-stacks-{}-{number}", std::process::id()));
        std::fs::create_dir(&folder).expect("a new folder below the temporary one");
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Builds a guest; `None`, said as skipped, where its compiler is not there.
pub(crate) fn build(folder: &Folder, source: &str, flags: &[&str]) -> Option<PathBuf> {
    let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guests/chains");
    let dump = folder.0.join("dump.o");
    let program = folder.0.join("guest");
    let common = ["-O2", "-g", "-w"];
    run(Command::new("cc").args(common).arg("-c").arg(guests.join("dump.c")).arg("-o").arg(&dump))?;
    let source = guests.join(source);
    let mut command = match source.extension().and_then(|extension| extension.to_str()) {
        Some("rs") => {
            let mut command = Command::new("rustc");
            let link = format!("link-arg={}", dump.display());
            command.args(["--edition", "2021", "-O", "-g", "-C", &link]);
            command
        }
        Some("cpp") => {
            let mut command = Command::new("c++");
            command.args(common).arg("-pthread").arg(&dump);
            command
        }
        _ => {
            let mut command = Command::new("cc");
            command.args(common).arg("-pthread").arg(&dump);
            command
        }
    };
    run(command.args(flags).arg(&source).arg("-o").arg(&program))?;
    Some(program)
}

fn run(command: &mut Command) -> Option<()> {
    let Ok(output) = command.output() else {
        println!("SKIPPED: chains of guests, {:?} is not installed", command.get_program());
        return None;
    };
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Some(())
}

/// What a guest has written.
pub(crate) struct Dump {
    registers: Registers,
    pieces: Vec<(VirtAddr, Vec<u8>)>,
    pub(crate) code: CodeMap,
}

impl Dump {
    /// Runs a guest.
    pub(crate) fn of(program: &Path, args: &[&str]) -> Self {
        let output = Command::new(program).args(args).output().expect("it was just built");
        assert!(output.status.success(), "{:?}", output.status);
        Self::read(&output.stdout)
    }

    fn read(bytes: &[u8]) -> Self {
        let mut rest = bytes;
        let word = |rest: &mut &[u8]| {
            let (word, after) = rest.split_at(8);
            *rest = after;
            u64::from_le_bytes(word.try_into().expect("eight bytes"))
        };
        let ip = VirtAddr(word(&mut rest));
        let general = std::array::from_fn(|_| word(&mut rest));
        let pieces = (0..word(&mut rest)).map(|_| {
            let start = VirtAddr(word(&mut rest));
            let size = word(&mut rest) as usize;
            let (piece, after) = rest.split_at(size);
            rest = after;
            (start, piece.to_vec())
        });
        let pieces = pieces.collect();
        let code = code_map(std::str::from_utf8(rest).expect("paths of this test are text"));
        Self { registers: Registers::new(ip, general), pieces, code }
    }

    /// Unwinds with at most this many bytes of each piece.
    pub(crate) fn unwind(&self, bytes_max: usize) -> Chain {
        let mut stack = StackCopy::default();
        for (start, bytes) in &self.pieces {
            stack = stack.with(*start, &bytes[..bytes.len().min(bytes_max)]);
        }
        Unwinder::new().unwind(&self.code, &self.registers, &stack)
    }

    /// Unwinds with the two registers that can be read of a thread that waits in the kernel.
    pub(crate) fn unwind_waiting(&self) -> Chain {
        let (start, bytes) = &self.pieces[0];
        let registers = Registers::from_ip_sp(self.registers.ip, self.registers.sp());
        Unwinder::new().unwind(&self.code, &registers, &StackCopy::new(*start, bytes))
    }

    /// The names of a chain's frames, inlined ones in parentheses, `?` where there is none.
    pub(crate) fn names(&self, chain: &Chain) -> Vec<String> {
        let mut symbolizer = Symbolizer::new(DebugFiles::none());
        let mut names = Vec::new();
        for (no, frame) in chain.frames.iter().enumerate() {
            let inside = VirtAddr(frame.0 - u64::from(no > 0));
            let found = self.code.locate(inside).map(|(object, addr)| symbolizer.frames(object, addr));
            let found = found.unwrap_or_default();
            if found.is_empty() {
                names.push("?".into());
            }
            names.extend(found.into_iter().map(|frame| {
                let name = frame.function.unwrap_or("?".into());
                if frame.is_inlined { format!("({name})") } else { name }
            }));
        }
        names
    }
}

/// Reads the executable lines of a map.
fn code_map(text: &str) -> CodeMap {
    let mut objects: HashMap<String, Option<Arc<ObjectFile>>> = HashMap::new();
    let mut code = CodeMap::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let number = |text: &str| u64::from_str_radix(text, 16).expect("a hexadecimal number");
        let (start, end) = fields[0].split_once('-').expect("a range");
        if !fields[1].contains('x') {
            continue;
        }
        let path = fields.get(5).copied().unwrap_or_default();
        let open = || ObjectFile::open(Path::new(path)).ok().map(Arc::new);
        let object = objects.entry(path.into()).or_insert_with(open).clone();
        let range = AddrRange::new(VirtAddr(number(start)), VirtAddr(number(end)));
        code.insert(Code { range, offset: FileOff(number(fields[2])), object });
    }
    code
}
