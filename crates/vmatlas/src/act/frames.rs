//! The call frames of threads: of a running process by a look at each thread, of a core from its registers.

use std::collections::HashMap;
use std::sync::Arc;

use abi::{FileId, Prot, Tid, VirtAddr};
use snapshot::{Memory, Moment, Snapshot};
use stacks::{Code, CodeMap, DebugFiles, End, ObjectFile, Registers, StackCopy, Symbolizer, Unwinder};
use view::{FrameRow, MapView, words};

use super::found::Found;
use super::place;

/// How much of a stack is copied: frames beyond are not walked, which is said.
const STACK_BYTES: usize = 256 << 10;
/// The kernel's code for a process has a few pages.
const VDSO_BYTES_MAX: u64 = 1 << 20;

/// Adds the frames to the stacks of a view.
pub(super) fn add(view: &mut MapView, found: &Found) {
    let code = code_map(found);
    let mut unwinder = Unwinder::new();
    let mut symbolizer = Symbolizer::new(DebugFiles::from_environment());
    for stack in &mut view.stacks {
        let tid = stack.tid.or(if stack.is_main { view.pid } else { None });
        let Some(tid) = tid.map(Tid) else { continue };
        let (registers, bytes) = match registers(found, tid) {
            Ok(found) => found,
            Err(why) => {
                stack.frames_end = Some(why);
                continue;
            }
        };
        let copy = StackCopy::new(registers.sp(), &bytes);
        let chain = unwinder.unwind(&code, &registers, &copy);
        for (at, ip) in chain.frames.iter().enumerate() {
            let bytes = chain
                .stack
                .get(at)
                .zip(chain.stack.get(at + 1))
                .map(|(low, high)| high.0.saturating_sub(low.0));
            // A caller's address is the one it returns to: the call stands before.
            let inside = if at == 0 { *ip } else { VirtAddr(ip.0.wrapping_sub(1)) };
            stack.frames.push(FrameRow {
                address: ip.to_string(),
                function: function(&code, &mut symbolizer, inside),
                bytes,
            });
        }
        stack.frames_end = match chain.end {
            End::Root => None,
            End::Cut { missing } => {
                Some(format!("more of the stack than was copied would be needed, at {missing}"))
            }
            End::Unsaved => Some("a register is needed that is not known".into()),
            End::Lost => Some("nothing tells who called the last frame".into()),
            End::Deep => Some("there are more frames than are walked".into()),
        };
    }
}

/// The registers of a thread and a copy of its stack; else why there is none.
fn registers(found: &Found, tid: Tid) -> Result<(Registers, Vec<u8>), String> {
    if found.snapshot.moment == Moment::Now {
        let seen = sys::look::look(tid, STACK_BYTES).map_err(|error| error.to_string())?;
        return Ok((Registers::new(seen.ip, seen.general), seen.stack));
    }
    let thread =
        found.core_threads.iter().find(|thread| thread.tid == tid).ok_or("no registers are known")?;
    let contents = found.contents.as_ref().ok_or("the stack is not known")?;
    let mut bytes = vec![0; STACK_BYTES];
    let got = contents.read(thread.stack, &mut bytes);
    bytes.truncate(got);
    Ok((Registers::from_ip_sp_bp(thread.instruction, thread.stack, thread.frame.0), bytes))
}

fn function(code: &CodeMap, symbolizer: &mut Symbolizer, at: VirtAddr) -> String {
    let Some((object, address)) = code.locate(at) else { return String::new() };
    let frames = symbolizer.frames(object, address);
    // The last one is the function whose machine code it is; those before were inlined into it.
    let name = frames.last().and_then(|frame| frame.function.as_deref());
    let file =
        object.path().file_name().map(|name| words::printable(name.as_encoded_bytes())).unwrap_or_default();
    name.map_or_else(|| format!("in {file}"), |name| words::printable(name.as_bytes()))
}

/// What is mapped executable.
fn code_map(found: &Found) -> CodeMap {
    let snapshot = &found.snapshot;
    let mut files: HashMap<FileId, Option<Arc<ObjectFile>>> = HashMap::new();
    let mut code = CodeMap::new();
    for mapping in snapshot.mappings.iter().filter(|mapping| mapping.prot.contains(Prot::EXEC)) {
        let object = if *mapping.name == *b"[vdso]" {
            found.contents.as_deref().and_then(|memory| vdso(memory, mapping.range))
        } else if mapping.file == FileId::default() {
            None
        } else {
            files.entry(mapping.file).or_insert_with(|| open(found, snapshot, mapping.file)).clone()
        };
        code.insert(Code { range: mapping.range, offset: mapping.offset, object });
    }
    code
}

fn open(found: &Found, snapshot: &Snapshot, file: FileId) -> Option<Arc<ObjectFile>> {
    let object = snapshot.objects.iter().position(|object| object.file == file)?;
    let path = place::path_of(found, object)?;
    ObjectFile::open(&path).ok().map(Arc::new)
}

fn vdso(memory: &dyn Memory, range: abi::AddrRange) -> Option<Arc<ObjectFile>> {
    let mut bytes = vec![0; range.len().min(VDSO_BYTES_MAX) as usize];
    let got = memory.read(range.start, &mut bytes);
    bytes.truncate(got);
    ObjectFile::from_bytes("[vdso]", bytes.into()).ok().map(Arc::new)
}
